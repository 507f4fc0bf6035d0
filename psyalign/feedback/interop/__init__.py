"""Feedback in other tools' files: TRL preference datasets, Label Studio and Argilla JSON, both ways.

Nothing of those tools is needed: the formats are read and written by hand. One file a format; each reads
claims (what a row says) and writes what goes out; `transfer` matches claims with a study and counts what
was left out.
"""

from psyalign.feedback.interop.claims import Left
from psyalign.feedback.interop.label_config import label_config
from psyalign.feedback.interop.outgoing import Outgoing, Question
from psyalign.feedback.interop.texts import StudyTexts, item_prompt
from psyalign.feedback.interop.transfer import (
    FORMATS,
    Format,
    Transfer,
    append_records,
    export_feedback,
    import_feedback,
)

__all__ = [
    "FORMATS",
    "Format",
    "Left",
    "Outgoing",
    "Question",
    "StudyTexts",
    "Transfer",
    "append_records",
    "export_feedback",
    "import_feedback",
    "item_prompt",
    "label_config",
]
