"""The parts of a comparison around its figures: what was asked, gates, how it was computed."""

from __future__ import annotations

from psyalign.report.comparison.answers import names
from psyalign.report.comparison.compared import Compared
from psyalign.report.content import Block, Bullets, Paragraph, Section, Table, column
from psyalign.report.numerals import MISSING, count, real

__all__ = ["asked_section", "gates_sections", "method_section"]


def asked_section(found: Compared) -> Section:
    """Keys, inputs and responses that differ."""
    a, b = names(found)
    settings, inputs, persons = (found.tables[name] for name in ("settings", "inputs", "persons"))
    blocks: list[Block] = []
    if len(settings):
        rows = tuple((str(row["key"]), str(row["a"]), str(row["b"])) for row in settings.to_dict("records"))
        caption = "Keys of the resolved study files that differ."
        blocks.append(
            Table(caption, column("Key", f"A: {a}", f"B: {b}", text=(0, 1, 2)), rows, source="settings.csv")
        )
    else:
        blocks.append(Paragraph("The two resolved study files are the same."))
    given = tuple(
        (str(r["what"]), str(r["a"]), str(r["b"]), str(r["same"])) for r in inputs.to_dict("records")
    )
    differing = frozenset(place for place, row in enumerate(given) if row[3] == "no")
    note = "Hashes are the first 12 digits of SHA-256. Stressed: what differs."
    titles = column("What", "A", "B", "Same", text=(0, 1, 2, 3))
    blocks.append(
        Table("What went in.", titles, given, note=note, emphasis=differing, folded=True, source="inputs.csv")
    )
    if len(persons):
        counted = tuple((str(row["what"]), count(row["n"])) for row in persons.to_dict("records"))
        blocks.append(
            Table("Which responses are compared.", column("What", "Number"), counted, source="persons.csv")
        )
    if not found.common.paired:
        blocks.append(Paragraph(f"Nothing is paired: {found.common.reason}."))
    lone = _lone(found)
    if lone:
        blocks.append(Paragraph(lone, "note"))
    return Section("asked", "What differs between the runs", tuple(blocks))


def _lone(found: Compared) -> str:
    """Arms and groupings of one run only."""
    shared = {pair.name for pair in found.pairs} | {found.primary.a, found.primary.b}
    parts = []
    for side in (found.a, found.b):
        arms = [side.tables.label(arm) for arm in side.tables.scored_arms if arm not in shared]
        groups = [g.attribute for g in side.tables.manifest.groups if g not in found.groups]
        parts += [f"only {side.letter} has the {what} {', '.join(of)}" for what, of in
                  (("arms", arms), ("groupings (or with other levels)", groups)) if of]  # fmt: skip
    text = "; ".join(parts)
    return f"Not compared: {text}." if text else ""


def gates_sections(found: Compared) -> list[Section]:
    """Gates met and missed in each run; at most one section."""
    table = found.tables["gates"]
    if table.empty:
        without = [side.letter for side in (found.a, found.b) if side.tables.gates.empty]
        text = f"No gates in {' and '.join(without)}: made before there were any. Run the study again."
        return [Section("gates", "Gates", (Paragraph(text),))]
    rows, stressed = [], set()
    for place, row in enumerate(table.to_dict("records")):
        title = f"{row['what']}, {row['scope']}" if row["scope"] else str(row["what"])
        cells = [f"{row[f'{letter}_status'] or MISSING}\n{real(row[f'{letter}_value'])}" for letter in "ab"]
        asked = " / ".join(dict.fromkeys(str(row[f"{x}_asked"]) for x in "ab" if row[f"{x}_asked"]))
        if row["a_status"] != row["b_status"]:
            stressed.add(place)
        rows.append((title, *cells, asked))
    note = (
        "Each run judged on all its own audit persons; a gate can change sides by chance, and that it did "
        "is not tested. Stressed: not the same in both."
    )
    block = Table(
        "Gates of the runs’ own scorers: result and value.",
        column("Gate", "A", "B", "Asked", text=(0, 1, 2, 3)),
        tuple(rows),
        note=note,
        emphasis=frozenset(stressed),
        source="gates.csv",
    )
    return [Section("gates", "Gates", (block,))]


def method_section(found: Compared) -> Section:
    """Where intervals and p values come from."""
    entries = (
        (
            "Intervals.",
            f"95% percentile intervals from {count(found.plan.bootstrap)} samples of persons, drawn with "
            f"replacement with all their responses, the same draws for both runs (seed {found.plan.seed}; "
            "for DIF within each group). A run’s own intervals are those of its report.",
        ),
        (
            "Items.",
            "SMD and Mantel statistics are linear in the scores: run on the differences B − A they test "
            "the change itself. Persons are matched on the total of the human scores that both runs have.",
        ),
        (
            "First page.",
            "Its tests (mean ES and mean ES² on each grouping, QWK) are corrected together by Holm’s "
            "method. “Nearer to zero” and “further” need two things: mean ES differs, and the interval of "
            "the difference in |mean ES| excludes zero.",
        ),
        (
            "Paired are",
            "responses of the same person to the same item with the same text and the same human score in "
            "both runs. Persons who are in different groups in the two runs are left out of the "
            "comparison by group.",
        ),
    )
    return Section("method", "How it was computed", (Bullets(entries),))
