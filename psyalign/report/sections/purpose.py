"""What the scores are for, as the study states it, and what the items are said to measure."""

from __future__ import annotations

from typing import Any

from psyalign.report.content import Block, Paragraph, Section, Table, column
from psyalign.report.load import RunTables
from psyalign.report.numerals import MISSING, count

__all__ = ["purpose_section"]

# Key of [report] -> heading, and what an empty one means for the reader.
STATED = {
    "use": (
        "What the scores are for",
        "The study file does not state what the scores are to be used for ([report] use). Whether the "
        "evidence is enough depends on the use: a practice score needs less than a decision about a "
        "person. Without it this report can describe the scores, but nobody can judge from it alone "
        "whether they are fit for use.",
    ),
    "users": (
        "Who uses them",
        "The study file does not state who is to use the scores, and with what training ([report] users).",
    ),
}
BANK = {"title": "Item bank", "version": "Version", "language": "Language", "source": "Source",
        "licence": "Terms of use", "notes": "Notes"}  # fmt: skip
ONLY_SCORES = (
    "The report compares scores of a language model with scores that people gave. It can show that the "
    "two agree, and that they treat groups alike or not. It cannot show that either measures the "
    "construct: that takes evidence on the items’ content and on how scores relate to other measures."
)


def purpose_section(tables: RunTables) -> Section:
    """Use and users in the study's words, constructs in the item bank's, and what neither settles."""
    blocks: list[Block] = []
    for key, (heading, absent) in STATED.items():
        said = tables.manifest.setting("report", key)
        stated = isinstance(said, str) and said.strip()
        text = f"As stated in the study file: “{str(said).strip()}”" if stated else absent
        blocks.append(Paragraph(text, label=heading))
    blocks.append(Paragraph(f"{_constructs(tables)} {ONLY_SCORES}", label="What is measured"))
    bank = tables.manifest.raw.get("bank")
    if isinstance(bank, dict) and any(bank.get(key) for key in BANK):
        blocks.append(_bank(bank))
    return Section("purpose", "Intended use and construct", tuple(blocks))


def _constructs(tables: RunTables) -> str:
    """The constructs as the bank names them, with their numbers of items, most items first."""
    known = tables.items["construct"]
    numbers = known[[isinstance(name, str) and bool(name) for name in known]].value_counts(sort=False)
    if not len(numbers):
        return "The item bank names no construct."
    number = numbers.sort_values(ascending=False, kind="stable")
    if len(number) == 1:
        return f"All items are meant to measure one construct: {number.index[0]}."
    named = [f"{name} ({_items(n)})" for name, n in number.items()]
    few = " With one item or two, a construct has no score of its own." if number.min() <= 2 else ""
    return f"The items are meant to measure {', '.join(named[:-1])} and {named[-1]}.{few}"


def _items(number: int) -> str:
    return "1 item" if number == 1 else f"{count(number)} items"


def _bank(bank: dict[str, Any]) -> Table:
    rows = tuple(
        (heading, " ".join(str(bank[key]).split()) or MISSING)
        for key, heading in BANK.items()
        if bank.get(key)
    )
    return Table(
        "The item bank, in its own words.", column("What", "As stated", text=(0, 1)), rows, folded=True
    )
