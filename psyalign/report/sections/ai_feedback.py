"""What a model judged in raters' place, and how far it agrees with people."""

from __future__ import annotations

from psyalign.report.content import Paragraph, Section, Table, column
from psyalign.report.load import RunTables
from psyalign.report.numerals import MISSING, bounded, count, finite, real

__all__ = ["ai_feedback_section"]

# Landis and Koch (1977): below it, agreement beyond chance is "slight".
SLIGHT = 0.20


def ai_feedback_section(tables: RunTables) -> Section | None:
    """Agreement of AI feedback with people, before anything that was learned from it; None without such."""
    if not len(tables.ai_feedback):
        return None
    return Section("ai-feedback", "AI feedback", (Paragraph(_said(tables)), _table(tables)))


def _said(tables: RunTables) -> str:
    whole = tables.ai_feedback[tables.ai_feedback["level"] == "all"]
    rows = whole.to_dict("records")
    records = sum(int(row["records"]) for row in rows)
    text = (
        f"{count(records)} records of this study’s feedback come from a language model, not from people. "
        "What it gets wrong, the aligned arms learn. So its agreement with people on the same responses "
        "comes first. "
    )
    known = [row for row in rows if finite(row["n"])]
    if not known:
        return text + "No person judged what it judged: how far it can be trusted is not known."
    low = [row for row in known if (kappa := finite(row["kappa"])) is not None and kappa < SLIGHT]
    if low:
        text += (
            f"In {count(len(low))} of {count(len(known))} kinds of judgement below, kappa is under "
            f"{real(SLIGHT)}: there the model agrees with people little more than chance would."
        )
    else:
        text += "A kappa of 0 is agreement by chance, 1 is full agreement."
    unknown = len(rows) - len(known)
    if unknown:
        text += f" For {count(unknown)} kinds no person judged the same."
    return text


def _table(tables: RunTables) -> Table:
    rows = tuple(
        (
            str(row["kind"]).replace("_", " "),
            str(row["source"]),
            str(row["rater"]),
            "all" if row["level"] == "all" else f"{row['grouping']}: {row['level']}",
            count(row["records"]),
            count(row["n"]),
            count(row["ties"]),
            bounded(row["agreement"]),
            real(row["kappa"]) if finite(row["kappa"]) is not None else MISSING,
            real(row["qwk"]) if finite(row["qwk"]) is not None else MISSING,
        )
        for row in tables.ai_feedback.to_dict("records")
    )
    return Table(
        "Agreement of AI feedback with people.",
        column(
            *("Kind", "Path", "Model", "Group", "Records", "Compared", "Ties", "Agreement", "Kappa", "QWK"),
            text=(0, 1, 2, 3),
        ),
        rows,
        note="Preferences are compared with the human scores: the preferred score point should be the "
        "nearer one, the preferred response the one that people scored higher. Ties: people’s scores favour "
        "neither. Equivalences are compared with people’s judgements of the same pairs. Groups of few "
        "persons are not shown.",
        emphasis=frozenset(at for at, row in enumerate(rows) if row[3] == "all"),
        source="ai_feedback.csv",
    )
