"""What raters' denials that two wordings of one answer say the same have to do with the scorer's gap."""

from __future__ import annotations

from psyalign.report.load import RunTables
from psyalign.report.numerals import count, finite, interval, real

__all__ = ["denied_far_apart", "denied_text"]

MEANING = (
    "Either those wordings do change what is said, or raters mind the wording as the scorer does; then "
    "alignment is taught least where it is needed most, and more of the same judgements will not mend it. "
    "Reading some of the denied pairs tells which."
)


def denied_text(tables: RunTables) -> str:
    """The table "denied" in words."""
    row = tables.denied.iloc[0]
    said = (
        f"Of {count(row['n'])} judgements whether two wordings of one answer show the same intention, "
        f"{count(row['n_denied'])} say that they do not. "
    )
    if finite(row["difference"]) is None:
        return f"{said}Whether the scorer tells just those apart could not be estimated: {row['reason']}."
    said += (
        f"Before alignment the scorer puts the wordings of those {real(row['denied'])} score points apart, "
        f"and of the others {real(row['same'])}: a difference of {real(row['difference'], signed=True)} "
        f"{interval(row['low'], row['high'])}. "
    )
    if row["low"] > 0:
        return said + MEANING
    if row["high"] < 0:
        return f"{said}Raters do not deny what the scorer tells apart most."
    return f"{said}Whether raters deny what the scorer tells apart most cannot be told from chance."


def denied_far_apart(tables: RunTables) -> str | None:
    """What is to be said where raters deny most what the scorer tells apart most."""
    if not len(tables.denied) or not tables.denied.iloc[0]["low"] > 0:
        return None
    row = tables.denied.iloc[0]
    return (
        "Two wordings of one answer that raters say differ are "
        f"{real(row['difference'])} score points further apart before alignment than the others. {MEANING}"
    )
