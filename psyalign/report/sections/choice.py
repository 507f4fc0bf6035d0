"""How β and λ were chosen: the candidates, what held-out feedback persons got from each, and the rule."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from psyalign.report.content import Block, Paragraph, Section, Table, column
from psyalign.report.load import RunTables
from psyalign.report.numerals import MISSING, bounded, count, finite, real

__all__ = ["choice_section"]

ASIDE = (
    "Audit persons took no part in this. Each candidate was judged on feedback persons from whom nothing had "
    "been learned: in turn, one fold of persons was held out and the models were trained on the others."
)
RULES = {
    "beta": "Of all strengths β of the KL penalty whose loss exceeds the smallest by no more than one "
    "standard error of that difference, the largest was taken: it stays nearest to the reference scorer.",
    "equivalence_weight": "Of all weights λ that are not less accurate than the most accurate by more than "
    "one standard error, the smallest was taken whose gap between the wordings of an answer is within one "
    "standard error of the smallest gap.",
}
SIGNS = {"beta": "β", "equivalence_weight": "λ"}
LOSSES = {"rps": "RPS", "qwk": "1 − QWK"}
NOTE = (
    "Standard errors over persons (jackknife) in parentheses; that models of different folds share training "
    "persons is not in them. Stressed: chosen."
)


def choice_section(tables: RunTables) -> Section | None:
    """One paragraph and one table for each key that was chosen; None if none was."""
    if not len(tables.choice):
        return None
    told = tables.manifest.raw.get("choice") or {}
    blocks: list[Block] = [Paragraph(ASIDE)]
    for key, part in tables.choice.groupby("key", sort=True):
        said = str(told.get(key, {}).get("said", ""))
        blocks.append(Paragraph(f"{said}. {RULES[str(key)]}" if said else RULES[str(key)]))
        blocks.append(_candidates(str(key), part))
    signs = " and ".join(SIGNS[key] for key in sorted(set(tables.choice["key"].astype(str))))
    return Section("choice", f"How {signs} {'was' if len(signs) == 1 else 'were'} chosen", tuple(blocks))


def _candidates(key: str, part: pd.DataFrame) -> Table:
    weighed = key == "equivalence_weight"
    loss = LOSSES[str(part["criterion"].iloc[0])]
    titles = [SIGNS[key], "RPS", "QWK", "Calibration error", f"{loss} above the smallest"]
    if weighed:
        titles += ["Accurate enough", "Wording gap", "Other − neutral", "SD ratio"]
    rows = []
    for row in part.to_dict("records"):
        cells = [_value(row["value"]), _with_se(row, "rps"), _with_se(row, "qwk", unit=True)]
        cells += [_with_se(row, "ece", unit=True), _with_se(row, "excess")]
        if weighed:
            cells += ["yes" if row["admissible"] else "no", _with_se(row, "gap")]
            cells += [_with_se(row, "signed_gap"), real(row["sd_ratio"])]
        rows.append(tuple(cells))
    first = part.iloc[0]
    persons = f"{count(first['n'])} responses of {count(first['n_persons'])} held-out persons"
    if weighed:
        persons += f" and {count(first['n_pairs'])} held-out pairs, arm {first['arm']}"
    return Table(
        f"Candidates for {SIGNS[key]} on {persons}, {count(first['folds'])} folds.",
        column(*titles, text=(5,) if weighed else ()),
        tuple(rows),
        note=NOTE if weighed else f"{NOTE} ∞ is the reference scorer, no candidate.",
        emphasis=frozenset(place for place, chosen in enumerate(part["chosen"]) if chosen),
        source="choice.csv",
    )


def _value(value: object) -> str:
    number = finite(value)
    return "∞" if number is None else f"{number:g}"


def _with_se(row: Mapping[Hashable, Any], name: str, *, unit: bool = False) -> str:
    show = bounded if unit else real
    value, error = show(row[name], 3), show(row[f"{name}_se"], 3)
    return value if MISSING in (value, error) else f"{value}\n({error})"
