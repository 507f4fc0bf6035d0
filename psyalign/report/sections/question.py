"""What was asked, of whom, and who served for what."""

from __future__ import annotations

from psyalign.report.content import Block, Paragraph, Section, Table, column
from psyalign.report.load import RunTables
from psyalign.report.numerals import count

__all__ = ["question_section"]

MATCHING = (
    "People were compared only with people who have the same total of human (criterion) scores. That "
    "total is the same before and after, so alignment cannot move it."
)


def question_section(tables: RunTables) -> Section:
    """The study's question, its groups and the split by person."""
    manifest = tables.manifest
    blocks: list[Block] = []
    if manifest.question:
        blocks.append(Paragraph(manifest.question, tone="lead"))
    if manifest.notice:
        blocks.append(Paragraph(manifest.notice))
    for group in manifest.groups:
        blocks.append(
            Paragraph(
                f"Grouping “{group.attribute}”: the focal group is “{group.focal}”, the reference group "
                f"“{group.reference}”. Every difference in this report is focal minus reference."
            )
        )
    blocks.append(Paragraph(f"{_roles(tables)} {MATCHING}"))
    blocks.append(_split(tables))
    return Section("study", "The study and its question", tuple(blocks))


def _roles(tables: RunTables) -> str:
    before = f"“Before” is the arm “{tables.label(tables.before)}”"
    if tables.after is None:
        return f"{before}; no arm is aligned."
    return f"{before}, “after” the arm “{tables.label(tables.after)}”, as the study file says."


def _split(tables: RunTables) -> Table:
    names = {"all": "everyone"} | {group.attribute: group.attribute for group in tables.manifest.groups}
    rows = tuple(
        (str(row.split), names.get(str(row.grouping), str(row.grouping)), str(row.level), count(row.persons),
         count(row.responses))
        for row in tables.split.itertuples()
    )  # fmt: skip
    return Table(
        "Persons and responses by split.",
        column("Split", "Grouping", "Group", "Persons", "Responses", text=(0, 1, 2)),
        rows,
        note="Split by person. Training, feedback and every choice of a setting left the audit persons "
        "out; DIF and agreement are reported on the audit persons only.",
        source="split.csv",
    )
