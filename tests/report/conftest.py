"""A whole run on disk with coherent, random and simulated numbers, as the pipeline writes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

ARMS = ["baseline", "refit", "dpo", "ppo", "equivalence", "dpo+equivalence", "ppo+equivalence", "ceiling"]
LABELS = {
    "baseline": "Baseline", "refit": "Refit", "dpo": "DPO", "ppo": "PPO", "equivalence": "Equivalence",
    "dpo+equivalence": "DPO + equivalence", "ppo+equivalence": "PPO + equivalence", "ceiling": "Ceiling",
}  # fmt: skip
ES = dict(zip(ARMS, [-0.161, -0.056, -0.062, -0.071, -0.020, -0.012, -0.018, 0.065], strict=True))
QWK = dict(zip(ARMS, [0.775, 0.795, 0.792, 0.788, 0.801, 0.806, 0.799, 0.821], strict=True))
TITLES = [
    "The late report", "A colleague takes credit", "The angry customer", "Unclear instructions",
    "The shortcut that saves an hour", "A rumour about the merger", "Two deadlines", "The broken promise",
    "A mistake that nobody saw", "The new software",
]  # fmt: skip
ORIGIN = "simulated"

RunMaker = Callable[..., Path]


@pytest.fixture(scope="session", name="write_run")
def write_run_fixture() -> RunMaker:
    """`write_run` itself, for fixtures that live longer than one test."""
    return write_run


@pytest.fixture
def make_run(tmp_path: Path) -> RunMaker:
    """A function that writes a run and returns its folder; see `write_run` for its options."""

    def make(name: str = "run", **options: Any) -> Path:
        return write_run(tmp_path / name, **options)

    return make


def write_run(
    folder: Path,
    *,
    es: dict[str, float] | None = None,
    qwk: dict[str, float] | None = None,
    es_change_width: float = 0.05,
    qwk_change_width: float = 0.02,
    sd_ratio: float = 0.9,
    draws: int = 1000,
    arms: list[str] | None = None,
    primary_arm: str = "equivalence",
    groups: dict[str, dict[str, str]] | None = None,
    titles: list[str] | None = None,
    item_ids: list[str] | None = None,
    origin: str = ORIGIN,
    drop: tuple[str, ...] = (),
    seed: int = 1,
) -> Path:
    """Write manifest.json and tables/*.parquet; `drop` names tables to leave out."""
    arms = ARMS if arms is None else arms
    groups = groups or {"variety": {"reference": "standard", "focal": "everyday"}}
    titles = TITLES if titles is None else titles
    ids = item_ids or [f"item-{number}" for number in range(1, len(titles) + 1)]
    means = {arm: {**ES, **(es or {})}[arm] for arm in arms}
    kappas = {arm: {**QWK, **(qwk or {})}[arm] for arm in arms}
    random = np.random.default_rng(seed)
    tables = {
        "agreement": _agreement(kappas, groups, sd_ratio),
        "agreement_intervals": _agreement_intervals(kappas, qwk_change_width),
        **_dif(means, groups, ids, random),
        "dif_summary": _summary(means, groups, es_change_width),
        "wording": _wording(means),
        "wording_items": _wording_items(means, ids),
        "distributions": _distributions(arms, groups),
        "arms": _arms(arms, sd_ratio),
        "items": pd.DataFrame(
            {"item": ids, "title": titles, "construct": "conscientiousness", "max_score": 4, "n_audit": 240,
             "human_mean": random.uniform(1.6, 2.4, len(ids)), "human_sd": 1.1}
        ),
        **_training(arms, random),
        **_people(groups),
    }  # fmt: skip
    for name, table in tables.items():
        if name not in drop:
            path = folder / "tables" / f"{name}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            table.assign(origin=origin).to_parquet(path, index=False)
    manifest = _manifest(groups, primary_arm, origin, draws)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _agreement(kappas: dict[str, float], groups: dict[str, Any], sd_ratio: float) -> pd.DataFrame:
    rows = []
    for arm, qwk in kappas.items():
        levels = [("all", "all", 0.0, 240)]
        for name, group in groups.items():
            levels += [(name, group["reference"], 0.01, 120), (name, group["focal"], -0.01, 120)]
            levels.append((name, "difference", None, 240))  # type: ignore[arg-type]
        for grouping, level, shift, persons in levels:
            row = {"arm": arm, "grouping": grouping, "level": level, "n_persons": persons, "n": persons * 10}
            if shift is None:
                shares = dict.fromkeys(("qwk", "qwk_continuous", "exact", "adjacent", "r"), -0.02)
                gaps = {"smd": -0.05, "smd_pooled": -0.05, "rmse": 0.03, "sd_ratio": -0.01}
                rows.append(row | shares | gaps)
                continue
            rows.append(
                row | {"qwk": qwk + shift, "qwk_continuous": qwk + shift - 0.01, "exact": 0.58 + shift,
                       "adjacent": 0.96, "r": qwk + shift + 0.03, "smd": 2 * shift, "smd_pooled": 2 * shift,
                       "rmse": 0.7, "sd_ratio": 1.0 if arm == "baseline" else sd_ratio}
            )  # fmt: skip
    return pd.DataFrame(rows)


def _agreement_intervals(kappas: dict[str, float], width: float) -> pd.DataFrame:
    rows = []
    for arm, qwk in kappas.items():
        for metric, shift in (("qwk", 0.0), ("r", 0.03)):
            value, change = qwk + shift, qwk - kappas["baseline"]
            known = np.nan if arm == "baseline" else 1.0
            rows.append(
                {"arm": arm, "metric": metric, "value": value, "low": value - 0.025, "high": value + 0.025,
                 "change": change * known, "change_low": (change - width) * known,
                 "change_high": (change + width) * known}
            )  # fmt: skip
    return pd.DataFrame(rows)


def _dif(
    means: dict[str, float], groups: dict[str, Any], ids: list[str], random: np.random.Generator
) -> dict[str, pd.DataFrame]:
    items, changes = [], []
    for name, group in groups.items():
        spread = random.normal(0, 0.09, len(ids))
        baseline = None
        for arm, mean in {"human": 0.01, **means}.items():
            es = mean + spread * (0.4 if arm == "human" else 1) + random.normal(0, 0.03, len(ids))
            baseline = es if arm == "baseline" else baseline
            for item, size in zip(ids, es, strict=True):
                items.append(_dif_row(arm, name, group, item, float(size), broken=item == ids[-1]))
            if arm not in ("human", "baseline"):
                for item, old, new in zip(ids, baseline, es, strict=True):
                    changes.append(
                        _change_row(arm, name, item, float(old), float(new), broken=item == ids[-1])
                    )
    nothing = _change_row("", "", "", 0.0, 0.0, broken=True)  # for its columns
    return {"dif_items": pd.DataFrame(items), "dif_changes": pd.DataFrame(changes, columns=list(nothing))}


def _p(es: float) -> float:
    z = es / 0.11
    return float(np.exp(-0.717 * abs(z) - 0.416 * z * z))


def _class(es: float) -> str:
    return "AA" if _p(es) >= 0.05 or abs(es) <= 0.17 else "BB" if abs(es) <= 0.25 else "CC"


def _dif_row(
    arm: str, name: str, group: dict[str, str], item: str, es: float, *, broken: bool
) -> dict[str, Any]:
    z, p, gone = es / 0.11, _p(es), np.nan if broken else 1.0
    return {
        "arm": arm, "grouping": name, **group, "item": item, "n_reference": 120, "n_focal": 120,
        "smd": es * 1.1 * gone, "se": 0.121 * gone, "z": z * gone,
        "p": p * gone, "p_adjusted": min(1.0, 4 * p) * gone,
        "es": es * gone, "es_own": es * 1.05 * gone, "mantel_z": z * gone, "mantel_p": p * gone,
        "lr_total": z * z * gone, "lr_total_p": p * gone, "lr_uniform": z * z * gone,
        "lr_uniform_p": p * gone,
        "lr_nonuniform": 0.1 * gone, "lr_nonuniform_p": 0.75 * gone, "nagelkerke_change": 0.01 * gone,
        "es_class": "" if broken else _class(es), "estimable": not broken,
        "reason": "smd and mantel: only one stratum has both groups" if broken else "",
    }  # fmt: skip


def _change_row(arm: str, name: str, item: str, old: float, new: float, *, broken: bool) -> dict[str, Any]:
    change, gone = new - old, np.nan if broken else 1.0
    p = float(np.exp(-abs(change) / 0.02))
    status = {(False, False): "stable_clean", (True, False): "resolved", (False, True): "introduced"}.get(
        (_class(old) != "AA", _class(new) != "AA"), "stable_dif"
    )
    return {
        "arm": arm, "grouping": name, "item": item, "change": change * gone, "se": 0.05 * gone,
        "z": change / 0.05 * gone, "p": p * gone, "p_adjusted": min(1.0, 3 * p) * gone,
        "low": (change - 0.1) * gone, "high": (change + 0.1) * gone,
        "status": "not_estimable" if broken else status,
    }  # fmt: skip


def _summary(means: dict[str, float], groups: dict[str, Any], width: float) -> pd.DataFrame:
    rows = []
    for name in groups:
        for arm, mean in {"human": 0.004, **means}.items():
            for kind, factor in (("human", 1.0), ("own", 1.08)):
                value = mean * factor
                change = (mean - means["baseline"]) * factor
                known = np.nan if arm in ("human", "baseline") else 1.0
                rows.append(
                    {"arm": arm, "grouping": name, "sd_kind": kind, "mean_es": value,
                     "mean_low": value - 0.06, "mean_high": value + 0.06,
                     "max_abs_es": abs(value) + 0.13, "max_low": abs(value) + 0.08,
                     "max_high": abs(value) + 0.2, "mean_abs_es": abs(value) + 0.03, "change": change * known,
                     "change_low": (change - width) * known, "change_high": (change + width) * known,
                     "change_p": (0.0004 if abs(change) > width else 0.31) * known}
                )  # fmt: skip
    return pd.DataFrame(rows)


def _wording(means: dict[str, float]) -> pd.DataFrame:
    effects = {arm: 0.75 * mean for arm, mean in means.items()}
    gone = {arm: 1 - abs(effect) / abs(effects["baseline"]) for arm, effect in effects.items()}
    return pd.DataFrame(
        {"arm": arm, "effect": effect, "low": effect - 0.012, "high": effect + 0.012, "n_pairs": 2400,
         "reduction": np.nan if arm == "baseline" else gone[arm], "mean_abs_es": abs(means[arm]),
         "abs_reduction": gone[arm], "abs_reduction_low": gone[arm] - 0.02,
         "abs_reduction_high": gone[arm] + 0.02}
        for arm, effect in effects.items()
    )  # fmt: skip


def _wording_items(means: dict[str, float], ids: list[str]) -> pd.DataFrame:
    shifts = np.linspace(-0.05, 0.05, len(ids))
    return pd.DataFrame(
        {"arm": arm, "item": item, "n_pairs": 240, "effect": 1.1 * (mean + shift), "es": mean + shift,
         "low": mean + shift - 0.03, "high": mean + shift + 0.03, "reason": ""}
        for arm, mean in means.items() for item, shift in zip(ids, shifts, strict=True)
    )  # fmt: skip


def _distributions(arms: list[str], groups: dict[str, Any]) -> pd.DataFrame:
    rows = []
    for arm in ["human", *arms]:
        for name, group in groups.items():
            for level, shift in ((group["reference"], 0.01), (group["focal"], -0.02)):
                shares = np.array([0.12, 0.22, 0.30, 0.24, 0.12]) + shift * np.arange(-2, 3) * (
                    2 if arm == "baseline" else 1
                )
                for score, share in enumerate(shares / shares.sum()):
                    rows.append({"arm": arm, "grouping": name, "level": level, "score": score,
                                 "count": int(1200 * share), "share": share})  # fmt: skip
    return pd.DataFrame(rows)


def _arms(arms: list[str], sd_ratio: float) -> pd.DataFrame:
    return pd.DataFrame(
        {"arm": arm, "label": LABELS[arm], "what": f"What the arm {arm} does, in one line.",
         "seconds": 31.5 * number, "trained_on": "operational scores" if arm == "baseline" else "feedback",
         "feedback_records": np.nan if arm == "baseline" else 400.0,
         "optimality_gap": 0.012 * number if "po" in arm else np.nan,
         "mean_kl": np.nan if arm == "baseline" else 0.04 * number, "sd_ratio": sd_ratio,
         "parameters_trained": 331_776}
        for number, arm in enumerate(arms, start=1)
    )  # fmt: skip


def _training(arms: list[str], random: np.random.Generator) -> dict[str, pd.DataFrame]:
    stages = ["sft", "reward", *(f"align/{arm}" for arm in arms if arm not in ("baseline", "ceiling"))]
    rows = [
        {
            "stage": stage,
            "step": step,
            "epoch": 1 + step // 50,
            "loss": float(0.4 + np.exp(-step / 40) + noise),
        }
        for stage in stages
        for step, noise in enumerate(random.normal(0, 0.05, 200))
    ]
    feedback = [
        {"kind": "score_preference", "source": "panel", "rater": "panel", "records": 1600, "responses": 400,
         "connected_share": 1.0, "note": "All preference graphs are connected and free of cycles."},
        {"kind": "equivalence", "source": "alternates", "rater": "panel", "records": 400, "responses": 400,
         "connected_share": np.nan, "note": None},
    ]  # fmt: skip
    reward = [
        {"metric": "holdout_accuracy", "value": 0.874}, {"metric": "train_accuracy", "value": 0.931},
        {"metric": "n_train", "value": 1280.0}, {"metric": "n_holdout", "value": 320.0},
        {"metric": "holdout_accuracy variety=everyday", "value": np.nan},
    ]  # fmt: skip
    return {
        "training": pd.DataFrame(rows),
        "feedback": pd.DataFrame(feedback),
        "reward": pd.DataFrame(reward),
    }


def _people(groups: dict[str, Any]) -> dict[str, pd.DataFrame]:
    rows = []
    for split, persons in (("train", 576), ("feedback", 144), ("audit", 240)):
        rows.append(
            {"split": split, "grouping": "all", "level": "all", "persons": persons, "responses": persons * 10}
        )
        for name, group in groups.items():
            for level in (group["reference"], group["focal"]):
                rows.append({"split": split, "grouping": name, "level": level, "persons": persons // 2,
                             "responses": persons * 5})  # fmt: skip
    return {"split": pd.DataFrame(rows)}


def _manifest(groups: dict[str, Any], primary_arm: str, origin: str, draws: int) -> dict[str, Any]:
    notice = "" if origin == "real" else "All people, answers and raters in this run were made by a program."
    return {
        "study": {
            "name": "workplace-sjt", "title": "Workplace judgment: a known penalty on everyday language",
            "question": "Does alignment with rater feedback reduce DIF on variety without loss of agreement?",
            "seed": 20261122, "primary_arm": primary_arm, "origin": origin, "notice": notice,
        },
        "groups": groups,
        "provenance": {"psyalign": "0.1.0", "python": "3.11.9", "platform": "Linux", "commit": None,
                       "packages": {"torch": "2.13.0", "pandas": "3.1.1"}},
        "inputs": {"study.toml": "9f" * 32, "items/workplace-sjt": "1c" * 32},
        "stages": [{"name": "sft", "key": "ab" * 32, "seconds": 92.4, "finished": "2026-11-22T10:02:00Z"}],
        "scorer": {"base": "minilm", "kind": "encoder", "precision": "float32", "device": "cpu",
                   "parameters": 22_700_000, "trainable": 331_776, "hashes": {"weights": "5e" * 32}},
        "settings": {"dif": {"bootstrap": draws, "alpha": 0.05, "correction": "holm", "es_moderate": 0.17,
                             "es_large": 0.25,
                             "methods": ["mantel", "smd", "ordinal"]}, "plant": None,
                     "scorer": {"epochs": 4, "lora": {"rank": 8}}},
        "warnings": [], "started": "2026-11-22T10:00:00Z", "finished": "2026-11-22T10:09:30Z",
    }  # fmt: skip
