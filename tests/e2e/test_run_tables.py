"""The tables of a run: complete, and the numbers in them what the rooms below compute from the scores."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax
from sklearn.metrics import cohen_kappa_score

from psyalign.dif import analyse, matching_strata
from psyalign.report.load import load_run
from psyalign.report.schema import COLUMNS

Finished = Any  # the fixture's class, in conftest.py

ALIGNED = ["refit", "dpo", "ppo", "equivalence", "dpo+equivalence", "ppo+equivalence"]
ARMS = ["baseline", *ALIGNED, "ceiling"]


@pytest.fixture(scope="module")
def human(unbroken: Finished) -> pd.DataFrame:
    """Criterion scores of the audit persons: person, item, score."""
    scores = unbroken.table("data", "criterion")
    return scores.loc[scores["split"] == "audit", ["person", "item", "score"]].reset_index(drop=True)


@pytest.fixture(scope="module")
def variety(unbroken: Finished) -> pd.Series:
    return unbroken.table("data", "persons").set_index("person")["variety"]


def scored(run: Finished, arm: str, human: pd.DataFrame) -> pd.DataFrame:
    """The arm's scores of the primary audit responses, with the human score."""
    scores = run.table("scores", arm, "scores")
    return scores[scores["primary"]].merge(human, on=["person", "item"], validate="one_to_one")


# Tables that this study's settings leave empty, and the key that would fill them.
UNASKED = {"rater_bias": "a second rater", "impact": "[gates] cut", "decisions": "[gates] cut"}
# Only there when the study has [choice], does something about raters, has feedback of a model, or raters
# denied that two wordings say the same.
WHERE_ASKED = {"choice", "rater_changes", "ai_feedback", "denied"}
TABLES = [name for name in COLUMNS if name not in WHERE_ASKED]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_its_columns_and_its_origin(unbroken: Finished, name: str) -> None:
    table = unbroken.table("tables", name)
    assert set(COLUMNS[name]) <= set(table.columns)
    assert set(table["origin"]) <= {"simulated"}
    assert bool(len(table)) != (name in UNASKED)


@pytest.mark.parametrize("name", TABLES)
def test_every_table_of_real_answers_says_so(filed: Finished, name: str) -> None:
    table = filed.table("tables", name)
    assert set(COLUMNS[name]) <= set(table.columns)
    assert set(table["origin"]) <= {"real"}
    # only an answer with a second wording has a wording effect
    assert bool(len(table)) != (name in UNASKED or name in ("wording", "wording_items"))


def test_report_can_read_them(unbroken: Finished, filed: Finished) -> None:
    assert load_run(unbroken.folder).scored_arms == ARMS
    assert load_run(filed.folder).scored_arms == ["baseline", "dpo+equivalence"]


def test_arms_are_the_same_in_every_table(unbroken: Finished) -> None:
    with_human = {"dif_items", "dif_summary", "distributions"}
    for name in ("agreement", "agreement_intervals", "wording", "arms", *with_human):
        found = list(unbroken.table("tables", name)["arm"].unique())
        assert found == (["human", *ARMS] if name in with_human else ARMS), name
    assert list(unbroken.table("tables", "dif_changes")["arm"].unique()) == [*ALIGNED, "ceiling"]


@pytest.mark.parametrize("arm", ARMS)
def test_scores_are_distributions(unbroken: Finished, human: pd.DataFrame, arm: str) -> None:
    scores = unbroken.table("scores", arm, "scores")
    proba = np.exp(scores[[f"l{point}" for point in range(5)]].to_numpy())
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(scores["expected"], proba @ np.arange(5), rtol=1e-12)
    assert (scores["modal"] == proba.argmax(axis=1)).all()
    assert scores["primary"].sum() == len(human) == len(scores) / 2, "every answer in both wordings"
    assert "response" not in scores.columns


@pytest.mark.parametrize("arm", ARMS)
def test_agreement_is_that_of_sklearn_and_numpy(
    unbroken: Finished, human: pd.DataFrame, variety: pd.Series, arm: str
) -> None:
    table = unbroken.table("tables", "agreement").set_index(["arm", "grouping", "level"])
    everyone = scored(unbroken, arm, human)
    for key in (("all", "all"), ("variety", "standard"), ("variety", "everyday")):
        own = everyone if key[0] == "all" else everyone[everyone["person"].map(variety) == key[1]]
        row = table.loc[(arm, *key)]
        assert row["n"] == len(own) and row["n_persons"] == own["person"].nunique()
        kappa = cohen_kappa_score(own["score"], own["modal"], weights="quadratic", labels=range(5))
        assert row["qwk"] == pytest.approx(kappa, abs=1e-12)
        assert row["r"] == pytest.approx(np.corrcoef(own["score"], own["expected"])[0, 1], abs=1e-9)
        assert row["exact"] == pytest.approx((own["score"] == own["modal"]).mean())
        assert row["sd_ratio"] == pytest.approx(own["expected"].std() / own["score"].std())
    difference = (
        table.loc[(arm, "variety", "everyday"), "qwk"] - table.loc[(arm, "variety", "standard"), "qwk"]
    )
    assert table.loc[(arm, "variety", "difference"), "qwk"] == pytest.approx(difference)


def test_intervals_hold_their_values(unbroken: Finished) -> None:
    intervals = unbroken.table("tables", "agreement_intervals").set_index(["arm", "metric"])
    agreement = unbroken.table("tables", "agreement").set_index(["grouping", "arm"]).loc["all"]
    for (arm, metric), row in intervals.iterrows():
        assert row["value"] == pytest.approx(agreement.loc[arm, metric], abs=1e-9)
        assert row["low"] <= row["high"]
        baseline = agreement.loc["baseline", metric]
        if arm == "baseline":
            assert np.isnan(row["change"])
        else:
            assert row["change"] == pytest.approx(row["value"] - baseline, abs=1e-9)


@pytest.mark.parametrize("arm", ["human", "baseline", "ppo"])
def test_dif_is_what_analyse_says(
    unbroken: Finished, human: pd.DataFrame, variety: pd.Series, arm: str
) -> None:
    """Group, strata and scores made by hand from the run's files."""
    group = variety.map({"standard": "reference", "everyday": "focal"})[human["person"].unique()]
    matching = matching_strata(human, group)
    expected, modal = human, human
    if arm != "human":
        own = scored(unbroken, arm, human)
        expected = own[["person", "item"]].assign(score=own["expected"])
        modal = own[["person", "item"]].assign(score=own["modal"])
    sd = human.groupby("item")["score"].std()
    linear = analyse(expected, group, matching.stratum, sd, methods=["mantel", "smd"])
    ordinal = analyse(modal, group, matching.stratum, sd, methods=["ordinal"], match=matching.total)
    table = unbroken.table("tables", "dif_items")
    row = table[table["arm"] == arm].set_index("item")
    for column in (
        "n_reference",
        "n_focal",
        "smd",
        "se",
        "p",
        "p_adjusted",
        "es",
        "es_own",
        "mantel_z",
        "mantel_p",
    ):
        wanted = linear.set_index("item")[column]
        np.testing.assert_allclose(row[column], wanted[row.index], rtol=1e-9, err_msg=column)
    for column in ("lr_total", "lr_total_p", "lr_uniform", "nagelkerke_change"):
        wanted = ordinal.set_index("item")[column]
        np.testing.assert_allclose(row[column], wanted[row.index], rtol=1e-6, err_msg=column)
    assert set(row["reference"]) == {"standard"} and set(row["focal"]) == {"everyday"}


def test_change_of_dif_is_the_difference_of_two_effect_sizes(unbroken: Finished) -> None:
    """SMD is linear in the scores, so before, after and change fit together exactly."""
    es = unbroken.table("tables", "dif_items").set_index(["arm", "item"])["es"]
    for row in unbroken.table("tables", "dif_changes").itertuples():
        assert row.change == pytest.approx(es[row.arm, row.item] - es["baseline", row.item], abs=1e-9)
        assert row.low <= row.change <= row.high
    summary = unbroken.table("tables", "dif_summary")
    for row in summary[summary["sd_kind"] == "human"].itertuples():
        assert row.mean_es == pytest.approx(es[row.arm].mean(), abs=1e-9)
        assert row.max_abs_es == pytest.approx(es[row.arm].abs().max(), abs=1e-9)


def test_wording_effect_by_hand(unbroken: Finished) -> None:
    table = unbroken.table("tables", "wording").set_index("arm")
    effects = {}
    for arm in ARMS:
        scores = unbroken.table("scores", arm, "scores")
        wide = scores.pivot(index=["person", "item"], columns="wording", values="expected")
        effects[arm] = float((wide["everyday"] - wide["standard"]).mean())
        assert table.loc[arm, "effect"] == pytest.approx(effects[arm], abs=1e-12)
        assert table.loc[arm, "low"] <= effects[arm] <= table.loc[arm, "high"]
        assert table.loc[arm, "n_pairs"] == len(wide)
    for arm in ARMS:
        gone = 1 - abs(effects[arm]) / abs(effects["baseline"])
        assert table.loc[arm, "reduction"] == pytest.approx(gone, abs=1e-9)


def test_optimality_gap_by_hand(unbroken: Finished) -> None:
    """β·KL(π ‖ π*), with π* from the kept rewards and reference; never negative; none for the ceiling."""
    arms = unbroken.table("tables", "arms").set_index("arm")
    kept = unbroken.table("reward", "rewards").set_index("response_id")
    points = [f"l{point}" for point in range(5)]

    def log_probs(arm: str) -> pd.DataFrame:
        scores = unbroken.table("scores", arm, "scores")
        return scores[scores["primary"]].set_index("response_id")[points]

    reference = log_probs("baseline")
    best = log_softmax(reference.to_numpy() + kept.loc[reference.index].to_numpy() / 0.1, axis=1)
    for arm in ARMS:
        own = log_probs(arm).loc[reference.index].to_numpy()
        gap = 0.1 * float((np.exp(own) * (own - best)).sum(axis=1).mean())
        kl = float((np.exp(own) * (own - reference.to_numpy())).sum(axis=1).mean())
        if arm == "ceiling":
            assert np.isnan(arms.loc[arm, "optimality_gap"]) and np.isnan(arms.loc[arm, "mean_kl"])
            continue
        assert np.isfinite(gap) and gap >= 0
        assert arms.loc[arm, "optimality_gap"] == pytest.approx(gap, abs=1e-9)
        assert arms.loc[arm, "mean_kl"] == pytest.approx(kl, abs=1e-9)


def test_arms_say_what_they_learned_from(unbroken: Finished) -> None:
    arms = unbroken.table("tables", "arms").set_index("arm")
    assert arms["feedback_records"].to_dict() == {
        "baseline": 0,
        "refit": 8,
        "dpo": 32,
        "ppo": 32,
        "equivalence": 6,
        "dpo+equivalence": 38,
        "ppo+equivalence": 38,
        "ceiling": 0,
    }
    assert arms.loc["baseline", "trained_on"] == "16 responses with operational scores"
    assert arms.loc["ceiling", "trained_on"] == "16 responses with criterion scores"
    assert arms.loc["dpo+equivalence", "trained_on"] == "8 responses with score feedback, 6 equivalences"
    assert (arms["seconds"] > 0).all() and arms["parameters_trained"].nunique() == 1


def test_distributions_split_and_items_count_everyone(unbroken: Finished, human: pd.DataFrame) -> None:
    distributions = unbroken.table("tables", "distributions")
    counted = distributions.groupby(["arm", "grouping", "level"])
    assert np.allclose(counted["share"].sum(), 1)
    totals = counted["count"].sum().unstack(["grouping", "level"])
    assert (totals["all", "all"] == len(human)).all()
    assert (totals["variety", "standard"] + totals["variety", "everyday"] == len(human)).all()
    split = unbroken.table("tables", "split")
    assert split.loc[split["grouping"] == "all", "persons"].sum() == 36
    assert split.loc[split["grouping"] == "all", "responses"].sum() == 72
    items = unbroken.table("tables", "items").set_index("item")
    by_item = human.groupby("item")["score"]
    pd.testing.assert_series_equal(
        items["human_mean"], by_item.mean(), check_names=False, check_index_type=False
    )
    pd.testing.assert_series_equal(
        items["human_sd"], by_item.std(), check_names=False, check_index_type=False
    )


def test_training_has_every_update(unbroken: Finished) -> None:
    training = unbroken.table("tables", "training")
    steps = training.groupby("stage").size()
    assert steps["sft"] == steps["ceiling"] == 2 * 16 / 4, "two epochs of 16 responses in batches of 4"
    assert steps["align/refit"] == steps["align/dpo"] == 2
    assert steps["align/ppo"] == 4, "two inner steps a batch"
    assert set(steps.index) == {"sft", "ceiling", "reward", *(f"align/{arm}" for arm in ALIGNED)}
    assert np.isfinite(training["loss"]).all()


def test_arms_differ(unbroken: Finished) -> None:
    """Each objective moved the scorer, and each in its own way."""
    expected = [tuple(unbroken.table("scores", arm, "scores")["expected"]) for arm in ARMS]
    assert len(set(expected)) == len(ARMS)


def test_manifest_tells_the_run(unbroken: Finished) -> None:
    manifest = json.loads((unbroken.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["study"]["origin"] == "simulated" and "simulated" in manifest["study"]["notice"].lower()
    assert manifest["study"]["primary_arm"] == "equivalence"
    assert manifest["groups"] == {"variety": {"reference": "standard", "focal": "everyday"}}
    assert [stage["name"] for stage in manifest["stages"]][:3] == ["data", "sft", "ceiling"]
    assert manifest["stages"][-1]["name"] == "tables"
    assert len(set(manifest["scorer"]["hashes"].values())) == len(manifest["scorer"]["hashes"]) == 9
    assert manifest["scorer"]["trainable"] < manifest["scorer"]["parameters"]
    assert set(manifest["inputs"]) == {"items"} and manifest["settings"]["align"]["beta"] == 0.1
    assert manifest["started"] <= manifest["finished"]
