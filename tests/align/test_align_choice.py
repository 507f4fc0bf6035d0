"""β and λ by cross-validation: known truths are found again, and nothing hangs on the order of persons."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import sem
from sklearn.metrics import cohen_kappa_score

from psyalign.align import optimal_log_probs
from psyalign.align.choice import cross_validated_beta, cross_validated_weight, person_folds
from psyalign.align.diagnostics import ranked_probability_score
from psyalign.foundation.errors import DataError

BETAS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
K = 5


def simulated(
    rng: np.random.Generator, persons: int = 250, each: int = 6, beta: float = 0.5
) -> dict[str, np.ndarray]:
    """Scores drawn from π_ref exp(r/β): r is β times a log-likelihood ratio, so that β is the truth."""
    rows = persons * each
    reference = np.log(rng.dirichlet(np.full(K, 1.5), rows))
    truth = np.log(rng.dirichlet(np.full(K, 1.0), rows))
    chance = np.exp(truth).cumsum(axis=1)
    return {
        "reference": reference,
        "rewards": beta * (truth - reference),
        "scores": (rng.uniform(size=(rows, 1)) > chance[:, :-1]).sum(axis=1),
        "persons": np.array([f"p{person:03}" for person in np.repeat(np.arange(persons), each)]),
    }


@pytest.mark.parametrize("truth", [0.25, 1.0])
def test_the_true_beta_is_found(truth: float) -> None:
    """π* at the true β is the true distribution, which no other beats on a proper score."""
    chosen = []
    for seed in range(8):
        data = simulated(np.random.default_rng(seed), beta=truth)
        found = cross_validated_beta(BETAS, **data)
        assert found.best == truth
        chosen.append(found.value)
        assert (found.table["excess"] >= -1e-12).all()
    assert set(chosen) == {truth}, "with 1,500 scores the next candidates are more than one SE away"


def test_with_little_evidence_the_rule_stays_nearer_to_the_reference() -> None:
    """Chosen ≥ best always; with 12 persons often above it."""
    pairs = []
    for seed in range(30):
        found = cross_validated_beta(BETAS, **simulated(np.random.default_rng(seed), persons=12, each=3))
        pairs.append((found.value, found.best))
    assert all(value >= best for value, best in pairs)
    assert np.mean([value > best for value, best in pairs]) > 0.2


def test_useless_rewards_leave_the_reference_ahead() -> None:
    data = simulated(np.random.default_rng(3))
    data["rewards"] = np.random.default_rng(4).permutation(data["rewards"])
    found = cross_validated_beta(BETAS, **data)
    reference = found.table[~found.table["candidate"]].iloc[0]
    assert np.isinf(reference["value"]) and reference["excess"] < 0
    assert found.value == 4.0 and not reference["chosen"]


def test_measures_and_their_standard_errors_are_others_too() -> None:
    """RPS and QWK recomputed; SE of a clustered mean by statsmodels; with one row a person, scipy's."""
    data = simulated(np.random.default_rng(5), persons=120, each=4)
    table = cross_validated_beta((0.5, 2.0), **data).table.set_index("value")
    rps = {}
    for beta in (0.5, 2.0):
        log_probs = optimal_log_probs(data["reference"], data["rewards"], beta)
        rps[beta] = ranked_probability_score(log_probs, data["scores"])
        kappa = cohen_kappa_score(data["scores"], log_probs.argmax(axis=1), weights="quadratic")
        assert table.loc[beta, "qwk"] == pytest.approx(kappa, abs=1e-12)
        assert table.loc[beta, "rps"] == pytest.approx(rps[beta].mean(), abs=1e-12)
    groups = pd.factorize(data["persons"])[0]
    for beta, column, values in (
        (0.5, "rps_se", rps[0.5]),
        (2.0, "rps_se", rps[2.0]),
        (2.0, "excess_se", rps[2.0] - rps[0.5]),
    ):
        fitted = sm.OLS(values, np.ones_like(values)).fit(cov_type="cluster", cov_kwds={"groups": groups})
        assert table.loc[beta, column] == pytest.approx(fitted.bse[0], rel=0.01)
    alone = {name: values[::4] for name, values in data.items()}
    table = cross_validated_beta((0.5, 2.0), **alone).table.set_index("value")
    assert table.loc[0.5, "rps_se"] == pytest.approx(sem(rps[0.5][::4]), rel=1e-9)
    assert table.loc[2.0, "excess_se"] == pytest.approx(sem((rps[2.0] - rps[0.5])[::4]), rel=1e-9)
    best = optimal_log_probs(alone["reference"], alone["rewards"], 0.5).argmax(axis=1)
    out = [np.arange(120) != person for person in range(120)]
    without = [cohen_kappa_score(alone["scores"][keep], best[keep], weights="quadratic") for keep in out]
    assert table.loc[0.5, "qwk_se"] == pytest.approx(np.std(without) * np.sqrt(119), rel=1e-9)


def test_order_and_names_of_persons_do_not_matter() -> None:
    data = simulated(np.random.default_rng(6), persons=40)
    shuffled = np.random.default_rng(7).permutation(len(data["scores"]))
    renamed = {name: values[shuffled] for name, values in data.items()}
    renamed["persons"] = np.array([name[::-1] for name in renamed["persons"]])
    first, second = cross_validated_beta(BETAS, **data), cross_validated_beta(BETAS[::-1], **renamed)
    assert (first.value, first.best) == (second.value, second.best)
    pd.testing.assert_frame_equal(first.table, second.table, rtol=1e-9)


def test_folds_keep_a_person_together_and_are_of_equal_size() -> None:
    names = [f"p{number}" for number in range(53)] * 2
    folds = person_folds(names, 5, 1, "choice")
    assert (folds[:53] == folds[53:]).all()
    assert sorted(np.bincount(folds[:53]).tolist()) == [10, 10, 11, 11, 11]
    order = np.random.default_rng(0).permutation(len(names))
    assert (person_folds([names[at] for at in order], 5, 1, "choice") == folds[order]).all()
    assert (person_folds(names, 5, 2, "choice") != folds).any()


def test_of_equal_candidates_the_simplest_is_taken() -> None:
    """Rewards of zero: π* is the reference for every β."""
    data = simulated(np.random.default_rng(8), persons=20)
    data["rewards"] = np.zeros_like(data["rewards"])
    found = cross_validated_beta(BETAS, **data)
    assert (found.value, found.best) == (4.0, 4.0)
    pairs = np.tile(np.random.default_rng(9).normal(size=20), (3, 1))
    tied = cross_validated_weight(
        (3.0, 0.3, 1.0), np.tile(data["reference"], (3, 1, 1)), data["scores"], data["persons"], pairs,
        np.unique(data["persons"]),
    )  # fmt: skip
    assert (tied.value, tied.best) == (0.3, 0.3) and tied.table["admissible"].all()


WEIGHTS = (0.3, 1.0, 3.0, 10.0)


def weighed(shrink: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Scorers whose gap falls to its floor at λ = 3; at λ = 10 the scores shrink by `shrink`, too."""
    data = simulated(rng, persons=200, each=3)
    truth = optimal_log_probs(data["reference"], data["rewards"], 0.5)
    flat = np.log(np.full((len(truth), K), 1 / K))
    last = np.logaddexp(truth + np.log(1 - shrink), flat + np.log(shrink)) if shrink else truth
    scale = np.array([[0.5], [0.2], [0.05], [0.05 * (1 - shrink)]])
    apart = rng.normal(-1, 0.3, size=(1, 200)) * scale
    return np.stack([truth, truth, truth, last]), apart, data


def test_the_smallest_weight_with_the_smallest_gap_and_no_cost() -> None:
    """A gap that is bought by shrinking does not count, however small."""
    log_probs, apart, data = weighed(0.6, np.random.default_rng(10))
    owners = [f"p{person:03}" for person in range(200)]
    found = cross_validated_weight(
        WEIGHTS, log_probs, data["scores"], data["persons"], apart, owners, reference=data["reference"]
    )
    table = found.table.set_index("value")
    assert (found.value, found.best) == (3.0, 3.0)
    assert table["admissible"].tolist() == [True, True, True, False]
    assert table.loc[10.0, "gap"] < table.loc[3.0, "gap"]
    assert table.loc[10.0, "sd_ratio"] < 0.6 * table.loc[3.0, "sd_ratio"]
    assert table.loc[3.0, "signed_gap"] == pytest.approx(apart[2].mean())
    assert table.loc[3.0, "gap_se"] == pytest.approx(sem(np.abs(apart[2])), rel=1e-9)
    blind = cross_validated_weight(WEIGHTS, log_probs[:, :0], [], [], apart, owners)
    assert blind.value == 10.0 and blind.table["rps"].isna().all(), "without scores only the gap counts"


def test_pairs_without_a_direction_do_not_enter_the_signed_gap() -> None:
    log_probs, apart, data = weighed(0.0, np.random.default_rng(11))
    owners, directed = [f"p{person:03}" for person in range(200)], np.arange(200) < 50
    found = cross_validated_weight(
        WEIGHTS, log_probs, data["scores"], data["persons"], apart, owners, directed=directed
    )
    assert found.table["signed_gap"].iloc[0] == pytest.approx(apart[0, :50].mean())
    assert found.table["n_pairs"].tolist() == [200.0] * 4
    none = cross_validated_weight(
        WEIGHTS, log_probs, data["scores"], data["persons"], apart, owners, directed=directed & False
    )
    assert none.table["signed_gap"].isna().all() and none.value == found.value


def test_what_cannot_be_chosen_is_one_clear_error() -> None:
    data = simulated(np.random.default_rng(12), persons=3)
    with pytest.raises(DataError, match="two persons"):
        cross_validated_beta(BETAS, **{name: values[:6] for name, values in data.items()})
    data["scores"] = np.zeros_like(data["scores"])
    data["rewards"] = np.zeros_like(data["rewards"])
    data["reference"] = np.log(np.tile([0.6, 0.1, 0.1, 0.1, 0.1], (18, 1)))
    with pytest.raises(DataError, match="no value for any candidate"):
        cross_validated_beta(BETAS, **data, criterion="qwk")
