"""What was asked, of whom, and what is called before and after."""

from __future__ import annotations

from psyalign.report.content import Block, Paragraph, Section
from psyalign.report.load import RunTables

__all__ = ["question_section"]

MATCHING = (
    "People were compared only with people who have the same total of human (criterion) scores. That "
    "total is the same before and after, so alignment cannot move it."
)


def question_section(tables: RunTables) -> Section:
    """The study's question, its groups, and which arms are compared."""
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
    return Section("study", "The study and its question", tuple(blocks))


def _roles(tables: RunTables) -> str:
    before = f"“Before” is the arm “{tables.label(tables.before)}”"
    if tables.after is None:
        return f"{before}; no arm is aligned."
    return f"{before}, “after” the arm “{tables.label(tables.after)}”, as the study file says."
