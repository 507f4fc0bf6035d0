"""studies/mindca-wording over seeds: what each arm did to a known bias, against its rivals.

    .venv/bin/python benchmarks/wording_seeds.py                 # five seeds; hours on two cores
    .venv/bin/python benchmarks/wording_seeds.py --pool          # the page again, from finished runs

A seed plants the penalty, splits the persons and starts the training anew. For each, the study runs with
the arms below and, for the curve, with fewer and with more feedback records; once with scores by
raters who share the penalty instead of true ones, and once with all records of about 300 feedback persons
instead of 157; `wording_fairlearn.py` adds arms without feedback
(fairlearn is fetched into psyalign's cache folder; --peers none leaves them out). Finished runs are
skipped, so the same command goes on after an interruption. All figures are of audit persons, by one piece
of code for all arms. Intervals are t intervals over seeds (n − 1 degrees of freedom): they hold what the
plant, the split and the training do, though audit persons of two seeds overlap.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from markdown_table import markdown
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from psyalign.dif import analyse, matching_strata
from psyalign.foundation.tables import read_table
from psyalign.scorer.models import cache_folder

HERE = Path(__file__).parent
STUDY = HERE.parent / "studies" / "mindca-wording"
FAIRLEARN = ("fairlearn==0.15.0", "narwhals==2.29.0")
RECORDS = (25, 100, 1600)  # 1,600: nearly all answers of the same feedback persons
ALL_RECORDS = 400
MOST = 3300  # more than 300 persons have
COMPARED = (100, ALL_RECORDS, 1600, MOST)  # where the arms are compared in full
PROBES = 1000
# Whose scores the feedback has: the truth, or those of a panel that shares the penalty.
TRUE, SHARED = "true", "shared"
PANEL = ("plant.panel_lower_probability=0.4", 'feedback.rater="panel"')
PERSONS = ("split.train=0.464", "split.feedback=0.286")  # 300 of 1,048; as many responses are trained on
ARMS = ("baseline", "refit", "dpo", "equivalence", "refit+equivalence")
FIGURES = {
    "mean_es": "mean ES",
    "wording": "wording effect",
    "mean_abs_es": "mean abs. ES",
    "wording_es": "mean abs. ES of wording",
    "qwk": "QWK",
    "r": "r",
    "rmse": "RMSE",
    "sd_ratio": "SD ratio",
}
GONE = ("mean_es", "wording", "wording_es")  # of these the curve tells the share removed
BIAS = ("mean_es", "wording", "mean_abs_es", "wording_es")


def main() -> None:
    options = _options()
    seeds = options.seeds
    if not options.pool:
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(lambda seed: _run_seed(seed, options), seeds))
    table = pd.concat([_figures_of_seed(seed) for seed in seeds], ignore_index=True)
    HERE.joinpath("results").mkdir(exist_ok=True)
    table.round(6).to_csv(HERE / "results" / "wording_seeds.csv", index=False)
    print(_page(table, seeds))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="mindca-wording over seeds")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="seeds at a time")
    parser.add_argument("--peers", choices=["auto", "none"], default="auto", help="fairlearn's arms")
    parser.add_argument("--pool", action="store_true", help="run nothing; pool what is there")
    return parser.parse_args()


def _run_seed(seed: int, options: argparse.Namespace) -> None:
    """The study with this seed, with each number of records, and the arms on frozen embeddings."""
    whole = STUDY / "runs" / f"seed-{seed}"
    _study_run(whole, seed, ARMS, options.jobs)
    for records in RECORDS:
        folder = STUDY / "runs" / f"seed-{seed}-n{records}"
        start_from(whole, folder)
        _study_run(folder, seed, ARMS, options.jobs, _at_most(records))
    _study_run(STUDY / "runs" / f"seed-{seed}-shared", seed, ARMS, options.jobs, PANEL)
    _study_run(STUDY / "runs" / f"seed-{seed}-p300", seed, ARMS, options.jobs, (*PERSONS, *_at_most(MOST)))
    if options.peers == "auto" and not (whole / "peers").exists():
        quiet(
            [sys.executable, str(HERE / "wording_fairlearn.py"), str(whole), str(seed)],
            options.jobs,
            path=_fairlearn(),
        )


def _at_most(records: int) -> tuple[str, ...]:
    return f"feedback.max_responses={records}", f"feedback.max_equivalences={records}"


def _study_run(folder: Path, seed: int, arms: Sequence[str], jobs: int, changes: Sequence[str] = ()) -> None:
    if (folder / "manifest.json").exists():
        return
    every = [f"study.seed={seed}", f"dif.wording_probes={PROBES}", f"align.arms={json.dumps(list(arms))}"]
    every.append("reward.epochs=1")  # no arm here reads the reward model
    study_run(STUDY, folder.name, (*every, *changes), jobs)


def start_from(run: Path, folder: Path) -> None:
    """Give a run that is not there yet another's data and baseline: only the feedback differs."""
    if not folder.exists():
        for part in ("data", "sft", "scores/baseline"):
            shutil.copytree(run / part, folder / part)


def study_run(study: Path, run: str, settings: Sequence[str], jobs: int) -> None:
    command = [sys.executable, "-m", "psyalign", "study", "run", str(study), "--run", run]
    for setting in settings:
        command += ["--set", setting]
    quiet(command, jobs)


def quiet(command: list[str], jobs: int, path: Path | None = None) -> None:
    print(f"… {' '.join(command[1:])}", file=sys.stderr)
    environment = os.environ | {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // jobs))}
    if path:
        environment["PYTHONPATH"] = os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")])
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


def _fairlearn() -> Path:
    folder = cache_folder() / "peers" / "fairlearn"
    if not (folder / "fairlearn").is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        subprocess.run([*command, *FAIRLEARN], check=True)
    return folder


def _figures_of_seed(seed: int) -> pd.DataFrame:
    rows = []
    kinds = [(ALL_RECORDS, TRUE, ""), *((count, TRUE, f"-n{count}") for count in RECORDS)]
    for records, panel, name in (*kinds, (ALL_RECORDS, SHARED, "-shared"), (MOST, TRUE, "-p300")):
        folder = STUDY / "runs" / f"seed-{seed}{name}"
        if not (folder / "tables").is_dir():
            continue
        paths = [
            *sorted(folder.glob("scores/*/scores.parquet")),
            *sorted(folder.glob("peers/*/scores.parquet")),
        ]
        human, group = truth(folder)
        for path in paths:
            found = figures(read_table(path), human, group)
            facts = {"seed": seed, "records": records, "panel": panel, "arm": path.parent.name}
            rows.append(facts | found)
    return pd.DataFrame(rows)


def truth(folder: Path) -> tuple[pd.DataFrame, pd.Series]:
    """A run's true scores, and each person's group."""
    group = read_table(folder / "data" / "persons.parquet").set_index("person")["variety"]
    group = group.map({"standard": "reference", "everyday": "focal"})
    return read_table(folder / "data" / "criterion.parquet"), group


def figures(scores: pd.DataFrame, human: pd.DataFrame, group: pd.Series) -> dict[str, float]:
    """The same figures for every arm, from its scores of the audit persons."""
    judged = human[["person", "item", "score"]]
    both = scores[scores["primary"]].merge(judged, on=["person", "item"])
    person = both["person"].unique()
    matching = matching_strata(both[["person", "item", "score"]], group.loc[person])
    sd = both.groupby("item")["score"].std(ddof=1)
    expected = both[["person", "item", "expected"]].rename(columns={"expected": "score"})
    found = analyse(expected, group=group.loc[person], stratum=matching.stratum, human_sd=sd, methods=["smd"])
    plain = scores[scores["wording"] == "standard"][["person", "item", "expected"]]
    other = scores[scores["wording"] != "standard"][["person", "item", "expected"]]
    pairs = plain.merge(other, on=["person", "item"], suffixes=("", "_other"))
    moved = pairs["expected_other"] - pairs["expected"]
    return {
        "mean_es": float(found["es"].mean()),
        "mean_abs_es": float(found["es"].abs().mean()),
        "wording": float(moved.mean()),
        "wording_es": float((moved.groupby(pairs["item"]).mean() / sd).abs().mean()),
        "qwk": float(cohen_kappa_score(both["score"], both["modal"], weights="quadratic")),
        "r": float(np.corrcoef(both["score"], both["expected"])[0, 1]),
        "rmse": float(np.sqrt(((both["score"] - both["expected"]) ** 2).mean())),
        "sd_ratio": float(both["expected"].std(ddof=1) / both["score"].std(ddof=1)),
    }


def interval(values: np.ndarray) -> str:
    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:+.3f}"
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]"


def _page(table: pd.DataFrame, seeds: Sequence[int]) -> str:
    parts = [f"{len(seeds)} seeds, mean and 95% t interval over seeds.", ""]
    true, shared = (table[table["panel"] == panel] for panel in (TRUE, SHARED))
    for records in COMPARED:
        heading = f"{records:,} records" if records < MOST else "all records of 300 persons (about 3,200)"
        parts += _comparison(true, records, f"## With {heading}")
    if len(shared):
        count = shared["seed"].nunique()
        heading = f"## With {ALL_RECORDS} records, scores by raters who share the penalty ({count} seeds)"
        parts += _comparison(shared, ALL_RECORDS, heading)
    parts += [
        "## Over the number of feedback records (of each kind that an arm learns from)",
        "",
        _curve(true),
    ]
    return "\n".join(parts)


def _comparison(table: pd.DataFrame, records: int, heading: str) -> list[str]:
    """The arms with so many records; those on frozen embeddings stand with ALL_RECORDS."""
    full = table[table["records"] == records]
    by = {arm: part.set_index("seed") for arm, part in full.groupby("arm", sort=False)}
    arms = [arm for arm in (*ARMS, *sorted(set(by) - set(ARMS))) if arm in by]
    parts = [heading, "", _arm_table(by, arms), ""]
    for rival in ("refit", "dpo", *[arm for arm in arms if arm.startswith("frozen")]):
        if rival in by:
            parts += [
                f"Against `{rival}` (arm minus rival, paired by seed):",
                "",
                _against(by, arms, rival),
                "",
            ]
    return [
        *parts,
        "Reduction against the baseline, 1 − |after| / |before|, paired by seed:",
        "",
        _gone(by, arms),
        "",
    ]


def _arm_table(by: dict[str, pd.DataFrame], arms: Sequence[str]) -> str:
    rows = [[arm, *(interval(by[arm][name].to_numpy()) for name in FIGURES)] for arm in arms]
    return markdown(["arm", *FIGURES.values()], rows)


def _against(by: dict[str, pd.DataFrame], arms: Sequence[str], rival: str) -> str:
    rows = []
    for arm in arms:
        if arm in (rival, "baseline", "ceiling") or arm.startswith("frozen"):
            continue
        nearer = {name: by[arm][name].abs() - by[rival][name].abs() for name in BIAS}
        better = {name: by[arm][name] - by[rival][name] for name in ("qwk", "r", "rmse")}
        rows.append([arm, *(interval(gap.dropna().to_numpy()) for gap in (nearer | better).values())])
    names = ["abs. mean ES", "abs. wording effect", *(FIGURES[name] for name in BIAS[2:])]
    return markdown(["arm", *names, "QWK", "r", "RMSE"], rows)


def _gone(by: dict[str, pd.DataFrame], arms: Sequence[str]) -> str:
    rows, before = [], by["baseline"]
    for arm in arms:
        if arm == "baseline" or arm.startswith("frozen"):
            continue
        cells = [interval((1 - by[arm][name].abs() / before[name].abs()).to_numpy()) for name in BIAS]
        rows.append([arm, *cells, interval((by[arm]["qwk"] - before["qwk"]).to_numpy())])
    return markdown(["arm", *(FIGURES[name] for name in BIAS), "QWK minus the baseline's"], rows)


def _curve(table: pd.DataFrame) -> str:
    rows = []
    for arm in ARMS[1:]:
        for records in sorted(table["records"].unique()):
            some = table[table["records"] == records]
            part, before = (some[some["arm"] == name].set_index("seed") for name in (arm, "baseline"))
            if len(part):
                cells = [interval(part[name].to_numpy()) for name in ("mean_es", "wording", "qwk", "r")]
                gone = (1 - part[name].abs() / before[name].abs() for name in GONE)
                removed = [interval(share.dropna().to_numpy()) for share in gone]
                number = f"{records:,}" if records < MOST else "all of 300 persons"
                rows.append([arm, number, str(len(part)), *cells, *removed])
    columns = ["mean ES", "wording effect", "QWK", "r", *(f"{FIGURES[name]} removed" for name in GONE)]
    return markdown(["arm", "records", "seeds", *columns], rows)


if __name__ == "__main__":
    main()
