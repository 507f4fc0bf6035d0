"""What must hold for every method: relabelling, swapping groups, merging, shifting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psyalign.dif.counts.cells import Cells
from psyalign.dif.counts.matrix import ScoreMatrix
from psyalign.dif.matching.spec import MatchSpec
from psyalign.dif.method_table import METHODS
from psyalign.dif.methods.smd import smd
from psyalign.dif.methods.standardisation import standardisation

SPECS = {
    "strata": MatchSpec(),
    "values": MatchSpec(bins="thin"),
    "rest": MatchSpec("rest", bins="thin"),
}


@dataclass(frozen=True)
class Case:
    """What swapping the groups does to a method's numbers; `place`: depends on where the match is 0."""

    flips: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    place: tuple[str, ...] = ()
    binary: bool = False


# A new method of the battery needs a line here: a test says so.
CASES = {
    "mantel": Case(("mantel_z",), ("mantel_p",)),
    # The focal group's weights become the other group's: see test_swapped_smd.
    "smd": Case((), ("sd",)),
    "standardisation": Case((), ("n_strata",)),
    "liu_agresti": Case(("la_log_or", "la_z"), ("la_se", "la_p")),
    "gmh": Case((), ("gmh_chi2", "gmh_df", "gmh_p")),
    "ordinal": Case(
        ("group_effect", "group_by_match"),
        ("lr_total", "lr_uniform", "lr_nonuniform", "wald_uniform", "wald_nonuniform", "nagelkerke_change"),
    ),
    "location_scale": Case(("scale_effect",), ("scale_lr", "scale_p", "scale_se")),
    "adjacent": Case(("adjacent_group_effect",), ("adjacent_lr_total", "adjacent_lr_uniform")),
    "polysib": Case(("polysib_beta", "polysib_z"), ("polysib_se", "polysib_p")),
    "crossing_polysib": Case((), ("csib_beta", "csib_chi2", "csib_p"), ("csib_crossing",)),
    "mantel_haenszel": Case(("mh_log_or", "mh_delta"), ("mh_chi2", "mh_se"), binary=True),
    "breslow_day": Case((), ("bd_chi2", "bd_df"), binary=True),
    "logistic": Case(
        ("logistic_uniform_group",),
        ("logistic_lr_total", "logistic_lr_uniform"),
        # where the match is 0 lies elsewhere after a shift
        tuple(
            f"logistic_{name}{se}"
            for name in ("intercept", "uniform_intercept", "group")
            for se in ("", "_se")
        ),
        binary=True,
    ),
}
SEEDS = st.integers(0, 10_000)
FEW = settings(max_examples=4, deadline=None, derandomize=True)
every_method = pytest.mark.parametrize("name", CASES)


def simulated(seed: int, binary: bool) -> tuple[pd.DataFrame, pd.Series]:
    """Scores 0-3 (or 0-1) of 90 persons on 4 items with impact, some missing, and the group."""
    rng = np.random.default_rng(seed)
    focal = np.arange(90) % 5 < 2
    theta = rng.normal(size=(90, 1)) - 0.4 * focal[:, None]
    wide = np.digitize(theta + rng.logistic(size=(90, 4)) * 0.6, [0.0] if binary else [-0.8, 0.0, 0.8])
    scores = pd.DataFrame(wide.astype(float), columns=list("abcd"))
    scores.loc[rng.choice(90, 4, replace=False), "b"] = np.nan
    return scores, pd.Series(np.where(focal, "focal", "reference"))


def counted(scores: pd.DataFrame, group: pd.Series, name: str) -> Cells:
    return ScoreMatrix.from_wide(scores, group).count(SPECS[METHODS[name].strata])


def agree(
    one: pd.DataFrame, two: pd.DataFrame, columns: tuple[str, ...] | None = None, sign: int = 1
) -> None:
    """Numbers up to the models' convergence, the rest exactly."""
    assert (one["reason"] == two["reason"]).all()
    for column in columns or tuple(one.columns):
        if pd.api.types.is_float_dtype(one[column]):
            np.testing.assert_allclose(one[column], sign * two[column], rtol=1e-6, atol=1e-7, err_msg=column)
        else:
            assert one[column].tolist() == two[column].tolist(), column


def test_every_method_is_here():
    assert set(CASES) == set(METHODS)


@every_method
@FEW
@given(seed=SEEDS)
def test_names_and_order_of_persons_change_nothing(name, seed):
    scores, group = simulated(seed, CASES[name].binary)
    order = np.random.default_rng(seed).permutation(len(scores))
    names = [f"person {number}" for number in range(len(scores))]
    mixed = scores.iloc[order].set_axis(names)
    other = METHODS[name].run(counted(mixed, group.iloc[order].set_axis(names), name))
    agree(METHODS[name].run(counted(scores, group, name)).table, other.table)


@every_method
@FEW
@given(seed=SEEDS)
def test_swapping_the_groups_flips_signs_only(name, seed):
    case = CASES[name]
    scores, group = simulated(seed, case.binary)
    one = METHODS[name].run(counted(scores, group, name)).table
    swapped = group.map({"reference": "focal", "focal": "reference"})
    two = METHODS[name].run(counted(scores, swapped, name)).table
    assert one["estimable"].tolist() == two["estimable"].tolist()
    both = one["reason"] == two["reason"]  # a reason may name the group
    agree(one[both], two[both], case.flips, sign=-1) if case.flips else None
    agree(one[both], two[both], case.stays)


@FEW
@given(seed=SEEDS)
def test_swapped_smd(seed):
    """Swapped, the SMD is minus the difference weighted by the group that was the reference."""
    scores, group = simulated(seed, False)
    swapped = group.map({"reference": "focal", "focal": "reference"})
    two = smd(counted(scores, swapped, "smd")).table
    one = standardisation(counted(scores, group, "smd"), weights="reference").table
    np.testing.assert_allclose(two["smd"], -one["std_p_dif"], rtol=1e-10, atol=1e-12)


@every_method
@FEW
@given(seed=SEEDS)
def test_a_constant_shift_of_the_scores_changes_no_test(name, seed):
    """All items of a test one to nine points up, the matching score with them."""
    scores, group = simulated(seed, CASES[name].binary)
    one = METHODS[name].run(counted(scores, group, name)).table
    two = METHODS[name].run(counted(scores + 1 + seed % 9, group, name)).table
    place = list(CASES[name].place)
    agree(one.drop(columns=place), two.drop(columns=place))


@every_method
@FEW
@given(seed=SEEDS)
def test_cells_that_come_in_parts_are_merged(name, seed):
    """The same persons, each cell's count split over two rows of the table."""
    scores, group = simulated(seed, CASES[name].binary)
    counts = counted(scores, group, name)
    table = counts.table
    half = table.assign(count=table["count"] // 2)
    rest = table.assign(count=table["count"] - half["count"])
    parts = pd.concat([half[half["count"] > 0], rest]).sample(frac=1, random_state=seed % 1000)
    merged = Cells.from_table(parts, items=counts.items)
    agree(METHODS[name].run(counts).table, METHODS[name].run(merged).table)


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("smd", "smd"),
        ("standardisation", "std_p_dif"),
        ("liu_agresti", "la_log_or"),
        ("mantel_haenszel", "mh_log_or"),
    ],
)
@FEW
@given(seed=SEEDS)
def test_strata_with_the_same_composition_can_be_merged(name, exact, seed):
    """Estimates stay exactly; tests but for the T - 1 of the hypergeometric variance (see the next test)."""
    scores, group = simulated(seed, CASES[name].binary)
    table = counted(scores, group, name).table
    twice = Cells.from_table(pd.concat([table, table.assign(stratum=table["stratum"] + 0.5)]))
    merged = Cells.from_table(table.assign(count=2 * table["count"]))
    one, two = METHODS[name].run(twice).table, METHODS[name].run(merged).table
    np.testing.assert_allclose(one[exact], two[exact], rtol=1e-10, atol=1e-12)


@FEW
@given(seed=SEEDS)
def test_merged_strata_change_mantels_variance_by_t_minus_1_only(seed):
    """One stratum of T persons, twice, against one of 2T: z^2 are as (2T - 2) to (2T - 1)."""
    scores, group = simulated(seed, False)
    table = counted(scores, group, "mantel").table
    table = table[table["item"] == "a"].groupby(["item", "group", "score"], as_index=False)["count"].sum()
    table = table.assign(stratum=1.0)
    size = table["count"].sum()
    twice = Cells.from_table(pd.concat([table, table.assign(stratum=2.0)]))
    merged = Cells.from_table(table.assign(count=2 * table["count"]))
    z = [METHODS["mantel"].run(counts).table["mantel_z"].iloc[0] for counts in (twice, merged)]
    assert z[0] ** 2 / z[1] ** 2 == pytest.approx((2 * size - 2) / (2 * size - 1))
