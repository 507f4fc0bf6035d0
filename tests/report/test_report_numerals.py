"""APA numbers."""

from __future__ import annotations

import numpy as np
import pytest

from psyalign.report.numerals import (
    MISSING,
    bounded,
    count,
    decimals_for,
    interval,
    percent,
    pvalue,
    real,
    seconds,
)

THIN = "\N{NARROW NO-BREAK SPACE}"


@pytest.mark.parametrize("missing", [None, float("nan"), float("inf"), np.float64("nan"), "text"])
def test_what_is_missing_is_a_dash(missing: object) -> None:
    shown = (
        real(missing),
        bounded(missing),
        pvalue(missing),
        count(missing),
        percent(missing),
        seconds(missing),
    )
    assert set(shown) == {MISSING}
    assert interval(missing, 1) == MISSING


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.161, "−0.16"), (0.161, "0.16"), (-0.001, "0.00"), (1.5, "1.50"), (0, "0.00")],
)
def test_real_keeps_the_leading_zero(value: float, text: str) -> None:
    assert real(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.8, ".80"), (-0.05, "−.05"), (1.0, "1.00"), (0.999, "1.00"), (0.0, ".00"), (-1, "−1.00")],
)
def test_bounded_drops_the_leading_zero(value: float, text: str) -> None:
    assert bounded(value) == text


def test_sign_is_shown_where_asked() -> None:
    assert (real(0.2, signed=True), bounded(0.2, signed=True), real(0.0, signed=True)) == (
        "+0.20",
        "+.20",
        "0.00",
    )


@pytest.mark.parametrize(
    ("value", "text"), [(0.034, ".034"), (0.0009, f"<{THIN}.001"), (0.001, ".001"), (1.0, "1.000")]
)
def test_p_values(value: float, text: str) -> None:
    assert pvalue(value) == text


def test_interval_and_counts() -> None:
    assert interval(-0.2, 0.05) == "[−0.20, 0.05]"
    assert interval(-0.2, 0.05, unit_bound=True) == "[−.20, .05]"
    assert count(11278) == f"11{THIN}278"
    assert percent(0.843) == "84%"
    assert seconds(8.44) == f"8.4{THIN}s"
    assert seconds(200) == f"3{THIN}min 20{THIN}s"
    assert seconds(3900) == f"1{THIN}h 05{THIN}min"


def test_decimals_keep_numbers_true() -> None:
    assert decimals_for(-0.161, -0.020, 0.141, 0.09, 0.19) == 2
    assert decimals_for(0.775, 0.801, 0.026) == 3  # .78, .80 and +.03 would not add up
    assert decimals_for(0.2, 0.3, 0.1, 0.004, 0.2) == 3  # .00 would look like an interval that touches zero
    assert decimals_for(None, 0.3, None) == 2
