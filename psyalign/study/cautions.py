"""Cautions: settings that a study may have and should know the price of."""

from __future__ import annotations

from collections.abc import Iterator

from psyalign.study.problem import Problem
from psyalign.study.rules import reads_option
from psyalign.study.schema import Study

__all__ = ["cautions"]

# Statistics of mean differences given the matching score: what dif_penalty itself trains on.
SAME_STATISTIC = frozenset({"smd", "mantel", "standardisation"})
SIMULATED = "In psyalign's simulation of raters who penalise a dialect"


def cautions(study: Study) -> list[Problem]:
    """Settings that are allowed and misleading if nobody is told: each with the reason and a way out.

    They stand among the findings of ``psyalign study check``, in the run's manifest and in the limits of
    its report.
    """
    return [*_equivalence(study), *_dif_penalty(study), *_parity_penalty(study)]


def _equivalence(study: Study) -> Iterator[Problem]:
    align = study.align
    used = any(reads_option(arm, "equivalence") for arm in align.arms)
    if used and align.equivalence != "anchored" and not align.equivalence_guard:
        yield Problem(
            ("align", "equivalence_guard"),
            f'equivalence = "{align.equivalence}" without a guard can be satisfied by shrinking the scores: '
            "on re-worded real answers QWK fell from .78 to .44 that way, while DIF seemed to vanish. Look "
            "at the SD ratio and at DIF against the arm's own SD.",
            'Set equivalence_guard = 1, or equivalence = "anchored".',
        )


def _dif_penalty(study: Study) -> Iterator[Problem]:
    if not study.align.dif_penalty:
        return
    if study.data.source == "files" and study.data.operational == study.data.criterion:
        yield Problem(
            ("align", "dif_penalty"),
            "dif_penalty matches persons on the criterion scores, which here are the operational scores that "
            f"the scorer learned. If these are biased, so is the matching. {SIMULATED}, the penalty with "
            "biased matching removed nothing (STD P-DIF −.40, without it −.36).",
            "Name another rater as [data] criterion.",
        )
    if SAME_STATISTIC.issuperset(study.dif.methods):
        yield Problem(
            ("align", "dif_penalty"),
            "dif_penalty trains on the SMD, and [dif] methods judge it by the SMD or its like alone. A "
            "statistic that was trained on looks better than what it stands for.",
            'Add "ordinal" or "gmh" to [dif] methods.',
        )


def _parity_penalty(study: Study) -> Iterator[Problem]:
    if study.align.parity_penalty:
        yield Problem(
            ("align", "parity_penalty"),
            "parity_penalty makes the groups' mean scores equal, whether or not the groups differ in what "
            f"the items measure. {SIMULATED}, it reversed DIF: STD P-DIF went from −.36 to +.19, against "
            "the reference group.",
            "Use dif_penalty or equivalence feedback, unless equal means are what is wanted.",
        )
