"""How careful raters were with themselves, and what excluding or weighing raters changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psyalign.report.content import Table, column
from psyalign.report.facts import Estimate
from psyalign.report.load import RunTables
from psyalign.report.numerals import MISSING, bounded, count, finite, percent, pvalue, real

__all__ = ["CARE_TERMS", "care_table", "changes_table", "policy_text", "right_order", "same_again", "within"]

CARE_TERMS = (
    (
        "Contradictory",
        "responses on which no single score explains which of the score points the rater chose; guessing "
        "gives 69% with five score points, 25% with three.",
    ),
    (
        "Circles",
        "triples of responses that a rater put in a circle (A over B, B over C, C over A); guessing gives a "
        "quarter. ζ is 1 without a circle and 0 with as many as there can be; the p says how easily guessing "
        "would give so few.",
    ),
    (
        "Same again",
        "share of questions that came twice and were answered alike, with its 95% interval (Wilson); κ takes "
        "out what chance alone would give.",
    ),
    (
        "Too fast",
        "share of judgements made in less than a tenth of the usual time for the kind of question, and in "
        "less than ten seconds (after Wise and Ma’s normative threshold).",
    ),
)
CHANGES = {
    "responses with a score": "Responses with a consensus score",
    "score pairs": "Pairs of score points with a preference",
    "agreement": "Agreement of raters",
}


def right_order(row: Mapping[Any, Any]) -> Estimate:
    """η of Crowd-BT with its interval; runs of before it was estimated have none."""
    return Estimate(*(finite(row.get(name)) for name in ("eta", "eta_low", "eta_high")))


def same_again(row: Mapping[Any, Any]) -> Estimate:
    """Share of repeats that were answered as before, with its interval."""
    names = ("consistent", "consistent_low", "consistent_high")
    return Estimate(*(finite(row.get(name)) for name in names))


def care_table(tables: RunTables) -> Table | None:
    """How careful the raters were in themselves; columns that know nothing of anybody are left out."""
    rows = tables.raters.to_dict("records")
    columns: list[tuple[str, list[str]]] = [
        ("Contradictory", [_of(row, "contradictory", "score_sets") for row in rows]),
        ("Circles", [_of(row, "circular", "triads") for row in rows]),
        ("ζ", [real(row.get("zeta")) for row in rows]),
        ("p", [pvalue(row.get("triads_p")) for row in rows]),
        ("Repeats", [count(row["repeats"]) if row.get("repeats") else MISSING for row in rows]),
        ("Same again", [within(same_again(row)) for row in rows]),
        ("κ", [real(row.get("repeat_kappa")) for row in rows]),
        ("Seconds", [real(row.get("seconds"), 1) for row in rows]),
        ("Too fast", [percent(row.get("fast")) for row in rows]),
    ]
    kept = [(title, cells) for title, cells in columns if any(cell != MISSING for cell in cells)]
    if not kept:
        return None
    return Table(
        "How consistent the raters were with themselves.",
        column("Rater", *(title for title, _ in kept)),
        tuple((str(row["rater"]), *(cells[at] for _, cells in kept)) for at, row in enumerate(rows)),
        note="Median seconds of a judgement. Too few repeats or triples say little: look at the intervals.",
        source="raters.csv",
    )


def _of(row: Mapping[Any, Any], part: str, whole: str) -> str:
    found = finite(row.get(whole))
    return f"{count(row[part])} of {count(found)}" if found else MISSING


def policy_text(tables: RunTables) -> str:
    """What the study file does about raters, in a sentence."""
    excluded = tables.manifest.setting("feedback", "exclude_raters", default=[])
    weighed = tables.manifest.setting("feedback", "rater_weights", default="none") == "discrimination"
    said = []
    if excluded:
        said.append(f"leaves out the judgements of {', '.join(str(name) for name in excluded)}")
    if weighed:
        said.append("weighs the other raters’ judgements by their discrimination")
    return (
        f"The study file {' and '.join(said)}. The table tells what that changed in the feedback that the "
        "arms learned from; the raters’ figures above are of all raters and all judgements."
    )


def changes_table(tables: RunTables) -> Table:
    """What excluding and weighing raters changed."""
    rows = []
    for row in tables.rater_changes.to_dict("records"):
        what = str(row["what"])
        number = bounded if what == "agreement" else count
        changed = _of(row, "changed", "compared")
        shown = CHANGES.get(what, f"{what[:1].upper()}{what[1:]}")
        rows.append((shown, number(row["before"]), number(row["after"]), changed))
    return Table(
        "The feedback before and after raters were excluded or weighed.",
        column("What", "Before", "After", "Changed"),
        tuple(rows),
        note="Changed: of what is there before and after, how many have another consensus score, or another "
        "of the two score points preferred. Agreement: mean share of judgements that equal what most of the "
        "other raters said, weighted.",
        source="rater_changes.csv",
    )


def within(found: Estimate) -> str:
    """A share and its interval."""
    if found.value is None or found.low is None or found.high is None:
        return bounded(found.value)
    return f"{bounded(found.value)} ({bounded(found.low)} to {bounded(found.high)})"
