"""Evaluations: figures against RSMTool's and statsmodels', exclusions, small groups, gates, page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols

from psyalign.foundation.errors import DataError, UsageError
from psyalign.report.evaluation import (
    Asked,
    Columns,
    Measured,
    ScoreRange,
    measure,
    read_given,
    write_evaluation,
)

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference" / "agreement" / "synthetic_1to5"
PLAIN = {
    "h_mean": "human_mean", "sys_sd": "score_sd", "corr": "r", "wtkappa": "qwk", "R2": "r2", "kappa": "kappa",
    "SMD": "smd", "RMSE": "rmse", "N": "n",
}  # fmt: skip


def simulated(n: int = 300, items: int = 1, seed: int = 1) -> pd.DataFrame:
    """Persons with score points 0 to 4; the machine takes half a point off item 2 of the focal group."""
    rng = np.random.default_rng(seed)
    true = np.repeat(rng.normal(size=n), items)
    item = np.tile(np.arange(1, items + 1), n)
    group = np.repeat(rng.choice(["girl", "boy"], n), items)

    def rated(sd: float) -> np.ndarray:
        return np.clip(np.rint(2 + true + rng.normal(0, sd, n * items)), 0, 4)

    machine = 2 + 0.9 * true + rng.normal(0, 0.4, n * items) - 0.8 * ((group == "girl") & (item == 2))
    return pd.DataFrame(
        {
            "person": np.repeat([f"p{number}" for number in range(n)], items), "item": item.astype(str),
            "system": machine, "human": rated(0.4), "human2": rated(0.4), "gender": group,
            "origin": "simulated",
        }
    )  # fmt: skip


def write(path: Path, table: pd.DataFrame) -> Path:
    table.to_csv(path, index=False)
    return path


def evaluated(path: Path, table: pd.DataFrame, asked: Asked | None = None, **columns: object) -> Measured:
    named = {"humans": ("human", "human2"), "groups": ("gender",), **columns}
    given = read_given(write(path, table), Columns(**named), ScoreRange())  # type: ignore[arg-type]
    return measure(given, asked or Asked(bootstrap=200))


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="needs ../shared/reference")
def test_tables_hold_what_rsmtool_computed() -> None:
    columns = Columns(humans=("human", "human2"), groups=("gender", "ethnicity"), person="candidate")
    given = read_given(REFERENCE / "input.csv", columns, ScoreRange(1, 5, scale="asis"))
    found = measure(given, Asked(bootstrap=20))
    stats = json.loads((REFERENCE / "stats.json").read_text(encoding="utf-8"))["stats"]
    block = stats["eval"]
    for form, row in found.tables["accuracy"].set_index("score").iterrows():
        theirs = block[str(form)]
        for name, ours in PLAIN.items():
            assert row[ours] == pytest.approx(theirs[name], abs=1e-10), (form, name)
        assert 100 * row["exact"] == pytest.approx(theirs["exact_agr"], abs=1e-10)
    true = found.tables["true_score"].set_index("score")
    theirs = stats["true_score_eval"]["scale_trim"]
    assert true.loc["scale_trim", "prmse"] == pytest.approx(theirs["PRMSE true"], abs=1e-10)


def test_subgroup_tests_are_those_of_ordinary_least_squares(tmp_path: Path) -> None:
    found = evaluated(tmp_path / "s.csv", simulated())
    rows = found.given.rows
    frame = pd.DataFrame({"d": rows["raw_trim"] - rows["human"], "g": rows["gender"].astype(str)})
    fit = ols("d ~ C(g)", frame).fit()
    table = found.tables["fairness"].set_index("metric")
    assert table.loc["OSD", "p"] == pytest.approx(fit.f_pvalue, rel=1e-8)
    assert table.loc["OSD", "r2"] == pytest.approx(fit.rsquared_adj, abs=1e-10)


def test_the_corrected_bias_finds_nothing_in_a_fair_machine_and_dif_the_planted_item(tmp_path: Path) -> None:
    fair = evaluated(tmp_path / "fair.csv", simulated(600, items=1, seed=3))
    bias = fair.tables["bias"].set_index("method")
    assert bias.loc["corrected", "low"] < 0 < bias.loc["corrected", "high"]
    planted = evaluated(tmp_path / "dif.csv", simulated(500, items=4), Asked(bootstrap=50, dif=True))
    dif = planted.tables["dif"]
    machine = dif[dif["scores"] == "machine"].set_index("item")["es"]
    human = dif[dif["scores"] == "human"].set_index("item")["es"]
    assert machine.abs().idxmax() == "2"
    assert abs(machine["2"]) > 0.4
    assert human.abs().max() < 0.25
    gates = planted.tables["gates"].set_index("gate")["status"]
    assert gates["es_class"] == "missed"


def test_rows_without_scores_are_left_out_and_counted(tmp_path: Path) -> None:
    table = simulated()
    table.loc[:4, "system"] = np.nan
    table.loc[4:9, "human"] = np.nan
    table.loc[20:40, "gender"] = np.nan
    found = evaluated(tmp_path / "s.csv", table)
    counted = found.tables["excluded"].set_index("what")["rows"].to_dict()
    assert counted == {
        "rows read": 300, "no machine score and no human score": 1, "no machine score": 4,
        "no human score": 5, "rows evaluated": 290,
    }  # fmt: skip
    sizes = found.tables["groups"].set_index("level")["n_persons"]
    assert sizes[""] == 21
    assert sizes.sum() == 290


def test_small_groups_are_hidden_everywhere_and_so_is_what_would_give_them_away(tmp_path: Path) -> None:
    table = simulated(items=2)
    table["region"] = np.repeat(["north"] * 200 + ["south"] * 95 + ["tiny"] * 5, 2)
    asked = Asked(bootstrap=50, dif=True, cuts=(3.0,), impact=True)
    found = evaluated(tmp_path / "s.csv", table, asked, groups=("gender", "region"))
    tables = found.tables
    hidden = {"tiny", "south"}
    for name in ("groups", "by_group", "intervals", "fairness_estimates"):
        part = tables[name][tables[name]["level"].isin(hidden)]
        numbers = part.drop(columns=["grouping", "level"]).select_dtypes("number")
        assert len(part)
        assert numbers.isna().all(axis=None), name
    for name, column in (("bias", "focal"), ("impact", "group"), ("dif", "focal")):
        assert not set(tables[name][column]) & hidden, name
    audit = tables["audit"]
    assert audit.loc[audit["category"].str.contains("tiny"), "n"].isna().all()
    shown = measure(found.given, Asked(bootstrap=0, minimum=1)).tables["groups"]
    assert (shown["suppressed"] == "").all()


def test_training_scores_bring_the_machine_to_the_human_scale(tmp_path: Path) -> None:
    table = simulated()
    train = pd.DataFrame({"prediction": [10.0, 20.0, 30.0], "sc1": [1.0, 2.0, 3.0]})
    path = write(tmp_path / "s.csv", table.assign(system=10 * table["system"]))
    scale = write(tmp_path / "train.csv", train)
    given = read_given(path, Columns(), ScoreRange(0, 4, scale=scale))
    assert given.rows["scale"].to_numpy() == pytest.approx(table["system"].to_numpy(), abs=1e-9)


def test_without_bootstrap_there_are_figures_and_no_intervals(tmp_path: Path) -> None:
    found = evaluated(tmp_path / "s.csv", simulated(), Asked(bootstrap=0))
    whole = found.tables["intervals"]
    assert whole["value"].notna().any()
    assert whole[["low", "high", "se", "p"]].isna().all(axis=None)


def test_gates_without_a_second_human_are_not_assessable(tmp_path: Path) -> None:
    found = evaluated(tmp_path / "s.csv", simulated(), humans=("human",))
    gates = found.tables["gates"].set_index("gate")["status"]
    assert gates["degradation"] == "not assessable"
    assert gates["qwk"] == "met"
    assert not {"bias", "true_score", "consistency"} & set(found.tables)


def test_the_same_input_gives_the_same_bytes_and_names_do_no_harm(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    table = simulated(items=2).replace({"gender": {"girl": evil, "boy": "=1+1"}})
    asked = Asked(bootstrap=50, dif=True, cuts=(3.0,), impact=True)
    found = evaluated(tmp_path / "s.csv", table, asked)
    formats = ("html", "docx", "json")
    for name in ("a", "b"):
        path = write_evaluation(
            found, tmp_path / name, source=tmp_path / "s.csv", title=evil, formats=formats
        )
        assert path.name == "report.html"
    page = (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "Simulated" in page
    drawing = (tmp_path / "a" / "figures" / "groups.svg").read_text(encoding="utf-8")
    assert "<script" not in drawing
    assert "\n'=1+1" in "\n" + pd.read_csv(tmp_path / "a" / "tables" / "groups.csv").to_csv(
        columns=["level"], index=False
    )
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    value = json.loads((tmp_path / "a" / "report.json").read_text(encoding="utf-8"))
    assert value["schema"] == "psyalign-evaluation"
    assert value["data"]["responses"] == 600
    assert set(value["tables"]) == set(found.tables)


@pytest.mark.parametrize(
    ("change", "columns", "error", "says"),
    [
        ({}, {"system": "sytem"}, DataError, "Did you mean 'system'"),
        ({"human": "three"}, {}, DataError, "no numbers"),
        ({"human": 2}, {}, DataError, "All scores in column 'human' are 2"),
        ({"system": 2}, {}, DataError, "All scores in column 'system'"),
        ({"system": np.nan}, {}, DataError, "Only 0 rows"),
        ({"gender": "girl"}, {}, DataError, "one group only"),
        ({"gender": np.nan}, {}, DataError, "no value"),
        ({"person": "p1"}, {"item": "origin"}, DataError, "there twice"),
        ({}, {"groups": ("gender", "gender")}, UsageError, "named twice"),
        ({}, {"humans": ("human", "human")}, UsageError, "named for two things"),
        ({}, {"reference": {"gender": "gril"}}, UsageError, "has no value 'gril'"),
        ({}, {"reference": {"sex": "girl"}}, UsageError, "no group column"),
    ],
)
def test_bad_input_is_named(
    tmp_path: Path, change: dict[str, object], columns: dict[str, object], error: type[Exception], says: str
) -> None:
    table = simulated().assign(**change)
    with pytest.raises(error) as caught:
        evaluated(tmp_path / "s.csv", table, **columns)
    assert says in str(caught.value)


def test_metrics_cuts_and_ranges_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no metric 'qkw'"):
        Asked(metrics=("qkw",))
    with pytest.raises(UsageError, match="No decision is made at 9"):
        evaluated(tmp_path / "s.csv", simulated(), Asked(bootstrap=0, cuts=(9.0,)))
    with pytest.raises(UsageError, match="DIF needs at least two items"):
        evaluated(tmp_path / "s.csv", simulated(), Asked(bootstrap=0, dif=True))
    with pytest.raises(UsageError, match="Impact ratios compare groups"):
        evaluated(tmp_path / "s.csv", simulated(), Asked(bootstrap=0, impact=True), groups=())
    path = write(tmp_path / "s.csv", simulated())
    with pytest.raises(DataError, match="beyond 1 to 4"):
        read_given(path, Columns(), ScoreRange(1, 4))


def test_a_code_for_not_known_is_no_group(tmp_path: Path) -> None:
    table = simulated()
    table["gender"] = np.where(np.arange(300) < 3, "-99", table["gender"])
    found = evaluated(tmp_path / "s.csv", table, Asked(bootstrap=0), missing=("-99",))
    assert set(found.given.levels["gender"]) == {"girl", "boy"}
    sizes = found.tables["groups"].set_index("level")
    assert sizes.loc["", "n_persons"] == 3
    assert (sizes["suppressed"] == "").all()
