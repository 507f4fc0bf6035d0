"""Counterfactual wordings: an answer in another variety or with an identity cue, if its meaning held.

The response itself is never changed: a wording is a text of its own, named ``person|item|ai:<wording>``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from psyalign.feedback import AI, Equivalence
from psyalign.foundation.errors import ItemError
from psyalign.judge.ledger import Asker
from psyalign.judge.paths.common import JudgeSettings, Work
from psyalign.judge.paths.equivalence import same_intention
from psyalign.judge.prompts import answer_said, rewrite_prompt
from psyalign.judge.subjects import Subjects
from psyalign.judge.trail import Entry, Outcome
from psyalign.judge.wording_rules import Wording, why_not_same

__all__ = ["wordings"]

# Of a rewritten answer, by the words of the answer.
TOKENS_PER_WORD, SPARE_TOKENS = 3, 24


def wordings(subjects: Subjects, settings: JudgeSettings) -> list[Work]:
    """Every wording of the rule file for every chosen response."""
    if not settings.wordings:
        raise ItemError("There is no wording to make.", where="the file of wordings")
    return [
        partial(_one, subjects, settings, wording, response, item)
        for wording in settings.wordings
        for response, item in subjects.responses
    ]


def _one(
    subjects: Subjects, settings: JudgeSettings, wording: Wording, response: str, item: str, asker: Asker
) -> Outcome:
    shown, text = subjects.items[item], subjects.text(response)
    new = wording.render(text)
    if new is None:
        prompt = rewrite_prompt(shown, text, wording.instruction)
        new = answer_said(asker.write(prompt, TOKENS_PER_WORD * len(text.split()) + SPARE_TOKENS))
    name = f"{AI}{wording.id}"
    other = f"{response}|{name}"
    base = Entry(
        f"{Equivalence.kind}:{response}:{other}", "ai:wordings", asker.judge.name, wording.id,
        Equivalence.kind, item, response, other, "same", "different",
    )  # fmt: skip
    if reason := why_not_same(text, new):
        return Outcome([replace(base, reason=reason)])
    verdict, rows = same_intention(asker, base, shown, text, new, settings.min_margin)
    if verdict.kept and verdict.side < 0:
        rows = [replace(row, kept=False, reason="the judge says that the meaning changed") for row in rows]
    if verdict.side < 1:
        return Outcome(rows)
    person = response.removesuffix(f"|{item}")
    made: dict[str, object] = {"person": person, "item": item, "wording": name, "response": new}
    return Outcome(rows, [Equivalence(item, response, other, True, base.judge, base.source)], [made])
