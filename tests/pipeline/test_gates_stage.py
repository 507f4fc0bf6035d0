"""Tables against thresholds, a second human and a cut: checked against what others compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact
from sklearn.metrics import cohen_kappa_score

from psyalign.agreement import bootstrap_agreement, true_score
from psyalign.foundation.seeds import derive_seed
from psyalign.foundation.tables import write_parquet
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.audit import Audit
from psyalign.pipeline.stages.dif import dif_tables
from psyalign.pipeline.stages.evaluate import _frames
from psyalign.pipeline.stages.gates import gate_table
from psyalign.pipeline.stages.validity import validity_tables
from psyalign.pipeline.study_run import _stages
from psyalign.report.schema import COLUMNS, VALIDITY
from psyalign.study import Gates

Perform = Callable[..., Run]
Made = Callable[..., tuple[Run, dict[str, pd.DataFrame]]]
N, ITEMS = 120, 5
HALF = np.arange(N) % 2 == 1


def audit_of(focal: np.ndarray) -> tuple[Audit, pd.DataFrame]:
    """A baseline that takes .8 off the focal group, an arm near the humans; two ratings of each response."""
    random = np.random.default_rng(3)
    person = [f"p{number:03d}" for number in range(N)]
    ability = random.normal(size=N)
    human, arms, ratings = [], {"baseline": [], "equivalence": []}, []  # type: ignore[var-annotated]
    for number in range(ITEMS):
        truth = 2 + ability + random.normal(0, 0.5, N)
        row = {"person": person, "item": f"i{number}"}
        first, second = (np.clip(np.round(truth + random.normal(0, 0.5, N)), 0, 4) for _ in range(2))
        human.append(pd.DataFrame({**row, "score": first}))
        for name, scores in (("panel", first), ("second", second)):
            ratings.append(pd.DataFrame({**row, "rater": name, "score": scores}))
        for arm, penalty in (("baseline", 0.8), ("equivalence", 0.0)):
            expected = np.clip(truth - penalty * focal + random.normal(0, 0.3, N), 0, 4)
            arms[arm].append(pd.DataFrame({**row, "expected": expected, "modal": np.round(expected)}))
    persons = pd.DataFrame({"person": person, "variety": np.where(focal, "everyday", "standard")})
    scored = {arm: pd.concat(parts, ignore_index=True) for arm, parts in arms.items()}
    audit = Audit(pd.concat(human, ignore_index=True), scored, persons)
    return audit, pd.concat(ratings, ignore_index=True)


@pytest.fixture
def made(small_study: Path, perform: Perform) -> Made:
    """The run and the tables of a study with these lines more."""

    def make(
        more: str = "", focal: np.ndarray = HALF, draws: int = 200
    ) -> tuple[Run, dict[str, pd.DataFrame]]:
        text = small_study.read_text(encoding="utf-8").replace("bootstrap = 50", f"bootstrap = {draws}")
        small_study.write_text(text + more, encoding="utf-8")
        run = perform(small_study)
        audit, ratings = audit_of(focal)
        write_parquet(run.path("data", "ratings.parquet"), ratings)
        gates = run.study.gates or Gates()
        tables: dict[str, pd.DataFrame] = {
            **dif_tables(run, audit, []),
            **validity_tables(run, audit, _frames(run, audit), gates),
            "wording": pd.DataFrame(
                {"arm": ["equivalence"], "effect": [-0.2], "low": [-0.3], "high": [-0.1]}
            ),
        }
        tables["gates"] = gate_table(run, audit, tables, gates)
        return run, tables

    return make


def cell(table: pd.DataFrame, **where: object) -> pd.Series:
    for name, value in where.items():
        table = table[table[name] == value]
    (row,) = [table.iloc[place] for place in range(len(table))]
    return row


def whole(tables: Mapping[str, pd.DataFrame], arm: str, metric: str) -> pd.Series:
    return cell(tables["evaluation"], arm=arm, grouping="all", metric=metric, contrast="")


def test_gates_without_the_table_are_the_defaults_and_bind_nothing(made: Made) -> None:
    _, tables = made()
    gates = tables["gates"]
    assert not gates["binding"].any() and set(gates["arm"]) == {"equivalence"}
    status = gates.set_index(["gate", "scope"])["status"]
    assert status["degradation", ""] == status["impact_ratio", ""] == "not assessable"
    assert (
        status["qwk", ""]
        == status["smd_group", "variety: everyday"]
        == status["es_class", "variety"]
        == "met"
    )
    assert len(tables["rater_bias"]) == len(tables["impact"]) == 0
    for name in VALIDITY:
        assert set(COLUMNS[name]) <= set(tables[name].columns), name


def test_figures_agree_with_scikit_learn_and_with_the_older_table(made: Made) -> None:
    run, tables = made()
    audit, _ = audit_of(HALF)
    for arm in ("baseline", "equivalence"):
        expected = cohen_kappa_score(
            audit.human["score"].astype(int), audit.arms[arm]["modal"].astype(int), weights="quadratic"
        )
        assert whole(tables, arm, "qwk")["value"] == pytest.approx(expected, abs=1e-12)
    older = bootstrap_agreement(
        _frames(run, audit), replicates=200, seed=derive_seed(run.study.study.seed, "agreement")
    )
    for row in older.to_dict("records"):
        now = whole(tables, str(row["arm"]), str(row["metric"]))
        for name in ("value", "low", "high"):  # one report, one interval
            assert now[name] == pytest.approx(row[name], abs=1e-12)


def test_second_raters_give_degradation_true_scores_and_corrected_bias(made: Made) -> None:
    _, tables = made('\n[gates]\nraters = ["panel", "second"]\n')
    audit, ratings = audit_of(HALF)
    wide = ratings.pivot(index=["person", "item"], columns="rater", values="score").reset_index()
    humans = cohen_kappa_score(wide["panel"].astype(int), wide["second"].astype(int), weights="quadratic")
    assert whole(tables, "equivalence", "human_qwk")["value"] == pytest.approx(humans, abs=1e-12)
    lost = whole(tables, "equivalence", "degradation_qwk")["value"]
    assert lost == pytest.approx(humans - whole(tables, "equivalence", "qwk")["value"], abs=1e-12)
    both = wide.merge(audit.arms["equivalence"], on=["person", "item"])
    found = true_score(both[["panel", "second"]].to_numpy(), both["expected"].to_numpy())
    assert whole(tables, "equivalence", "prmse")["value"] == pytest.approx(found.prmse, abs=1e-12)
    bias = tables["rater_bias"]
    own = bias[(bias["item"] == "all") & (bias["method"] == "corrected")].set_index("arm")
    # what was planted: −.8 before, nothing after
    assert own.loc["baseline", "low"] < -0.75 < own.loc["baseline", "high"]
    assert own.loc["equivalence", "low"] < 0 < own.loc["equivalence", "high"]
    status = tables["gates"].set_index(["gate", "scope"])["status"]
    assert status["degradation", "QWK"] == status["degradation", "r"] == "met"
    assert tables["gates"]["binding"].all()


def test_impact_at_a_cut_agrees_with_counts(made: Made) -> None:
    _, tables = made("\n[gates]\ncut = 2.0\n")
    audit, _ = audit_of(HALF)
    mean = audit.arms["baseline"].groupby("person")["expected"].mean()
    passed = (mean >= 2.0).groupby(audit.persons.set_index("person")["variety"]).agg(["sum", "size"])
    (y, n), (y0, n0) = passed.loc["everyday"], passed.loc["standard"]
    row = cell(tables["impact"], arm="baseline", group="everyday")
    assert row["impact_ratio"] == pytest.approx((y / n) / (y0 / n0), abs=1e-12)
    assert row["p"] == pytest.approx(fisher_exact([[y, n - y], [y0, n0 - y0]]).pvalue, abs=1e-12)
    gate = cell(tables["gates"], gate="impact_ratio")
    after = tables["impact"][(tables["impact"]["arm"] == "equivalence") & ~tables["impact"]["is_reference"]]
    assert gate["value"] == pytest.approx(float(after["impact_ratio"].iloc[0]))
    decided = cell(tables["decisions"], arm="baseline")
    human = audit.human.groupby("person")["score"].mean() >= 2.0
    assert decided["accuracy"] == pytest.approx(float((human == (mean >= 2.0)).mean()), abs=1e-12)


def test_a_scorer_that_is_missed_by_its_gates(made: Made) -> None:
    _, tables = made('\n[report]\nprimary_arm = "equivalence"\n[gates]\nqwk = 0.99\nwording = 0.1\n')
    status = tables["gates"].set_index(["gate", "scope"])["status"]
    assert status["qwk", ""] == status["wording", ""] == "missed"
    sd = audit_of(HALF)[0].human["score"].std(ddof=1)
    assert cell(tables["gates"], gate="wording")["value"] == pytest.approx(-0.2 / sd)


def test_few_persons_are_neither_shown_nor_judged(made: Made) -> None:
    _, tables = made("\n[gates]\ncut = 2.0\n", focal=np.arange(N) < 6)
    rows = tables["evaluation"]
    hidden = rows[rows["grouping"] == "variety"]
    assert (hidden["suppressed"] != "").all()  # both: the total would give the small one away
    assert hidden[["value", "low", "high", "n_persons"]].isna().all(axis=None)
    assert (tables["impact"]["suppressed"] != "").all() and tables["impact"]["rate"].isna().all()
    assert set(tables["fairness"]["reason"]) == {"few persons in a group"}
    assert tables["fairness"]["estimate"].isna().all()
    status = tables["gates"].set_index(["gate", "scope"])["status"]
    assert status["smd_group", "variety: standard"] == status["impact_ratio", "variety"] == "not assessable"
    assert status["qwk", ""] == "met"


def test_few_resamples_show_no_noninferiority(made: Made) -> None:
    _, tables = made(draws=50)
    assert tables["noninferiority"]["reason"].str.startswith("only 50 resamples").all()
    assert not tables["noninferiority"]["noninferior"].any()
    gates = tables["gates"][tables["gates"]["gate"] == "noninferiority"]
    assert set(gates["status"]) == {"not assessable"}


def test_gates_are_part_of_the_tables_stage_alone(small_study: Path, perform: Perform) -> None:
    plain = {stage.name: stage for stage in _stages(perform(small_study), {})}
    small_study.write_text(
        small_study.read_text(encoding="utf-8") + "\n[gates]\nqwk = 0.8\n", encoding="utf-8"
    )
    asked = {stage.name: stage for stage in _stages(perform(small_study), {})}
    changed = [name for name in plain if plain[name].settings != asked[name].settings]
    assert changed == ["tables"]
