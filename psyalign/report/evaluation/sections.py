"""The parts of an evaluation in reading order; what does not apply to the data is not there."""

from __future__ import annotations

from pathlib import Path

from psyalign.report.content import Block, Bullets, Paragraph, Section, Table, column
from psyalign.report.evaluation.accuracy import accuracy_section, distribution_section, true_section
from psyalign.report.evaluation.answers import answers_section
from psyalign.report.evaluation.fairness import decisions_section, dif_section, groups_section
from psyalign.report.evaluation.measures import Measured
from psyalign.report.evaluation.records import rows_of
from psyalign.report.numerals import count, real

__all__ = ["evaluation_sections"]


def evaluation_sections(found: Measured, source: Path) -> list[Section]:
    """Answers first, then what they rest on, then what they do not say."""
    parts = [
        answers_section(found),
        _data(found, source),
        distribution_section(found),
        accuracy_section(found),
        true_section(found),
        groups_section(found),
        decisions_section(found),
        dif_section(found),
        _limits(found),
    ]
    return [part for part in parts if part is not None]


def _data(found: Measured, source: Path) -> Section:
    given, asked = found.given, found.asked
    names = given.names
    humans = [names[name] for name in given.ratings]
    facts = [
        ("Scores:", f"{source.name}, one row a response."),
        ("Machine score:", f"column {names['system']}."),
        ("Human score:", f"column {humans[0]}: what the machine is judged by."),
    ]
    if len(humans) > 1:
        facts.append(("Further human scores:", f"column {', '.join(humans[1:])}: the same responses again."))
    facts.append(
        (
            "Score points:",
            f"{given.low:g} to {given.high:g}. Machine scores are held to "
            f"{real(given.low - given.tolerance, 4)} … "
            f"{real(given.high + given.tolerance, 4)} (“trimmed”) and, for decisions, rounded.",
        )
    )
    facts += [("Taken for granted:", note) for note in given.notes]
    rows = [(row.what, count(row.rows)) for row in rows_of(given.excluded) if row.rows or "rows" in row.what]
    blocks: list[Block] = [
        Bullets(tuple(facts)),
        Table("Rows of the file.", column("Rows", "Number"), tuple(rows), source="excluded.csv"),
    ]
    missing = [
        f"{names[name]} {count(given.rows[name].notna().sum())} of {count(len(given.rows))} responses"
        for name in given.ratings[1:]
    ]
    if missing:
        blocks.append(Paragraph("Responses with a further human score: " + "; ".join(missing) + ".", "note"))
    sizes = found.tables["groups"]
    if len(sizes):
        groups = [
            (
                row.grouping, row.level or "(no value)",
                "too few to be shown" if row.suppressed else count(row.n_persons),
                count(row.n_responses),
            )
            for row in rows_of(sizes)
            if row.level or row.n_responses
        ]  # fmt: skip
        note = (
            f"Groups of fewer than {asked.minimum} persons are not shown, nor is a group that would "
            "give them "
            "away. The first group of an attribute is the reference: the others are compared with it."
        )
        blocks.append(
            Table(
                "Groups.",
                column("Attribute", "Group", "Persons", "Responses", text=(0, 1)),
                tuple(groups),
                note=note,
                source="groups.csv",
            )
        )
    return Section("data", "What was evaluated", tuple(blocks))


def _limits(found: Measured) -> Section:
    asked, given = found.asked, found.given
    resampled = (
        f"Intervals are 95% percentile intervals from {count(asked.bootstrap)} samples of persons, "
        "drawn with "
        f"replacement, with all that is theirs (seed {asked.seed})."
        if asked.bootstrap
        else "No intervals were asked for: figures of small groups can be far off."
    )
    entries = [
        (
            "Agreement is not validity.",
            "A machine that agrees with human scores inherits what is wrong with them.",
        ),
        (
            "Equal agreement is not fairness.",
            "Groups can differ in the figures because their abilities or their spread differ. Whether a "
            "difference is bias is a judgement about the construct.",
        ),
        (
            "These responses only.",
            "If the machine was trained on any of them, every figure flatters it. Another "
            "population, prompt or "
            "time can give other figures.",
        ),
        ("How sure the figures are.", resampled),
        (
            "Many figures.",
            "p values are not corrected for the number of groups and measures unless a column says "
            "so: expect "
            "one in twenty below .05 by chance.",
        ),
        (
            "Thresholds are conventions.",
            "They come from the sources named beside them, not from your test's stakes.",
        ),
    ]
    if len(given.ratings) == 1:
        entries.insert(
            1,
            (
                "One human score.",
                "Nothing is known about the raters' error: what looks like the machine's error may "
                "be theirs.",
            ),
        )
    return Section("limits", "What may not be concluded", (Bullets(tuple(entries)),))
