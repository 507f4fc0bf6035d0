"""RSMTool's values (../shared/reference/agreement), and scikit-learn's QWK."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from psyalign.agreement import agreement, agreement_table

FOLDER = Path(__file__).parents[2].parent / "shared" / "reference" / "agreement" / "synthetic_1to5"


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    if not FOLDER.is_dir():
        pytest.skip(f"no reference values: {FOLDER} is missing")
    table = pd.read_csv(FOLDER / "input.csv")
    trimmed = table["system"].clip(1 - 0.4998, 5 + 0.4998)
    return table.assign(person=table["candidate"], expected=trimmed, modal=np.rint(trimmed))


@pytest.fixture(scope="module")
def stats() -> dict:
    if not FOLDER.is_dir():
        pytest.skip(f"no reference values: {FOLDER} is missing")
    return json.loads((FOLDER / "stats.json").read_text(encoding="utf-8"))["stats"]


def test_overall(data, stats):
    found = agreement(data["human"], data["modal"], data["expected"])
    trim, rounded = stats["eval"]["scale_trim"], stats["eval"]["scale_trim_round"]
    api = stats["_api_extra"]["smd"]
    for name, expected in (
        ("n", trim["N"]),
        ("qwk", rounded["wtkappa"]),
        ("qwk_continuous", trim["wtkappa"]),
        ("exact", rounded["exact_agr"] / 100),
        ("adjacent", rounded["adj_agr"] / 100),
        ("r", trim["corr"]),
        ("rmse", trim["RMSE"]),
        ("smd", trim["SMD"]),
        ("smd", api["unpooled"]),
        ("smd_pooled", api["pooled"]),
        ("sd_ratio", trim["sys_sd"] / trim["h_sd"]),
    ):
        assert found[name] == pytest.approx(expected, rel=1e-10), name


@pytest.mark.parametrize("attribute", ["gender", "ethnicity", "item"])
def test_by_group(data, stats, attribute):
    levels = sorted(data[attribute].unique())
    frame = data if attribute != "item" else data.assign(item=data["id"])
    by = stats[f"eval_by_{attribute}"]
    api = stats["_api_extra"][f"smd_by_{attribute}"]
    frame = frame.assign(attribute=data[attribute])
    for reference, focal in zip(levels[::2], levels[1::2], strict=True):
        table = agreement_table(frame, {"attribute": (reference, focal)}).set_index("level")
        for level in (reference, focal):
            row = table.loc[level]
            assert row["n"] == by[level]["N"]
            for name, expected in (
                ("r", by[level]["corr.scale_trim"]),
                ("rmse", by[level]["RMSE.scale_trim"]),
                ("exact", by[level]["exact_agr.scale_trim_round"] / 100),
                ("adjacent", by[level]["adj_agr.scale_trim_round"] / 100),
                ("qwk_continuous", api[level]["qwk_continuous"]),
                ("smd", api[level]["johnson"]),
                ("smd_pooled", api[level]["williamson"]),
            ):
                assert row[name] == pytest.approx(expected, rel=1e-10), (level, name)
        difference = table.loc["difference"]
        for name in ("qwk", "r", "smd", "sd_ratio"):
            assert difference[name] == pytest.approx(table.loc[focal, name] - table.loc[reference, name])


@pytest.mark.parametrize("seed", range(20))
def test_qwk_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    human = rng.integers(0, 5, 60)
    modal = np.clip(human + rng.integers(-2, 3, 60), 0, 4)
    ours = agreement(human, modal, modal)["qwk"]
    assert ours == pytest.approx(cohen_kappa_score(human, modal, weights="quadratic"), abs=1e-12)
