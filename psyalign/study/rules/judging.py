"""Rules of [dif], [gates] and [report]: how the scores are judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from psyalign.study.problem import Problem

if TYPE_CHECKING:
    from psyalign.study.judging import Gates
    from psyalign.study.schema import Study

__all__ = ["NOT_IN_STUDIES", "dif_rules", "gate_rules", "no_study_method", "report_rules"]

# DIF methods that psyalign has and a study does not take, and why.
_OWN_SCORES = (
    "matches on the rest score of the scores that it tests; a study matches on the human total, which "
    "alignment cannot move"
)
_TWO_POINTS = "is for two score points; a study's items may have more"
NOT_IN_STUDIES: Mapping[str, str] = {
    "polysib": _OWN_SCORES,
    "crossing_polysib": _OWN_SCORES,
    "mantel_haenszel": _TWO_POINTS,
    "breslow_day": _TWO_POINTS,
    "logistic": _TWO_POINTS,
}


def no_study_method(name: object) -> Problem | None:
    """Why a DIF method that exists cannot stand in [dif] methods; None for every other name."""
    if not isinstance(name, str) or name not in NOT_IN_STUDIES:
        return None
    return Problem(
        ("dif", "methods"),
        f"The DIF method '{name}' {NOT_IN_STUDIES[name]}.",
        f"Drop it here, and run psyalign dif with --methods {name} on a table of scores.",
    )


def dif_rules(study: Study) -> Iterator[Problem]:
    """DIF methods are listed once each, and the classes' bounds rise."""
    dif = study.dif
    if not dif.methods:
        yield Problem(("dif", "methods"), "No DIF method is listed.", 'Add "smd" and "mantel".')
    if len(set(dif.methods)) < len(dif.methods):
        yield Problem(("dif", "methods"), "A DIF method is listed twice.", "List each method once.")
    if dif.es_moderate >= dif.es_large:
        yield Problem(
            ("dif", "es_large"),
            f"es_large ({dif.es_large:g}) must be above es_moderate ({dif.es_moderate:g}).",
            "The usual values are 0.17 and 0.25.",
        )


def gate_rules(study: Study) -> Iterator[Problem]:
    """A gate has what its threshold is about."""
    gates = study.gates
    if gates is None:
        return
    changed = {key for key in ("impact_ratio", "es_class") if _asks_otherwise(gates, key)}
    if "impact_ratio" in changed and gates.cut is None:
        yield Problem(
            ("gates", "impact_ratio"),
            "'impact_ratio' needs 'cut', the mean score at which a person passes.",
            "Add, say, cut = 2.5, or drop 'impact_ratio'.",
        )
    if "es_class" in changed and "smd" not in study.dif.methods:
        yield Problem(
            ("gates", "es_class"),
            "'es_class' judges the SMD's effect sizes, and [dif] methods lack \"smd\".",
            "Add \"smd\" to [dif] methods, or drop 'es_class'.",
        )
    yield from _gate_raters(study, gates.raters)


def _asks_otherwise(gates: Gates, key: str) -> bool:
    """Whether [gates] sets a threshold otherwise than by default; the default is asked of what there is."""
    value = getattr(gates, key)
    return value is not False and value != type(gates).model_fields[key].default


def _gate_raters(study: Study, raters: tuple[str, ...]) -> Iterator[Problem]:
    if not raters:
        return
    key, criterion = ("gates", "raters"), study.data.criterion
    if len(raters) < 2 or len(set(raters)) < len(raters):
        yield Problem(
            key,
            "'raters' must name two or more different raters: it says how far humans agree.",
            'List, say, raters = ["first", "second"], or drop it.',
        )
    elif criterion and raters[0] != criterion:
        yield Problem(
            key,
            f"The first of 'raters' must be the criterion rater '{criterion}', whom the scorer is judged by.",
            f'Begin the list with "{criterion}".',
        )


def report_rules(study: Study) -> Iterator[Problem]:
    """The arm called "after" is one of the study's and learns from feedback."""
    chosen = study.report.primary_arm
    if chosen in ("baseline", "ceiling"):
        yield Problem(
            ("report", "primary_arm"),
            f"'{chosen}' cannot be the arm called \"after\": it learns nothing from feedback.",
            'Choose an aligned arm, such as "equivalence".',
        )
    elif chosen and chosen not in study.align.arms:
        yield Problem(
            ("report", "primary_arm"),
            f"The primary arm '{chosen}' is not among the arms.",
            f"Add it to [align] arms, or choose one of: {', '.join(study.align.arms)}.",
        )
