"""Differences between two runs: against other programs, antisymmetric, zero against itself, with coverage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.metrics import cohen_kappa_score

from psyalign.report.comparison import Compared, Plan, compare_runs
from psyalign.report.comparison.common import common_rows
from psyalign.report.comparison.items import Rules, dif_tables
from psyalign.report.comparison.sides import Rows, Side, arm_pairs, load_side

QUICK = Plan(bootstrap=200)
MIRRORED = ("a", "b", "a_low", "b_low", "a_high", "b_high", "a_common", "b_common")


@pytest.fixture(scope="module")
def two(scored_runs: tuple[Path, Path]) -> Compared:
    return compare_runs(*scored_runs)


def merged(found: Compared, arm: str = "equivalence") -> pd.DataFrame:
    """Rows of both runs as a user could join them: person, item, human, modal and expected of A and B."""
    parts = []
    for side in (found.a, found.b):
        assert side.rows is not None
        scores = side.rows.responses[["person", "item", "human"]].join(side.rows.arms[arm])
        parts.append(scores)
    both = parts[0].merge(parts[1].drop(columns="human"), on=["person", "item"], suffixes=("_a", "_b"))
    return both.merge(found.a.rows.persons[["person", "variety"]], on="person")  # type: ignore[union-attr]


def test_qwk_r_and_rmse_are_those_of_scikit_learn_and_numpy(two: Compared) -> None:
    rows, table = merged(two), two.tables["accuracy"]
    mine = table[table["primary"]].set_index("metric")
    kappa = [cohen_kappa_score(rows["human"], rows[f"modal_{x}"], weights="quadratic") for x in "ab"]
    r = [np.corrcoef(rows["human"], rows[f"expected_{x}"])[0, 1] for x in "ab"]
    rmse = [np.sqrt(np.mean((rows["human"] - rows[f"expected_{x}"]) ** 2)) for x in "ab"]
    for metric, (first, second) in {"qwk": kappa, "r": r, "rmse": rmse}.items():
        assert mine.loc[metric, "a_common"] == pytest.approx(first, abs=1e-12)
        assert mine.loc[metric, "b_common"] == pytest.approx(second, abs=1e-12)
        assert mine.loc[metric, "difference"] == pytest.approx(second - first, abs=1e-12)


def test_interval_of_qwk_is_that_of_persons_drawn_by_hand(two: Compared) -> None:
    rows = merged(two)
    by_person = [part[["human", "modal_a", "modal_b"]].to_numpy(float) for _, part in rows.groupby("person")]
    rng, drawn = np.random.default_rng(11), []
    for _ in range(600):
        chosen = np.concatenate([by_person[k] for k in rng.integers(len(by_person), size=len(by_person))])
        drawn.append(np.diff([_qwk(chosen[:, 0], chosen[:, k]) for k in (1, 2)])[0])
    row = two.tables["accuracy"].query("primary and metric == 'qwk'").iloc[0]
    assert row["se"] == pytest.approx(np.std(drawn), rel=0.12)
    assert [row["low"], row["high"]] == pytest.approx(
        np.quantile(drawn, [0.025, 0.975]), abs=0.35 * row["se"]
    )


def _qwk(x: np.ndarray, y: np.ndarray) -> float:
    return float(2 * np.cov(x, y, ddof=0)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2))


def test_kl_difference_has_the_clustered_error_of_statsmodels(two: Compared) -> None:
    rows = merged(two)
    gap = rows["kl_b"] - rows["kl_a"]
    codes, _ = pd.factorize(rows["person"])
    fit = sm.OLS(gap, np.ones(len(gap))).fit(cov_type="cluster", cov_kwds={"groups": codes})
    row = two.tables["diagnostics"].query("primary and figure == 'mean_kl'").iloc[0]
    assert row["difference"] == pytest.approx(fit.params.iloc[0], abs=1e-12)
    assert row["se"] == pytest.approx(fit.bse.iloc[0], rel=0.1)


def test_change_of_an_item_is_the_weighted_difference_by_hand(two: Compared) -> None:
    """SMD of D = B − A: sum over human totals of the focal share times the difference of means, over SD."""
    rows = merged(two)
    total = rows.groupby("person")["human"].sum()
    rows = rows.assign(total=rows["person"].map(total), d=rows["expected_b"] - rows["expected_a"])
    table = two.tables["dif_items"].query("primary").set_index("item")
    for item, part in rows.groupby("item"):
        means = part.pivot_table(index="total", columns="variety", values="d", aggfunc=["mean", "count"])
        means = means.dropna()
        weight = means["count", "everyday"] / means["count", "everyday"].sum()
        smd = (weight * (means["mean", "everyday"] - means["mean", "standard"])).sum()
        es = smd / part["human"].std(ddof=1)
        assert table.loc[item, "difference"] == pytest.approx(es, abs=1e-10)
        gap = table.loc[item, "b_common"] - table.loc[item, "a_common"]
        assert table.loc[item, "difference"] == pytest.approx(gap, abs=1e-10)


def test_mean_es_is_the_mean_of_the_items(two: Compared) -> None:
    items = two.tables["dif_items"].query("primary")
    over = two.tables["dif"].query("primary").set_index("statistic")
    for letter in "ab":
        es = items[f"{letter}_common"]
        assert over.loc["mean_es", f"{letter}_common"] == pytest.approx(es.mean(), abs=1e-12)
        assert over.loc["distance", f"{letter}_common"] == pytest.approx(abs(es.mean()), abs=1e-12)
        assert over.loc["mean_square", f"{letter}_common"] == pytest.approx((es**2).mean(), abs=1e-12)


def test_planted_difference_is_found(two: Compared) -> None:
    """B was made with a third of A's shift of the focal group, and less noise."""
    row = two.tables["dif"].query("primary and statistic == 'mean_es'").iloc[0]
    assert row["low"] > 0
    assert two.tables["dif"].query("primary and statistic == 'distance'").iloc[0]["high"] < 0
    gap = two.tables["groups"].query("primary and level == 'difference' and metric == 'smd'").iloc[0]
    assert gap["low"] > 0 > gap["a_common"]


def test_compared_the_other_way_round_signs_turn(scored_runs: tuple[Path, Path]) -> None:
    two, back = (compare_runs(*runs, QUICK) for runs in (scored_runs, scored_runs[::-1]))
    for name in ("accuracy", "groups", "dif", "dif_items", "diagnostics"):
        one, other = two.tables[name], back.tables[name]
        number = {"check_names": False, "check_dtype": False, "atol": 1e-12, "rtol": 1e-9}
        pd.testing.assert_series_equal(one["difference"], -other["difference"], **number)
        pd.testing.assert_series_equal(one["low"], -other["high"], **number)
        pd.testing.assert_series_equal(one["p"], other["p"], **number)
        for column in MIRRORED:
            mirror = ("b" if column[0] == "a" else "a") + column[1:]
            if column in one:
                pd.testing.assert_series_equal(one[column], other[mirror], **number)
    words = {"resolved": "introduced", "introduced": "resolved"}
    status = [found.tables["dif_items"]["status"] for found in (two, back)]
    clean = status[0].isin(("stable_clean", *words))
    assert status[0][clean].map(lambda text: words.get(text, text)).equals(status[1][clean])


def test_against_itself_every_difference_is_exactly_zero(scored_runs: tuple[Path, Path]) -> None:
    found = compare_runs(scored_runs[0], scored_runs[0], QUICK)
    assert found.common.whole
    assert found.tables["settings"].empty
    for name in ("accuracy", "groups", "dif", "dif_items", "diagnostics"):
        table = found.tables[name]
        tested = table[table["difference"].notna()]
        assert len(tested)
        for column in ("difference", "low", "high", "se"):
            assert (tested[column] == 0).all(), (name, column)
        assert (tested["p"] == 1).all()


@pytest.mark.slow
def test_intervals_cover_the_planted_difference(scored_runs: tuple[Path, Path]) -> None:
    """100 samples of 120 persons: the 95% intervals of mean ES and mean ES² hold the truth about as often.

    B − A is a constant for the focal group, plus noise that does not hang on the human total.
    """
    sides = load_side(scored_runs[0], "A"), load_side(scored_runs[1], "B")
    groups = sides[0].tables.manifest.groups
    pair = [arm_pairs(*sides)[0]]
    shift, unit = (-0.45, -0.15), np.sqrt(1.1)
    rng, hits, count = np.random.default_rng(3), np.zeros(2), 100
    for _ in range(count):
        made = sampled(rng, sides, shift, n_persons=120, n_items=4)
        tables = dif_tables(
            made, pair, groups, common_rows(*made, groups), Rules(), replicates=200, seed=1
        )  # fmt: skip
        over = tables["dif"].set_index("statistic")
        truth = (shift[1] - shift[0]) / unit, (shift[1] ** 2 - shift[0] ** 2) / unit**2
        for place, name in enumerate(("mean_es", "mean_square")):
            hits[place] += over.loc[name, "low"] <= truth[place] <= over.loc[name, "high"]
    assert (hits / count >= 0.88).all(), hits


def sampled(
    rng: np.random.Generator,
    sides: tuple[Side, Side],
    shift: tuple[float, float],
    n_persons: int,
    n_items: int,
) -> tuple[Side, Side]:
    """The two sides with new persons: human scores of variance 1.1, whatever the group; A and B shifted."""
    persons = pd.DataFrame({"person": [f"p{k:04}" for k in range(n_persons)]})
    persons["variety"] = np.where(np.arange(n_persons) % 2, "everyday", "standard")
    ability = rng.normal(size=n_persons)
    wide = np.sqrt(0.4) * ability[:, None] + rng.normal(0, np.sqrt(0.7), (n_persons, n_items))
    responses = pd.DataFrame(
        [(person, f"item-{k + 1}") for person in persons["person"] for k in range(n_items)],
        columns=["person", "item"],
    ).assign(human=np.round(wide.ravel() * 2) / 2, text=0)
    responses["response_id"] = responses["person"] + "|" + responses["item"]
    focal = np.repeat(persons["variety"].eq("everyday").to_numpy(float), n_items)
    out = []
    for side, by in zip(sides, shift, strict=True):
        expected = responses["human"] + by * focal + rng.normal(0, 0.3, len(responses))
        arms = {"equivalence": pd.DataFrame({"modal": expected.round(), "expected": expected, "kl": 0.0})}
        out.append(Side(side.letter, side.tables, Rows(responses, arms, persons)))
    return out[0], out[1]


def test_too_few_resamples_are_refused() -> None:
    with pytest.raises(Exception, match="200 resamples"):
        Plan(bootstrap=50)
