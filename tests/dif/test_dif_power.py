"""Power by simulation: its null, its growth, the closed form in large samples, and the search."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from psyalign.dif.counts.moments import moments_of
from psyalign.dif.methods.smd import smd_kernel
from psyalign.dif.simulation.decisions import POWER_TESTS
from psyalign.dif.simulation.graded import default_items, items_like
from psyalign.dif.simulation.population import expected_counts
from psyalign.dif.simulation.power import persons_needed, power
from psyalign.dif.simulation.scores import count_item, simulate_grm
from psyalign.foundation.errors import UsageError


def _es(items, shift, **design):
    moved = np.zeros(len(items.slopes))
    moved[0] = shift
    moments = moments_of(expected_counts(1e9, 1e9, **items._asdict(), shift=moved, **design))
    return float(smd_kernel(moments)["smd"] / moments.sd), moments


def test_power_without_dif_is_alpha():
    tests = [test for test in POWER_TESTS if test != "equivalence"]
    for alpha in (0.05, 0.2):
        table = power(150, es=0.0, alpha=alpha, tests=tests, n_items=8, n_points=4, replications=2000)
        assert table["power"].to_numpy() == pytest.approx(alpha, abs=4 * np.sqrt(alpha * (1 - alpha) / 2000))


def test_power_grows_with_persons_and_effect():
    sizes = [60, 120, 240, 480]
    table = power(sizes, n_items=8, replications=800)
    for _, rows in table.groupby("test"):
        assert rows["n_focal"].tolist() == sizes
        assert rows["power"].is_monotonic_increasing
        assert rows["power"].between(rows["low"], rows["high"]).all()
    larger = power(sizes, es=0.25, n_items=8, tests=["smd"], replications=800)
    assert (larger["power"].to_numpy() > table.query("test == 'smd'")["power"].to_numpy()).all()


def test_persons_needed_agree_with_the_closed_form():
    """n = (z_.975 + z_.8)^2 (SE of ES at n = 1)^2 / ES^2, with the SE of a very large sample.

    Few strata and a small effect: with many strata for few persons the closed form is too low.
    """
    items = default_items(5, 3)
    es, moments = _es(items, 0.0)
    assert es == pytest.approx(0, abs=0.01)
    cost = 1e9 * (float(smd_kernel(moments)["se"]) / float(moments.sd)) ** 2
    expected = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) ** 2 * cost / 0.12**2
    found = persons_needed(
        0.12, n_items=5, n_points=3, studied=0, tests=["smd", "mantel", "equivalence"], replications=4000
    )
    assert found.needed.loc[["smd", "mantel"], "n_focal"].to_numpy() == pytest.approx(expected, rel=0.06)
    # both one-sided tests have to reject: z_.95 + z_.9 in the place of z_.975 + z_.8
    ratio = (
        (stats.norm.ppf(0.95) + stats.norm.ppf(0.9)) / (stats.norm.ppf(0.975) + stats.norm.ppf(0.8))
    ) ** 2
    assert found.needed.loc["equivalence", "n_focal"] == pytest.approx(expected * ratio, rel=0.06)
    assert ((found.needed["low"] <= 0.8) & (found.needed["high"] >= 0.8)).all()


def test_power_is_that_of_samples_of_persons():
    """Multinomial draws of cells against whole persons simulated, at the shift of the same ES."""
    items = default_items(8, 4)
    shift = optimize.brentq(lambda shift: _es(items, shift, impact=0.5)[0] + 0.2, 0, 2)
    scores, group = simulate_grm(
        200, 200, **items._asdict(), impact=0.5, shift=[shift] + [0] * 7, replications=1500, seed=11
    )
    found = smd_kernel(moments_of(count_item(scores, group, 0)))
    rate = float((np.abs(found["smd"] / found["se"]) > stats.norm.ppf(0.975)).mean())
    table = power(200, es=0.2, impact=0.5, n_items=8, n_points=4, studied=0, tests=["smd"], replications=4000)
    assert table["power"][0] == pytest.approx(rate, abs=4 * np.sqrt(0.25 / 1500))


def test_ratio_and_correction_change_the_numbers():
    plain = persons_needed(0.3, n_items=6, tests=["mantel"], replications=500).needed
    more = persons_needed(0.3, n_items=6, tests=["mantel"], ratio=3.0, replications=500).needed
    strict = persons_needed(0.3, n_items=6, tests=["mantel"], n_tested=6, replications=500).needed
    assert more.loc["mantel", "n_focal"] < plain.loc["mantel", "n_focal"] < strict.loc["mantel", "n_focal"]
    assert more.loc["mantel", "n_reference"] == 3 * more.loc["mantel", "n_focal"]


def test_items_of_a_real_table():
    rng = np.random.default_rng(3)
    latent = 1.1 * rng.normal(size=(600, 1)) + rng.normal(size=(600, 6))
    wide = pd.DataFrame((latent[:, :, None] > np.array([-1.0, 0.0, 1.0])).sum(axis=2))
    found = persons_needed(0.3, scores=wide, tests=["smd"], replications=300)
    assert "6 items of 4 points" in repr(found)
    assert 40 < found.needed.loc["smd", "n_focal"] < 400
    assert len(items_like(wide).slopes) == 6


def test_the_search_repeats_and_ends():
    first = persons_needed(0.25, n_items=5, tests=["gmh"], replications=300, seed=2, progress=True)
    again = persons_needed(0.25, n_items=5, tests=["gmh"], replications=300, seed=2)
    pd.testing.assert_frame_equal(first.table, again.table)
    assert len(first.table) <= 12
    never = persons_needed(0.0005, n_items=3, n_points=2, tests=["mantel"], replications=20)
    assert never.needed["n_focal"].isna().all()
    assert "<NA>" in repr(never)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: persons_needed(0.0), "cannot be seen"),
        (lambda: persons_needed(-0.1), "above 0"),
        (lambda: persons_needed(power=1.0), "between 0 and 1"),
        (lambda: persons_needed(tests=["t"]), "unknown"),
        (lambda: persons_needed(5.0, n_items=3), "No shift"),
        (lambda: power(100, es=0.0), "margin"),
        (lambda: power(100, ratio=0.0), "above 0"),
        (lambda: power([0, 100]), "at least 1"),
        (lambda: power(100, studied=20), "no item at position 20"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(UsageError, match=message):
        call()
