"""Two orders of one question: symmetries of the verdict."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psyalign.judge import Choice, Side, settle
from psyalign.judge.engine import most_probable
from psyalign.judge.orders import LABELS, side_of

logit = st.floats(-30, 0, allow_nan=False)


def asked(a: float, b: float, order: str) -> Side:
    return side_of(Choice(most_probable(LABELS, (a, b)), (a, b)), order)


@given(logit, logit, logit, logit, st.booleans(), st.sampled_from([0.0, 0.5]))
def test_exchanging_the_options_flips_side_and_margin_exactly(
    a1: float, b1: float, a2: float, b2: float, agree: bool, least: float
) -> None:
    # question (x, y): order ab gives (a1, b1), ba gives (a2, b2); question (y, x) asks the same two prompts
    one = settle(asked(a1, b1, "ab"), asked(a2, b2, "ba"), agree=agree, min_margin=least)
    two = settle(asked(a2, b2, "ab"), asked(a1, b1, "ba"), agree=agree, min_margin=least)
    assert (two.side, two.margin, two.kept, two.reason) == (-one.side, -one.margin, one.kept, one.reason)
    assert one.kept == (one.side != 0) == (not one.reason)


@given(logit, logit, st.booleans())
def test_a_judge_that_answers_by_place_keeps_nothing(a: float, b: float, agree: bool) -> None:
    verdict = settle(asked(a, b, "ab"), asked(a, b, "ba"), agree=agree)
    assert not verdict.kept and verdict.side == 0 and verdict.margin == 0


def test_margins_by_hand() -> None:
    # first option is A: −0.2 − (−1.2) = 1.0; first option is B: −0.5 − (−2.0) = 1.5; mean 1.25
    one, two = asked(-0.2, -1.2, "ab"), asked(-2.0, -0.5, "ba")
    assert (one, two) == (Side(1, pytest.approx(1.0)), Side(1, pytest.approx(1.5)))
    verdict = settle(one, two)
    assert verdict.side == 1 and verdict.margin == pytest.approx(1.25)
    assert settle(one, two, min_margin=1.3).reason == "margin below min_margin"


def test_the_mean_margin_decides_where_orders_disagree_only_if_they_need_not_agree() -> None:
    one, two = Side(1, 1.0), Side(-1, -0.4)
    assert settle(one, two, agree=True).reason == "orders disagree"
    assert settle(one, two, agree=False).side == 1


def test_without_log_probabilities_both_orders_must_agree() -> None:
    said = [side_of(Choice(label, None), order) for label, order in (("A", "ab"), ("B", "ba"), ("A", "ba"))]
    verdict = settle(said[0], said[1], agree=False)
    assert verdict.side == 1 and math.isnan(verdict.margin)
    assert settle(said[0], said[2], agree=False).reason == "orders disagree"
    assert settle(said[0], side_of(Choice("", None), "ba")).reason == "no readable verdict"
