"""The settings of alignment as the run has settled them: the study's, with what [choice] chose."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from psyalign.pipeline.run import Run
from psyalign.study import Align

__all__ = ["CHOICES", "settled_align"]

# key of [align] that [choice] may settle -> the stage that settles it
CHOICES: Mapping[str, str] = MappingProxyType(
    {"beta": "choice/beta", "equivalence_weight": "choice/equivalence"}
)


def settled_align(run: Run) -> Align:
    """[align] with the chosen values in place of the keys that [choice] is to choose.

    All that trains or judges an arm reads its settings here. A stage that does so needs the
    stages of `CHOICES` that the run has, so that they are done before it.
    """
    chosen = {key: run.facts(stage)["value"] for key, stage in CHOICES.items() if stage in run.done}
    return run.study.align.model_copy(update=chosen) if chosen else run.study.align
