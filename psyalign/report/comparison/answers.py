"""The first page's answers, in plain words that claim no more than the rules of `judged` allow."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from psyalign.report.comparison.compared import Compared
from psyalign.report.comparison.judged import FairnessFound, Tested, judge_accuracy, judge_fairness
from psyalign.report.facts import Estimate, estimate, one_row
from psyalign.report.numerals import bounded, count, decimals_for, interval, pvalue, real

__all__ = ["QUESTIONS", "answers", "cautions", "headline", "names"]

QUESTIONS = (
    "Is B fairer than A?",
    "For whom, by how much, and how sure is that?",
    "What did it cost in accuracy?",
    "What may I not conclude?",
)
# Below this share of the human spread of scores, a smaller ES may be bought by shrinking the scores.
SD_RATIO_WARNING = 0.8
LISTED = 6
FAIR = {
    "nearer": "by DIF yes, on {}: over all items together, it is nearer to zero in B",
    "further": "by DIF no, on {}: over all items together, it is further from zero in B",
    "moved": "on {} DIF is not the same in B, but it is not shown to be nearer to zero or further from it",
    "small": "on {} neither is shown to be fairer, and the difference in mean DIF is shown to be small",
    "no_evidence": "on {} there is no evidence of a difference in mean DIF, which does not show that A "
    "and B are equally fair",
    "untested": "on {} this cannot be said: the difference could not be tested",
}
ACCURACY = {
    "higher": "B agrees better with the human scores than A",
    "lower": "B agrees less well with the human scores than A",
    "small": "There is no evidence of a difference in agreement with the human scores, and it is shown to be "
    "smaller than ±{}",
    "no_evidence": "There is no evidence of a difference in agreement with the human scores, which does "
    "not show that there is none",
    "untested": "Whether agreement with the human scores differs was not tested",
}


def names(found: Compared) -> tuple[str, str]:
    """A and B as readers know them: the run, and the study too where that tells them apart."""
    sides = (found.a, found.b)
    if found.a.study == found.b.study:
        return found.a.run, found.b.run
    first, second = (f"{side.study}:{side.run}" for side in sides)
    return first, second


def headline(found: Compared) -> str:
    """Which runs, and which of their scorers, the first page is about."""
    a, b = names(found)
    own = [side.tables.label(side.scorer) for side in (found.a, found.b)]
    scorers = f"the scorer “{own[0]}” of both" if own[0] == own[1] else f"“{own[0]}” of A and “{own[1]}” of B"
    return f"A is run “{a}”, B is run “{b}”. This page is about {scorers}; differences are B minus A."


def answers(found: Compared) -> tuple[tuple[str, str], ...]:
    """Each question with its answer, about the runs' own scorers."""
    texts = (_fairer(found), _how_much(found), _cost(found), _limits(found))
    return tuple(zip(QUESTIONS, texts, strict=True))


def _fairer(found: Compared) -> str:
    judged = judge_fairness(found)
    if not judged:
        return "Fairness cannot be compared: the two runs have no grouping in common."
    kinds: dict[str, list[str]] = {}
    for one in judged:
        kinds.setdefault(one.kind, []).append(one.group.attribute)
    parts = [FAIR[kind].format(" and ".join(of)) for kind, of in kinds.items()]
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def _how_much(found: Compared) -> str:
    if not found.groups:
        return "Nothing is known: no grouping with the same reference and focal group is in both runs."
    return " ".join(_of_group(found, one) for one in judge_fairness(found)) + _shrunk(found)


def _of_group(found: Compared, one: FairnessFound) -> str:
    group = one.group
    who = f"On {group.attribute} (“{group.focal}” compared with “{group.reference}” of the same human total)"
    digits = _digits(one.mean)
    own = (
        f"mean effect size is {real(one.mean.a.value, digits)} SD in A{_ci(one.mean.a, digits)} and "
        f"{real(one.mean.b.value, digits)} SD in B{_ci(one.mean.b, digits)}"
    )
    if one.kind == "untested":
        return (
            f"{who}, {own}; not tested: {_reason(found, group.attribute)}. {_flags(found, group.attribute)}"
        )
    where = _where(found, one.mean, _persons(found, group.attribute), real, digits)
    text = f"{who}, {own}; difference{where} {_difference(one.mean, digits)}.{_turned(one.mean)}"
    if one.kind in ("nearer", "further", "moved", "small") and one.small:
        text += f" That the difference is smaller than ±{real(found.plan.margin_es)} is shown."
    squares = {
        "smaller": " Item by item, too, effects are smaller in B (mean ES²).",
        "larger": " Item by item, effects are larger in B (mean ES²).",
        "no_evidence": " That effects differ in size item by item is not shown (mean ES²).",
        "untested": "",
    }[one.square]
    if one.square == "smaller" and one.kind != "nearer":
        squares = (
            " Item by item, effects are smaller in B (mean ES²), which also counts where items cancel out."
        )
    return f"{text}{squares} {_flags(found, group.attribute)}"


def _where(
    found: Compared, tested: Tested, persons: str, show: Callable[[object, int], str], digits: int
) -> str:
    """Whom a difference is about, with the two figures of these persons, where they are not all."""
    if found.common.whole:
        return ""
    first, second = (show(value, digits) for value in tested.common)
    return f" on the {persons} persons in both ({first} in A, {second} in B)"


def _turned(tested: Tested) -> str:
    if not tested.turned:
        return ""
    return " Mind that the runs’ own figures, of other persons too, point the other way."


def _digits(tested: Tested) -> int:
    ends = (tested.a.low, tested.a.high, tested.b.low, tested.b.high)
    return decimals_for(tested.a.value, tested.b.value, *tested.difference, *ends)


def _difference(tested: Tested, digits: int, *, unit: bool = False) -> str:
    value, low, high = tested.difference
    show = bounded if unit else real
    p = pvalue(tested.p)
    return (
        f"{show(value, digits, signed=True)}, 95% CI {interval(low, high, digits, unit_bound=unit)}, p "
        f"{p if p.startswith('<') else f'= {p}'} (corrected)"
    )


def _ci(found: Estimate, digits: int = 2, *, unit: bool = False) -> str:
    if found.low is None or found.high is None:
        return ""
    return f" [{interval(found.low, found.high, digits, unit_bound=unit)[1:-1]}]"


def _reason(found: Compared, grouping: str) -> str:
    row = one_row(found.tables["dif"], primary=True, grouping=grouping, statistic="mean_es")
    return found.common.reason or ("" if row is None else str(row["reason"]))


def _persons(found: Compared, grouping: str) -> str:
    row = one_row(found.tables["dif"], primary=True, grouping=grouping, statistic="mean_es")
    return count(None if row is None else row["n_persons"])


def _flags(found: Compared, grouping: str) -> str:
    """Flagged items of each run, and the ones whose flag is shown to have changed."""
    table = found.tables["dif_items"]
    mine = table[table["primary"].astype(bool) & (table["grouping"] == grouping)]
    n = [int(mine[f"{letter}_class"].isin(("BB", "CC")).sum()) for letter in "ab"]
    text = f"Flagged items: {n[0]} of {len(mine)} in A, {n[1]} in B"
    for status, words in (("resolved", "no longer flagged in B"), ("introduced", "newly flagged in B"),
                          ("new_direction", "flagged in the other direction in B")):  # fmt: skip
        items = [found.a.tables.item_title(item) for item in mine.loc[mine["status"] == status, "item"]]
        if items:
            listed = ", ".join(items[:LISTED]) + (
                f" and {len(items) - LISTED} more" if len(items) > LISTED else ""
            )
            text += f"; {words}, with a tested change: {listed}"
    return f"{text}."


def _shrunk(found: Compared) -> str:
    row = one_row(found.tables["accuracy"], primary=True, metric="sd_ratio")
    parts = []
    for letter in "ab":
        value = None if row is None else estimate(row, letter, letter, letter).value
        if value is not None and value < SD_RATIO_WARNING:
            parts.append(
                f"{letter.upper()}’s scores spread only {real(value)} times as wide as the human ones"
            )
    return f" Mind that {' and '.join(parts)}, which alone makes effect sizes look smaller." if parts else ""


def _cost(found: Compared) -> str:
    judged = judge_accuracy(found)
    qwk = judged.qwk
    digits = _digits(qwk)
    own = f"QWK is {bounded(qwk.a.value, digits)} in A{_ci(qwk.a, digits, unit=True)} and "
    own += f"{bounded(qwk.b.value, digits)} in B{_ci(qwk.b, digits, unit=True)}"
    text = ACCURACY[judged.kind].format(bounded(found.plan.margin_qwk))
    if judged.kind == "untested":
        return f"{text}: {found.common.reason or 'it could not be estimated'}. {own}."
    where = _where(found, qwk, count(found.common.n_persons), bounded, digits)
    text = f"{text}: {own}; difference{where} {_difference(qwk, digits, unit=True)}.{_turned(qwk)}"
    if judged.kind in ("higher", "lower") and judged.small:
        text += f" That the difference is smaller than ±{bounded(found.plan.margin_qwk)} is shown."
    rmse = one_row(found.tables["accuracy"], primary=True, metric="rmse")
    if rmse is not None:
        text += (
            f" Mean error (RMSE, score points) {real(rmse['a'], 3)} in A, {real(rmse['b'], 3)} in B; "
            f"difference {real(rmse['difference'], 3, signed=True)}, 95% CI "
            f"{interval(rmse['low'], rmse['high'], 3)}, not corrected."
        )
    return text


def _limits(found: Compared) -> str:
    return " ".join(text for _, text in cautions(found)[:2]) + " More below."


def cautions(found: Compared) -> list[tuple[str, str]]:
    """What may not be concluded: a lead and a sentence each, the weightiest first."""
    settings = found.tables["settings"]
    real_keys = settings.loc[~settings["name_only"].astype(bool), "key"].astype(str).tolist()
    entries = [_cause(found, real_keys)]
    entries.append(
        (
            "One training each.",
            "Intervals say how far other persons would have changed the figures, not how far another "
            "training would have: that B’s settings are better in general takes several seeds of each.",
        )
    )
    entries += _people(found)
    tests = int(
        sum(found.tables[name]["p"].notna().sum() for name in ("accuracy", "groups", "dif", "diagnostics"))
    )
    entries.append(
        (
            "Many figures.",
            "The p values of this page are corrected for its tests (Holm), those of items for the number "
            f"of items. The {count(tests)} tests in the tables on agreement, groups, DIF over items and "
            "alignment are not: about one in twenty is below .05 by chance alone.",
        )
    )
    entries.append(
        (
            "No evidence is not equality.",
            f"Only where a whole 95% interval lies within ±{real(found.plan.margin_es)} SD (mean ES) or "
            f"±{bounded(found.plan.margin_qwk)} (QWK) is a difference called small. These margins are "
            "conventions.",
        )
    )
    entries.append(
        (
            "Human scores.",
            "Both runs are judged by the same human scores: what is unfair in all of those is seen in "
            "neither.",
        )
    )
    entries += _origin(found)
    return entries


def _cause(found: Compared, keys: list[str]) -> tuple[str, str]:
    inputs = found.tables["inputs"]
    other = inputs.loc[(inputs["same"] == "no") & (inputs["what"] != "Trained baseline scorer"), "what"]
    n = len(keys) + len(other)
    if not n:
        return (
            "Nothing differs in what was asked.",
            "What differs in the results is chance of training or software.",
        )
    listed = [*keys, *map(str, other)]
    text = ", ".join(listed[:LISTED]) + (f" and {len(listed) - LISTED} more" if len(listed) > LISTED else "")
    if n == 1:
        return (
            "Why.",
            f"The runs differ in {text}. With one run of each, chance of training is in the difference too.",
        )
    return (
        "Why.",
        f"The runs differ in {n} respects ({text}): which of them made a difference cannot be told.",
    )


def _people(found: Compared) -> list[tuple[str, str]]:
    common = found.common
    if not common.paired:
        text = f"Differences are not tested: {common.reason}. Overlapping intervals show nothing either way."
        return [("Not the same responses.", text)]
    if common.whole:
        return []
    text = (
        f"Differences are those of the {count(len(common.rows))} responses of {count(common.n_persons)} "
        "persons whom both runs audited; each run’s own figures are of all that it audited. The two can "
        "point different ways."
    )
    return [("Part of the persons.", text)]


def _origin(found: Compared) -> list[tuple[str, str]]:
    origins = {side.tables.manifest.origin for side in (found.a, found.b) if not side.tables.manifest.real}
    if not origins:
        return []
    text = "Nothing follows for real persons or real bias from data of this kind."
    return [(f"Origin of the data: {' and '.join(sorted(origins))}.", text)]


def item_row(table: pd.DataFrame, grouping: str) -> pd.DataFrame:
    """Rows of the runs' own scorers on one grouping."""
    return table[table["primary"].astype(bool) & (table["grouping"] == grouping)]
