"""The ways from a judge to feedback records, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from psyalign.judge.paths.common import PAIR_KINDS, JudgeSettings, Work
from psyalign.judge.paths.equivalence import equivalence
from psyalign.judge.paths.preferences import principled, rlaif
from psyalign.judge.paths.rationales import constitution, contrastive, elaborate
from psyalign.judge.paths.wordings import wordings
from psyalign.judge.subjects import Subjects

__all__ = ["PAIR_KINDS", "PATHS", "JudgeSettings", "Work"]

PATHS: Mapping[str, Callable[[Subjects, JudgeSettings], list[Work]]] = {
    "rlaif": rlaif,
    "principles": principled,
    "equivalence": equivalence,
    "wordings": wordings,
    "constitution": constitution,
    "contrastive": contrastive,
    "elaborate": elaborate,
}
