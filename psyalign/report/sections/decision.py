"""The first page: verdict, four answers, gates, limits in brief, and room to sign."""

from __future__ import annotations

from psyalign.report.answers import answers
from psyalign.report.content import Block, Bullets, Paragraph, Section, Table, column
from psyalign.report.facts import agreement_row
from psyalign.report.gates import gate_rows, gates_bind, gates_sentence, sources
from psyalign.report.load import RunTables
from psyalign.report.numerals import count, finite, real
from psyalign.report.schema import JUDGED
from psyalign.report.verdict import headline

__all__ = ["decision_section"]

LINE = "_" * 22
NO_GATES = (
    "This run was made before there were gates. Run the study again (finished stages are skipped) to see "
    "which are met."
)
BOX, GAP = "\N{BALLOT BOX}\N{NO-BREAK SPACE}", "\N{EM SPACE}"
DECISION = GAP.join(BOX + choice for choice in ("use as it is", "use with conditions", "do not use"))


def decision_section(tables: RunTables) -> Section:
    """What a reader needs who reads one page only."""
    first = f"{headline(tables)} {gates_sentence(tables)}".strip()
    blocks: list[Block] = [Paragraph(first, tone="lead", label="Verdict")]
    blocks += [Paragraph(text, label=question) for question, text in answers(tables)]
    blocks.append(_gates(tables))
    blocks.append(Paragraph("In full in the section “Limits”.", label="Limits in brief"))
    blocks.append(Bullets(tuple(_brief(tables))))
    blocks += [Paragraph(DECISION, label="Decision (by hand)"), _sign_off()]
    return Section("verdict", "Decision page", tuple(blocks))


def _gates(tables: RunTables) -> Block:
    rows = gate_rows(tables)
    if not rows:
        return Paragraph(NO_GATES)
    arm = tables.label(tables.after or tables.before)
    bind = (
        "They are the study’s own: with --gate a missed one ends the command with an error."
        if gates_bind(tables)
        else "The study file has no [gates]: these are psyalign’s defaults, and nothing fails."
    )
    return Table(
        f"Gates for the arm “{arm}”, on audit persons.",
        column("Gate", "Result", "Value", "95% CI", "Asked", text=(0, 1, 4)),
        tuple((row.title, row.result, row.value, row.interval, row.asked) for row in rows),
        note=f"{bind} The point estimate decides, as in the sources; non-inferiority is met only if it is "
        "shown. The interval of a largest |ES| leans upward, as chance enlarges a maximum. "
        f"“Not assessable” is neither met nor missed. {sources(rows)}",
        emphasis=frozenset(place for place, row in enumerate(rows) if row.status == "missed"),
        source="gates.csv",
    )


def _brief(tables: RunTables) -> list[tuple[str, str]]:
    entries = [("Sample.", _sample(tables))]
    entries.append(
        ("One training.", "Another seed would give somewhat different arms; no interval includes that.")
    )
    entries.append(
        (
            "Human totals.",
            "People are compared by totals of human scores. What is unfair in all of those is not seen.",
        )
    )
    warnings = tables.manifest.raw.get("warnings") or []
    if warnings:
        many = "warnings" if len(warnings) > 1 else "warning"
        entries.append(("Warnings.", f"The run gave {count(len(warnings))} {many}; see “Limits”."))
    return entries


def _sample(tables: RunTables) -> str:
    row = agreement_row(tables, tables.before)
    persons = "" if row is None else f"{count(row['n_persons'])} audit persons"
    found, items = [], tables.dif_items
    if set(JUDGED) <= set(items.columns):
        for group in tables.manifest.groups:
            part = items[
                (items["arm"] == (tables.after or tables.before)) & (items["grouping"] == group.attribute)
            ]
            median = finite(part["mde"].median())
            if median is not None:
                found.append(f"{real(median)} on {group.attribute}")
    if not found:
        return f"{persons}; small DIF on single items cannot be ruled out."
    return f"{persons}; DIF of a single item smaller than |ES| = {' and '.join(found)} is often missed."


def _sign_off() -> Table:
    rows = [(name, LINE, LINE) for name in ("Name", "Role", "Date", "Signature")]
    rows.append(("Conditions, reasons", LINE, LINE))
    return Table(
        "Sign-off.",
        column("", "Psychometrician", "Responsible for use", text=(0, 1, 2)),
        tuple(rows),
        note="Not filled in by psyalign: a report does not decide.",
    )
