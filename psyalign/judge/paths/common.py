"""What the paths share: settings, and a question asked in both orders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from psyalign.judge.engine import Prompt
from psyalign.judge.ledger import Asker
from psyalign.judge.orders import ORDERS, Verdict, settle
from psyalign.judge.principles import Principle
from psyalign.judge.trail import Entry, Outcome
from psyalign.judge.wording_rules import Wording

__all__ = ["LEAST_WORDS", "PAIR_KINDS", "JudgeSettings", "Work", "digits", "in_both_orders"]

PAIR_KINDS = ("score_preference", "response_preference")
# A rationale, critique or wording of fewer words says nothing.
LEAST_WORDS = 3


@dataclass(frozen=True)
class JudgeSettings:
    """What the paths are told.

    Attributes
    ----------
    principles : tuple of Principle
    wordings : tuple of Wording
    kinds : tuple of str
        Of `PAIR_KINDS`: which preferences "rlaif" and "principles" ask for.
    min_margin : float
        Least size of the mean margin of both orders, in logits.
    """

    principles: tuple[Principle, ...] = ()
    wordings: tuple[Wording, ...] = ()
    kinds: tuple[str, ...] = PAIR_KINDS
    min_margin: float = 0.0


Work = Callable[[Asker], Outcome]


def in_both_orders(
    asker: Asker, base: Entry, first: Prompt, second: Prompt, *, agree: bool, min_margin: float
) -> tuple[Verdict, list[Entry]]:
    """Ask a question in both orders; its verdict and its two rows.

    `base` names the options; `first` shows option_a as A, `second` as B.
    """
    one, two = asker.both(first, second)
    verdict = settle(one, two, agree=agree, min_margin=min_margin)
    said = {1: base.option_a, -1: base.option_b, 0: ""}[verdict.side]
    rows = [
        replace(base, order=order, margin=side.margin, verdict=said, kept=verdict.kept, reason=verdict.reason)
        for order, side in zip(ORDERS, (one, two), strict=True)
    ]
    return verdict, rows


def digits(scores: tuple[int, ...]) -> tuple[str, ...]:
    """The labels of an item's score points."""
    return tuple(str(score) for score in scores)
