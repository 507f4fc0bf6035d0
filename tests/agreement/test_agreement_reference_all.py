"""Every number that RSMTool 12 computed (../shared/reference/agreement), beside ours or beside a reason.

`OURS` names a function for each block, which returns our number for each key; what it leaves out must be in
`WITHOUT`. A key in neither fails. RSMTool prints shares as percent, and degradation with the other sign.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from psyalign.agreement import (
    confusion_table,
    degradation,
    disattenuated_r,
    distribution_table,
    dsm,
    fairness,
    human_consistency,
    pair_metrics,
    score_types,
    true_score,
)

ROOT = Path(__file__).parents[2].parent / "shared" / "reference" / "agreement"
RELATIVE, ABSOLUTE = 1e-10, 1e-12
GROUPS = ("ethnicity", "gender", "item")

WITHOUT = {
    r"test_excluded_composition/.*": "rows that RSMTool could not read; psyalign's readers report theirs",
    r"data_composition/0/partition": "what the data are",
    r"data_composition_by_.*/\d/(ethnicity|gender|item)": "what the data are (test_sizes)",
    r"_api_extra/score_type": "what the data are",
    r"fairness_metrics_by_.*/(R2|sig)/base_category": "a name (test_base_levels)",
}
PLAIN = {
    "N": "n", "h_mean": "human_mean", "h_sd": "human_sd", "h_min": "human_min", "h_max": "human_max",
    "sys_mean": "score_mean", "sys_sd": "score_sd", "sys_min": "score_min", "sys_max": "score_max",
    "corr": "r", "wtkappa": "qwk", "R2": "r2", "kappa": "kappa", "SMD": "smd", "RMSE": "rmse",
}  # fmt: skip
RATERS = {
    "N": "n", "h1_mean": "human_mean", "h1_sd": "human_sd", "h1_min": "human_min", "h1_max": "human_max",
    "h2_mean": "score_mean", "h2_sd": "score_sd", "h2_min": "score_min", "h2_max": "score_max",
    "corr": "r", "wtkappa": "qwk", "kappa": "kappa", "SMD": "smd",
}  # fmt: skip
PERCENT = {"exact_agr": "exact", "adj_agr": "adjacent"}
Found = dict[str, Any]


class Data:
    """A reference folder: input, RSMTool's values, scores as its configuration has them."""

    def __init__(self, folder: Path) -> None:
        loaded = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
        config, self.stats = loaded["config"], loaded["stats"]
        self.table = pd.read_csv(folder / config["predictions_file"])
        self.human, self.human2 = (self.table[name].to_numpy(dtype=float) for name in ("human", "human2"))
        system = self.table[config["system_score_column"]]
        assert config["scale_with"] == "asis"
        self.scores = score_types(system, config["trim_min"], config["trim_max"], prefix="scale")

    def levels(self, attribute: str) -> Iterator[tuple[str, np.ndarray]]:
        yield "All data", np.ones(len(self.table), dtype=bool)
        for level in self.table[attribute].unique():
            yield level, (self.table[attribute] == level).to_numpy()

    def by_group(self, score: np.ndarray, rows: np.ndarray) -> float:
        unit = {}
        for name, values in (("human", self.human), ("score", score)):
            unit |= {f"{name}_mean": np.nanmean(values), f"{name}_sd": np.nanstd(values, ddof=1)}
        return dsm(self.human[rows], score[rows], **unit)


def renamed(found: Mapping[str, float], names: Mapping[str, str], ending: str = "") -> Found:
    plain = {theirs + ending: found[ours] for theirs, ours in names.items()}
    return plain | {theirs + ending: 100 * found[ours] for theirs, ours in PERCENT.items()}


def evaluated(data: Data, block: str) -> Found:
    return {
        f"{column}/{key}": value
        for column in data.scores
        for key, value in renamed(pair_metrics(data.human, data.scores[column]), PLAIN).items()
    }


def evaluated_short(data: Data, block: str) -> Found:
    out = {}
    for column in ("scale_trim", "scale_trim_round"):
        row = pair_metrics(data.human, data.scores[column])
        out |= {f"0/{key}": value for key, value in renamed(row, PLAIN, f".{column}").items()}
        out |= {f"0/{key}": row[PLAIN[key]] for key in ("N", "h_mean", "h_sd")}
    return out


def evaluated_by(data: Data, block: str) -> Found:
    out = {}
    for level, rows in data.levels(block.removeprefix("eval_by_")):
        for column in ("scale_trim", "scale_trim_round"):
            score = data.scores[column].to_numpy()
            row = pair_metrics(data.human[rows], score[rows])
            out |= {f"{level}/{key}": value for key, value in renamed(row, PLAIN, f".{column}").items()}
            out |= {f"{level}/{key}": row[PLAIN[key]] for key in ("N", "h_mean", "h_sd")}
            out[f"{level}/DSM.{column}"] = data.by_group(score, rows)
    return out


def consistency(data: Data, block: str) -> Found:
    found = renamed(human_consistency(data.human, data.human2), RATERS)
    return {f"nan/{key}": value for key, value in found.items()}


def consistency_by(data: Data, block: str) -> Found:
    out = {}
    for level, rows in data.levels(block.removeprefix("consistency_by_")):
        row = human_consistency(data.human[rows], data.human2[rows])
        out |= {f"{level}/{key}": value for key, value in renamed(row, RATERS).items()}
        out[f"{level}/DSM"] = data.by_group(data.human2, rows)
    return out


def degraded(data: Data, block: str) -> Found:
    names = {"corr": "r", "kappa": "kappa", "wtkappa": "qwk", "SMD": "smd"}
    out = {}
    for column in data.scores:
        row = renamed(degradation(data.human, data.scores[column], data.human2), names)
        out |= {f"{column}/{key}": -value for key, value in row.items()}
    return out


def correlations(data: Data, score: np.ndarray, rows: np.ndarray | slice = slice(None)) -> Found:
    machine = pair_metrics(data.human[rows], score[rows])["r"]
    humans = human_consistency(data.human[rows], data.human2[rows])["r"]
    found = {"corr_HM": machine, "corr_HH": humans, "sqrt_HH": np.sqrt(humans)}
    return found | {"corr_disattenuated": float(disattenuated_r(machine, humans))}


def disattenuated(data: Data, block: str) -> Found:
    return {
        f"{column}/{key}": value
        for column in data.scores
        for key, value in correlations(data, data.scores[column].to_numpy()).items()
    }


def disattenuated_by(data: Data, block: str) -> Found:
    score = data.scores["scale_trim"].to_numpy()
    return {
        f"{level}/{key}": value
        for level, rows in data.levels(block.removeprefix("disattenuated_correlations_by_"))
        for key, value in correlations(data, score, rows).items()
    }


def true_scores(data: Data, block: str) -> Found:
    names = {
        "N": "n", "N raters": "n_raters", "N single": "n_single", "N multiple": "n_multiple",
        "Variance of errors": "error_variance", "True score var": "true_variance", "MSE true": "mse_true",
        "PRMSE true": "prmse",
    }  # fmt: skip
    ratings = np.column_stack([data.human, data.human2])
    return {
        f"{column}/{theirs}": getattr(true_score(ratings, data.scores[column]), ours)
        for column in data.scores
        for theirs, ours in names.items()
    }


def explained(data: Data, block: str) -> Found:
    table = fairness_of(data, block.removeprefix("fairness_metrics_by_")).table.set_index("metric")
    names = {"Overall score accuracy": "OSA", "Overall score difference": "OSD"}
    out = {}
    for theirs, ours in {**names, "Conditional score difference": "CSD"}.items():
        out |= {f"R2/{theirs}": table.loc[ours, "r2"], f"sig/{theirs}": table.loc[ours, "p"]}
    return out


def estimates(data: Data, block: str) -> Found:
    _, metric, attribute = re.fullmatch(r"(estimates)_(\w{3})_by_(\w+)", block).groups()
    table = fairness_of(data, attribute).estimates
    out = {}
    for place, row in enumerate(table[table["metric"] == metric.upper()].to_dict("records")):
        name = row["level"] if place else f"Intercept ({row['level']})"
        columns = {"estimate": "estimate", "P>[t]": "p", "[0.025": "low", "0.975]": "high"}
        out |= {f"{name}/{theirs}": row[ours] for theirs, ours in columns.items()}
    return out


def fairness_of(data: Data, attribute: str):
    return fairness(data.human, data.scores["scale_trim"], data.table[attribute])


def confusion(data: Data, block: str) -> Found:
    other = data.human2 if block.endswith("h1h2") else data.scores["scale_trim_round"]
    table = confusion_table(data.human, other)
    return {f"{row}/{column}": table.loc[row, column] for row in table.index for column in table.columns}


def distribution(data: Data, block: str) -> Found:
    table = distribution_table(data.human, data.scores["scale_trim_round"])
    names = {"score": "point", "human": "human", "sys_scale": "score", "difference": "difference"}
    return {
        f"{float(row['point'])}/{theirs}": row[ours]
        for row in table.to_dict("records")
        for theirs, ours in names.items()
    }


def sizes(data: Data, block: str) -> Found:
    out = {f"0/{name}": data.table[name].nunique() for name in GROUPS}
    return out | {"0/responses": pair_metrics(data.human, data.scores["scale"])["n"]}


def sizes_by(data: Data, block: str) -> Found:
    attribute = block.removeprefix("data_composition_by_")
    named = {row[attribute]: place for place, row in data.stats[block].items()}
    return {
        f"{named[level]}/N responses": pair_metrics(data.human[rows], data.human[rows])["n"]
        for level, rows in data.levels(attribute)
        if level in named
    }


def api(data: Data, block: str) -> Found:
    score = data.scores["scale_trim"].to_numpy()
    whole = pair_metrics(data.human, score)
    unit = {"human_sd": whole["human_sd"], "score_sd": whole["score_sd"]}

    def denominators(rows: np.ndarray | slice) -> Found:
        own = pair_metrics(data.human[rows], score[rows])
        whole_sds = pair_metrics(data.human[rows], score[rows], **unit)
        found = {"n": own["n"], "qwk_continuous": own["qwk"]}
        found |= {"unpooled": own["smd"], "pooled": own["smd_pooled"]}
        return found | {"johnson": whole_sds["smd"], "williamson": whole_sds["smd_pooled"]}

    out = {f"smd/{key}": value for key, value in denominators(slice(None)).items()}
    for attribute in GROUPS:
        for level, rows in data.levels(attribute):
            found = {**denominators(rows), "dsm": data.by_group(score, rows)}
            out |= {f"smd_by_{attribute}/{level}/{key}": value for key, value in found.items()}
    return out


OURS: dict[str, Callable[[Data, str], Found]] = {
    r"eval": evaluated,
    r"eval_short": evaluated_short,
    r"eval_by_.*": evaluated_by,
    r"consistency": consistency,
    r"consistency_by_.*": consistency_by,
    r"degradation": degraded,
    r"disattenuated_correlations": disattenuated,
    r"disattenuated_correlations_by_.*": disattenuated_by,
    r"true_score_eval": true_scores,
    r"fairness_metrics_by_.*": explained,
    r"estimates_.*": estimates,
    r"confMatrix.*": confusion,
    r"score_dist": distribution,
    r"data_composition": sizes,
    r"data_composition_by_.*": sizes_by,
    r"_api_extra": api,
}


@pytest.fixture(
    scope="module",
    params=sorted(ROOT.glob("*/")) if ROOT.is_dir() else [ROOT],
    ids=lambda folder: folder.name,
)
def data(request) -> Data:
    if not ROOT.is_dir():
        pytest.skip(f"no reference values: {ROOT} is missing")
    return Data(request.param)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from leaves(part, f"{path}/{key}" if path else key)
    else:
        yield path, value


def ours(data: Data) -> Found:
    out = {}
    for block in data.stats:
        makers = [maker for pattern, maker in OURS.items() if re.fullmatch(pattern, block)]
        assert len(makers) < 2, block
        for maker in makers:
            out |= {f"{block}/{key}": value for key, value in maker(data, block).items()}
    return out


def test_every_value(data):
    theirs, found = dict(leaves(data.stats)), ours(data)
    both = [path for path in theirs if path in found]
    assert len(both) > 800
    wrong = {
        path: (found[path], theirs[path])
        for path in both
        if not abs(found[path] - theirs[path]) <= RELATIVE * abs(theirs[path]) + ABSOLUTE
    }
    assert not wrong


def test_every_key_has_a_number_or_a_reason(data):
    theirs, found = dict(leaves(data.stats)), ours(data)
    for path in theirs:
        excused = any(re.fullmatch(pattern, path) for pattern in WITHOUT)
        assert (path in found) != excused, path
    for pattern in (*WITHOUT, *OURS):
        assert any(re.fullmatch(rf"{pattern}(/.*)?", path) for path in theirs), pattern


def test_base_levels(data):
    for attribute in GROUPS:
        for part in data.stats[f"fairness_metrics_by_{attribute}"].values():
            assert set(fairness_of(data, attribute).table["base"]) == {part["base_category"]}
