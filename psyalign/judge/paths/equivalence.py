"""Whether two responses show the same intention: the path "equivalence", and the back-check of wordings."""

from __future__ import annotations

from functools import partial

from psyalign.feedback import Equivalence
from psyalign.items import Item
from psyalign.judge.ledger import Asker
from psyalign.judge.orders import Verdict
from psyalign.judge.paths.common import JudgeSettings, Work, in_both_orders
from psyalign.judge.prompts import equivalence_prompt
from psyalign.judge.subjects import Subjects
from psyalign.judge.trail import Entry, Outcome

__all__ = ["equivalence", "same_intention"]


def equivalence(subjects: Subjects, settings: JudgeSettings) -> list[Work]:
    """Wordings of one answer, and answers of two persons with many content words in common."""
    return [partial(_pair, subjects, settings, *pair) for pair in subjects.likely_same()]


def _pair(subjects: Subjects, settings: JudgeSettings, item: str, a: str, b: str, asker: Asker) -> Outcome:
    base = Entry(
        f"{Equivalence.kind}:{a}:{b}", "ai:equivalence", asker.judge.name, "", Equivalence.kind, item, a, b,
        "same", "different",
    )  # fmt: skip
    verdict, rows = same_intention(
        asker, base, subjects.items[item], subjects.text(a), subjects.text(b), settings.min_margin
    )
    outcome = Outcome(rows)
    if verdict.kept:
        outcome.records.append(Equivalence(item, a, b, verdict.side > 0, base.judge, base.source))
    return outcome


def same_intention(
    asker: Asker, base: Entry, item: Item, first: str, second: str, min_margin: float
) -> tuple[Verdict, list[Entry]]:
    """Ask for the intention of two texts twice, with texts and labels exchanged; both must agree.

    `base` has the options "same" and "different"; side 1 is "same".
    """
    return in_both_orders(
        asker,
        base,
        equivalence_prompt(item, first, second, same_first=True),
        equivalence_prompt(item, second, first, same_first=False),
        agree=True,
        min_margin=min_margin,
    )
