"""A Word file's properties and bytes: nothing in them tells of the machine or the hour."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime

from docx.document import Document
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml.ns import qn

from psyalign.report.cover import Cover
from psyalign.report.word.xml import node

__all__ = ["packed", "set_properties", "strip"]

EPOCH = datetime(1980, 1, 1)  # the earliest that a zip archive knows
# Parts of the template that say what is not so, or are not used.
UNUSED = (
    RELATIONSHIP_TYPE.EXTENDED_PROPERTIES,
    "http://schemas.openxmlformats.org/package/2006/relationships/metadata/thumbnail",
    RELATIONSHIP_TYPE.CUSTOM_XML,
    "http://schemas.microsoft.com/office/2007/relationships/stylesWithEffects",
)
TITLE_LENGTH = 250  # Word shows no longer ones


def set_properties(document: Document, cover: Cover) -> None:
    """Title and time of the run; no author, as a program is none."""
    properties = document.core_properties
    properties.title = cover.document_title[:TITLE_LENGTH]
    properties.subject = cover.kicker
    properties.author = properties.last_modified_by = properties.comments = ""
    properties.language = "en"
    properties.revision = 1
    properties.created = properties.modified = _time(cover.finished)


def _time(text: str) -> datetime:
    """`text` (ISO 8601) in UTC, as a Word file's properties want it; the epoch if it is no time."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return EPOCH
    universal = time.astimezone(UTC) if time.tzinfo else time
    return universal.replace(tzinfo=None, microsecond=0)


def strip(document: Document) -> None:
    """Drop what python-docx's template brings along, and have Word open the file in today's mode."""
    for holder in (document.part.package, document.part):
        for key, relation in list(holder.rels.items()):
            if relation.reltype in UNUSED:
                del holder.rels[key]
    settings = document.settings.element
    for tag in ("w:rsids", "w:proofState", "w:savePreviewPicture"):
        for element in settings.findall(qn(tag)):
            settings.remove(element)
    for setting in settings.iter(qn("w:compatSetting")):
        if setting.get(qn("w:name")) == "compatibilityMode":
            setting.set(qn("w:val"), "15")
    for language in settings.findall(qn("w:themeFontLang")):
        settings.replace(language, node("themeFontLang", val="en-GB"))


def packed(document: Document) -> bytes:
    """The file's bytes; the same document gives the same."""
    raw, out = io.BytesIO(), io.BytesIO()
    document.save(raw)
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            entry = zipfile.ZipInfo(name, date_time=EPOCH.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 0  # the same on every system
            target.writestr(entry, source.read(name))
    return out.getvalue()
