"""The verdict: a headline and three sentences that a client understands, each tied to a rule.

DIF is "reduced" only if the paired interval of the change excludes zero, the aligned scorer's mean
effect is nearer zero, and the interval does not reach a DIF of the old size in the other direction.
Everything else is said plainly as what it is: no evidence, growth, a change of direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from psyalign.report.facts import (
    Estimate,
    agreement_interval,
    agreement_row,
    estimate,
    summary_row,
)
from psyalign.report.load import Group, RunTables
from psyalign.report.numerals import bounded, decimals_for, finite, interval, real

__all__ = [
    "Accuracy",
    "DifOutcome",
    "Refit",
    "Verdict",
    "accuracy",
    "dif_outcome",
    "headline",
    "refit",
    "shrunk",
    "verdict",
]

DifKind = Literal["reduced", "grown", "reversed", "not_shown", "unknown"]
AccuracyKind = Literal["gained", "lost", "not_shown", "unknown"]
RefitKind = Literal["better", "as_good", "mixed", "less", "absent", "itself"]

# A loss of QWK below this is not worth a word when two arms are set side by side.
QWK_MARGIN = 0.01
# Below this share of the human spread of scores, a smaller ES may be bought by shrinking the scores.
SD_RATIO_WARNING = 0.8


@dataclass(frozen=True)
class DifOutcome:
    """What happened to the mean effect size of one grouping (human-SD units, focal minus reference)."""

    kind: DifKind
    group: Group
    before: float | None
    after: float | None
    change: Estimate


@dataclass(frozen=True)
class Accuracy:
    """What happened to the QWK with the human scores."""

    kind: AccuracyKind
    before: float | None
    after: float | None
    change: Estimate


@dataclass(frozen=True)
class Refit:
    """How refitting on the feedback scores compares, over all groupings; differences are not tested."""

    kind: RefitKind
    mean_es: tuple[float | None, ...] = ()
    qwk: float | None = None


@dataclass(frozen=True)
class Verdict:
    """Three sentences: DIF, agreement, and what may not be concluded."""

    dif: str
    agreement: str
    limits: str

    @property
    def sentences(self) -> tuple[str, str, str]:
        """The three in order."""
        return self.dif, self.agreement, self.limits


def verdict(tables: RunTables) -> Verdict:
    """The verdict of a run."""
    arm = tables.after
    if arm is None:
        return Verdict(
            "This run has no aligned arm: it describes one scorer and shows no change in DIF.",
            _agreement_alone(tables),
            "Nothing may be concluded from it about alignment" + _origin_clause(tables) + ".",
        )
    outcomes = [dif_outcome(tables, arm, group) for group in tables.manifest.groups]
    return Verdict(
        _dif_sentence(tables, arm, outcomes),
        _agreement_sentence(tables, arm),
        _limits_sentence(tables, arm, outcomes),
    )


DIF_WORDS: dict[DifKind, str] = {
    "reduced": "DIF was reduced on {}",
    "grown": "DIF grew on {}",
    "reversed": "DIF changed direction on {}, and it is not shown that it became smaller",
    "not_shown": "there is no evidence that DIF changed on {}",
    "unknown": "whether DIF changed on {} is not known",
}
AGREEMENT_WORDS: dict[AccuracyKind, str] = {
    "gained": "agreement with the human scores rose",
    "lost": "agreement with the human scores fell",
    "not_shown": "there is no evidence that agreement with the human scores changed",
    "unknown": "whether agreement with the human scores changed is not known",
}


def headline(tables: RunTables) -> str:
    """The verdict in one sentence without numbers."""
    arm = tables.after
    if arm is None:
        return "This run has no aligned arm: it describes one scorer and shows no change in DIF."
    kinds: dict[DifKind, list[str]] = {}
    for group in tables.manifest.groups:
        kinds.setdefault(dif_outcome(tables, arm, group).kind, []).append(group.attribute)
    parts = [DIF_WORDS[kind].format(" and ".join(names)) for kind, names in kinds.items()]
    parts.append(AGREEMENT_WORDS[accuracy(tables, arm).kind])
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def dif_outcome(tables: RunTables, arm: str, group: Group) -> DifOutcome:
    """Judge the paired change of the mean effect size of `arm` against the baseline."""
    before_row = summary_row(tables, tables.before, group.attribute)
    after_row = summary_row(tables, arm, group.attribute)
    before = estimate(before_row, "mean_es", "mean_low", "mean_high").value
    after = estimate(after_row, "mean_es", "mean_low", "mean_high").value
    change = _trusted(tables, estimate(after_row, "change", "change_low", "change_high"))
    return DifOutcome(_dif_kind(before, after, change), group, before, after, change)


def _trusted(tables: RunTables, change: Estimate) -> Estimate:
    """The change without its interval if that comes from too few draws to claim anything."""
    return change if tables.manifest.intervals_hold else Estimate(change.value)


def _dif_kind(before: float | None, after: float | None, change: Estimate) -> DifKind:
    if before is None or after is None or not change.known:
        return "unknown"
    if not change.excludes_zero:
        return "not_shown"
    if abs(after) >= abs(before):
        return "grown" if abs(after) > abs(before) else "reversed"
    # The mirror image of "before" lies at a change of -2 * before: as much DIF, the other way round.
    ends = (change.low or 0.0, change.high or 0.0)
    reaches = max(ends) >= -2 * before if before < 0 else min(ends) <= -2 * before
    return "reversed" if before * after < 0 and reaches else "reduced"


def accuracy(tables: RunTables, arm: str) -> Accuracy:
    """Judge the paired change of the QWK of `arm` against the baseline."""
    before_row = agreement_row(tables, tables.before)
    after_row = agreement_row(tables, arm)
    before = None if before_row is None else finite(before_row["qwk"])
    after = None if after_row is None else finite(after_row["qwk"])
    found = estimate(agreement_interval(tables, arm, "qwk"), "change", "change_low", "change_high")
    change = _trusted(tables, found)
    if before is None or after is None or not change.known:
        return Accuracy("unknown", before, after, change)
    if not change.excludes_zero:
        return Accuracy("not_shown", before, after, change)
    return Accuracy("lost" if (change.high or 0) < 0 else "gained", before, after, change)


def refit(tables: RunTables, arm: str) -> Refit:
    """Set the refit arm beside `arm`: "as good" in DIF if its mean ES is no further from zero or lies
    within `arm`'s interval, in agreement if its QWK is at most .01 lower."""
    if arm == "refit":
        return Refit("itself")
    row = agreement_row(tables, "refit")
    own = agreement_row(tables, arm)
    if row is None or own is None:
        return Refit("absent")
    qwk, own_qwk = finite(row["qwk"]), finite(own["qwk"])
    means, nearer, near = [], [], []
    for group in tables.manifest.groups:
        mine = estimate(summary_row(tables, arm, group.attribute), "mean_es", "mean_low", "mean_high")
        theirs = estimate(summary_row(tables, "refit", group.attribute), "mean_es", "mean_low", "mean_high")
        if mine.value is None or theirs.value is None:
            return Refit("absent")
        means.append(theirs.value)
        nearer.append(abs(theirs.value) < abs(mine.value))
        within = mine.low is not None and mine.high is not None and mine.low <= theirs.value <= mine.high
        near.append(within or abs(theirs.value) <= abs(mine.value))
    if qwk is None or own_qwk is None:
        return Refit("absent")
    return Refit(_refit_kind(all(nearer), all(near), qwk - own_qwk), tuple(means), qwk)


def _refit_kind(nearer: bool, near: bool, qwk_lead: float) -> RefitKind:
    if nearer and qwk_lead > 0:
        return "better"
    if near and qwk_lead >= -QWK_MARGIN:
        return "as_good"
    return "mixed" if nearer or near or qwk_lead > 0 else "less"


def shrunk(tables: RunTables, arm: str) -> float | None:
    """The SD ratio of `arm` if its scores are much less spread out than the human ones; else None."""
    row = agreement_row(tables, arm)
    ratio = None if row is None else finite(row["sd_ratio"])
    return ratio if ratio is not None and ratio < SD_RATIO_WARNING else None


def _dif_sentence(tables: RunTables, arm: str, outcomes: list[DifOutcome]) -> str:
    clauses = "; ".join(_dif_clause(outcome) for outcome in outcomes)
    return f"With the arm “{tables.label(arm)}” as the scorer after alignment, {clauses}."


def _dif_clause(outcome: DifOutcome) -> str:
    group = outcome.group
    what = f"{group.attribute} ({group.focal} compared with {group.reference})"
    value, low, high = outcome.change
    digits = decimals_for(outcome.before, outcome.after, value, low, high)
    numbers = (
        f"mean effect size {real(outcome.before, digits)} before, {real(outcome.after, digits)} after; "
        f"change {real(value, digits, signed=True)}, 95% CI {interval(low, high, digits)}"
    )
    if outcome.kind == "reduced":
        return f"DIF reduced on {what}: {numbers}"
    if outcome.kind == "grown":
        return f"DIF grew on {what}: {numbers}"
    if outcome.kind == "reversed":
        return f"DIF changed direction on {what} and it is not shown that it became smaller: {numbers}"
    if outcome.kind == "not_shown":
        return f"there is no evidence that DIF changed on {what}: {numbers}"
    return f"the change of DIF on {what} could not be estimated with an interval, so nothing is claimed"


def _agreement_sentence(tables: RunTables, arm: str) -> str:
    found = accuracy(tables, arm)
    value, low, high = found.change
    digits = decimals_for(found.before, found.after, value, low, high)
    numbers = (
        f"QWK {bounded(found.before, digits)} before, {bounded(found.after, digits)} after; change "
        f"{bounded(value, digits, signed=True)}, 95% CI {interval(low, high, digits, unit_bound=True)}"
    )
    if found.kind == "gained":
        return f"Agreement with the human scores rose: {numbers}."
    if found.kind == "lost":
        return f"Agreement with the human scores fell: {numbers}."
    if found.kind == "not_shown":
        return f"There is no evidence that agreement with the human scores changed: {numbers}."
    return "The change in agreement could not be estimated with an interval, so nothing is claimed about it."


def _agreement_alone(tables: RunTables) -> str:
    row = agreement_row(tables, tables.before)
    return f"Its agreement with the human scores is QWK {bounded(None if row is None else row['qwk'])}."


def _limits_sentence(tables: RunTables, arm: str, outcomes: list[DifOutcome]) -> str:
    parts = [_refit_clause(refit(tables, arm))]
    ratio = shrunk(tables, arm)
    if ratio is not None and any(outcome.kind == "reduced" for outcome in outcomes):
        parts.append(
            f"the scores after alignment spread only {real(ratio)} times as wide as the human ones, "
            "which alone makes an effect size look smaller"
        )
    parts.append("nothing is shown about other items, other groups or other people" + _origin_clause(tables))
    text = "; ".join(part for part in parts if part)
    return text[:1].upper() + text[1:] + "."


def _refit_clause(found: Refit) -> str:
    if found.kind == "itself":
        return "the arm shown as “after” is plain refitting on the feedback scores, not alignment"
    if found.kind == "absent":
        return "the run has no arm refitted on the feedback scores to compare with"
    means = ", ".join(real(mean) for mean in found.mean_es)
    numbers = f"mean effect size {means}, QWK {bounded(found.qwk)}"
    if found.kind == "better":
        return f"simply refitting the scorer on the feedback scores came out better ({numbers})"
    if found.kind == "as_good":
        return (
            f"simply refitting the scorer on the feedback scores did as well ({numbers}), so it may not be "
            "concluded that alignment is needed"
        )
    if found.kind == "mixed":
        return (
            "simply refitting the scorer on the feedback scores did better in one respect and worse in "
            f"another ({numbers})"
        )
    return (
        f"simply refitting the scorer on the feedback scores came out behind ({numbers}), but the two arms "
        "were not tested against each other"
    )


def _origin_clause(tables: RunTables) -> str:
    origin = tables.manifest.origin
    if tables.manifest.real:
        return ""
    if "planted" in origin:
        return ", and the bias that was measured here was planted, not found"
    return ", and these people are simulated: nothing follows for real ones"
