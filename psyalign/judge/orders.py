"""Two options, asked in both orders: what a judge said, and whether it is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass

from psyalign.judge.engine import Choice

__all__ = ["LABELS", "ORDERS", "Side", "Verdict", "settle", "side_of"]

LABELS = ("A", "B")
ORDERS = ("ab", "ba")  # the first option is A; the first option is B


@dataclass(frozen=True)
class Side:
    """What a judge said in one order.

    Attributes
    ----------
    vote : int
        1 for the first option, −1 for the second, 0 if neither.
    margin : float
        Logit of the first option's label minus that of the second's; NaN where the judge does not tell.
    """

    vote: int
    margin: float


@dataclass(frozen=True)
class Verdict:
    """What both orders come to.

    Attributes
    ----------
    side : int
        1 for the first option, −1 for the second, 0 if dropped.
    margin : float
        Mean of the two orders' margins; NaN where the judge does not tell.
    kept : bool
    reason : str
        Why it was dropped; "" if it was kept.
    """

    side: int
    margin: float
    kept: bool
    reason: str


def side_of(choice: Choice, order: str) -> Side:
    """A choice between the labels A and B, seen from the first option."""
    sign = 1 if order == ORDERS[0] else -1
    votes = {LABELS[0]: sign, LABELS[1]: -sign}
    margin = float("nan")
    if choice.logprobs is not None:
        margin = sign * (choice.logprobs[0] - choice.logprobs[1])
    return Side(votes.get(choice.label, 0), margin)


def settle(one: Side, two: Side, *, agree: bool = True, min_margin: float = 0.0) -> Verdict:
    """One verdict from the two orders.

    Parameters
    ----------
    one, two : Side
        The same question in the two orders.
    agree : bool
        True: kept only if both orders say the same (as SALMON filters its preferences). False: the mean of
        the two margins decides, as in RLAIF; where margins are not told, both orders must agree.
    min_margin : float
        The least size of the mean margin, in logits.

    Returns
    -------
    Verdict
        Exchanging the two options changes the sign of side and margin and nothing else. A judge that answers
        by the place of an option alone keeps nothing: its orders disagree, and its margins cancel.

    References
    ----------
    Sun, Z., et al. (2024). SALMON: Self-alignment with instructable reward models. ICLR. Lee, H., et al.
    (2024). RLAIF vs. RLHF. ICML (two orders, averaged).
    """
    margin = (one.margin + two.margin) / 2
    told = not math.isnan(margin)
    if told and not agree:
        side = (margin > 0) - (margin < 0)
        reason = "" if side else "no preference"
    elif not one.vote or not two.vote:
        side, reason = 0, "no readable verdict"
    else:
        side = one.vote if one.vote == two.vote else 0
        reason = "" if side else "orders disagree"
    if not reason and told and abs(margin) < min_margin:
        reason = "margin below min_margin"
    return Verdict(0 if reason else side, margin, not reason, reason)
