"""`psyalign evaluate` against RSMTool's `rsmeval` on the same files: whole processes, in turns, in one run.

    .venv/bin/python benchmarks/evaluate.py                 makes RSMTool's environment if it is missing
    .venv/bin/python benchmarks/evaluate.py --peer PATH     an environment that has RSMTool
    .venv/bin/python benchmarks/evaluate.py --repeats 5 --sizes 800,10000

A ratio is RSMTool's over ours, so that above 1 psyalign is faster or smaller. Both sides get one CSV of
simulated scores (score points 1 to 5, a machine score with fractions, a second human score for 40%, three
attributes of persons) and write their whole report. psyalign also draws 1,000 bootstrap samples of
persons for its intervals and takes the raters' error out of the groups' differences; RSMTool does
neither. Start-up is counted on both sides. Memory is the largest resident set of any one process of a
side (`getrusage`), and that of all processes of a side at once, looked at ten times a second: RSMTool
runs a notebook kernel beside its main process. The run fails unless all figures that both sides print
agree to 1e-8. The median of the repeats counts; processor time is what to look at on a machine that does
other work too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import pandas as pd

RSMTOOL = "12.0.0"
GROUPS = ("gender", "language", "region")
SEED, TOLERANCE = 5, 1e-8
FORMS = ("scale", "scale_trim", "scale_trim_round")
# RSMTool's name: ours, and what ours is multiplied by
PLAIN = {
    "N": ("n", 1), "h_mean": ("human_mean", 1), "h_sd": ("human_sd", 1), "h_min": ("human_min", 1),
    "h_max": ("human_max", 1), "sys_mean": ("score_mean", 1), "sys_sd": ("score_sd", 1),
    "sys_min": ("score_min", 1), "sys_max": ("score_max", 1), "corr": ("r", 1), "wtkappa": ("qwk", 1),
    "R2": ("r2", 1), "kappa": ("kappa", 1), "exact_agr": ("exact", 100), "adj_agr": ("adjacent", 100),
    "SMD": ("smd", 1), "RMSE": ("rmse", 1), "DSM": ("dsm", 1),
}  # fmt: skip
RATERS = {
    "N": ("n", 1), "h1_mean": ("human_mean", 1), "h1_sd": ("human_sd", 1), "h2_mean": ("score_mean", 1),
    "h2_sd": ("score_sd", 1), "corr": ("r", 1), "wtkappa": ("qwk", 1), "kappa": ("kappa", 1),
    "exact_agr": ("exact", 100), "adj_agr": ("adjacent", 100), "SMD": ("smd", 1),
}  # fmt: skip
LOST = {
    "corr": ("r", -1), "kappa": ("kappa", -1), "wtkappa": ("qwk", -1), "exact_agr": ("exact", -100),
    "adj_agr": ("adjacent", -100), "SMD": ("smd", -1),
}  # fmt: skip
TRUE = {
    "N": ("n", 1), "Variance of errors": ("error_variance", 1), "True score var": ("true_variance", 1),
    "MSE true": ("mse_true", 1), "PRMSE true": ("prmse", 1),
}  # fmt: skip
FAIRNESS = {
    "Overall score accuracy": "OSA", "Overall score difference": "OSD", "Conditional score difference": "CSD",
}  # fmt: skip


# Runs a command; prints its seconds, processor seconds, largest resident set, and (Linux) kB of all its
# processes at once: private pages of each, pages of files (libraries) of the one that has most.
METER = """
import os, sys, time

def tree(pid):
    found = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                for child in file.read().split():
                    found += tree(int(child))
    except OSError:
        pass
    return found

def held(pid):
    try:
        with open(f"/proc/{pid}/status") as file:
            parts = dict(line.split(":", 1) for line in file)
        return [int(parts[name].split()[0]) for name in ("RssAnon", "RssFile")]
    except (OSError, KeyError):
        return [0, 0]

quiet = [(os.POSIX_SPAWN_DUP2, 2, 1)]
start, most, status = time.perf_counter(), 0, None
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
while status is None:
    now = [held(pid) for pid in tree(child)]
    most = max(most, sum(anon for anon, _ in now) + max(file for _, file in now))
    time.sleep(0.1)
    done, code, used = os.wait4(child, os.WNOHANG)
    status = code if done else None
print(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss, most)
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Cost(NamedTuple):
    """Of one side: seconds, processor seconds, MB of its largest process and of all its processes."""

    wall: float
    cpu: float
    largest: float
    together: float


def main() -> None:
    """Run both sides on every size and print a Markdown table."""
    options = _options()
    peer = _peer(options.peer)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for n in (int(part) for part in options.sizes.split(",")):
            folder = Path(name) / str(n)
            folder.mkdir()
            _write_scores(n, folder / "scores.csv")
            rows.append(_row(n, *_both(folder, peer, options.repeats)))
    _print(rows, options.repeats)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", default="auto", help="auto, or an environment with RSMTool")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sizes", default="800,10000", help="numbers of responses, with commas")
    return parser.parse_args()


def _write_scores(n: int, path: Path) -> None:
    """Simulated scores of n persons, one response each; no group is treated differently."""
    rng = np.random.default_rng(SEED)
    true = rng.normal(size=n)
    first, second = (np.clip(np.rint(3 + true + rng.normal(0, 0.5, n)), 1, 5) for _ in range(2))
    table = pd.DataFrame(
        {
            "person": [f"p{number:06}" for number in range(n)],
            "system": np.round(3 + 0.9 * true + rng.normal(0, 0.4, n), 4),
            "human": first.astype(int),
            "human2": pd.array(second.astype(int), dtype="Int64"),
            "gender": rng.choice(["girl", "boy"], n),
            "language": rng.choice(["L1", "L2"], n, p=[0.7, 0.3]),
            "region": rng.choice(["north", "south", "west"], n),
            "origin": "simulated",
        }
    )
    table.loc[rng.random(n) > 0.4, "human2"] = pd.NA
    table.to_csv(path, index=False)


def _both(folder: Path, peer: Path, repeats: int) -> tuple[list[Cost], list[Cost]]:
    """Ours and theirs in turns, then a look whether they say the same."""
    configuration = {
        "experiment_id": "peer", "predictions_file": "scores.csv", "id_column": "person",
        "system_score_column": "system", "human_score_column": "human",
        "second_human_score_column": "human2", "trim_min": 1, "trim_max": 5, "scale_with": "asis",
        "subgroups": list(GROUPS),
    }  # fmt: skip
    (folder / "peer.json").write_text(json.dumps(configuration), encoding="utf-8")
    ours = [
        *(sys.executable, "-m", "psyalign", "evaluate", "scores.csv", "--second-human", "human2"),
        *("--groups", ",".join(GROUPS), "--min", "1", "--max", "5", "--scale", "asis", "--out", "ours"),
    ]
    theirs = [str(peer / "bin" / "rsmeval"), "peer.json", "theirs", "-f"]
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for number in range(repeats):
        for side, command in enumerate((ours, theirs)):
            print(
                f"{folder.name}: {('psyalign', 'RSMTool')[side]}, {number + 1} of {repeats} …",
                file=sys.stderr,
            )
            costs[side].append(_cost(command, folder))
    _compare(folder / "ours" / "tables", folder / "theirs" / "output")
    return costs


def _cost(command: list[str], folder: Path) -> Cost:
    """Of one process and all that it starts; it writes to a log beside the scores.

    A child's largest resident set starts at what its parent holds when it is started, so a small Python
    stands between this process, which holds pandas, and the one that is measured.
    """
    here = os.pathsep.join([str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")])
    mine = {**os.environ, "PYTHONPATH": here} if command[0] == sys.executable else None
    between = [sys.executable, "-I", "-S", "-c", METER, *command]
    done = subprocess.run(between, cwd=folder, env=mine, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    wall, cpu, largest, together = map(float, done.stdout.splitlines()[-1].split())
    largest /= 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes
    return Cost(wall, cpu, largest, max(largest, together / 2**10))  # a peak between two looks counts too


def _compare(ours: Path, theirs: Path) -> None:
    """Every figure that both sides print; SystemExit where one differs by more than the tolerance."""

    def table(name: str) -> pd.DataFrame:
        return pd.read_csv(ours / f"{name}.csv")

    def peer(name: str) -> pd.DataFrame:
        return pd.read_csv(theirs / f"peer_{name}.csv", index_col=0)

    pairs: list[tuple[str, float, float]] = []

    def add(where: str, row: pd.Series, other: pd.Series, names: dict[str, tuple[str, int]]) -> None:
        known = {name: pair for name, pair in names.items() if name in other.index and pair[0] in row.index}
        pairs.extend(
            (f"{where}/{name}", factor * float(row[mine]), float(other[name]))
            for name, (mine, factor) in known.items()
        )

    for form in FORMS:
        for name, file, names in (
            ("accuracy", "eval", PLAIN), ("degradation", "degradation", LOST),
            ("true_score", "true_score_eval", TRUE),
        ):  # fmt: skip
            mine = table(name).set_index("score").loc[form]
            add(f"{file}/{form}", mine, peer(file).loc[form], names)
    add("consistency", table("consistency").iloc[0], peer("consistency").iloc[0], RATERS)
    by_group = table("by_group").set_index(["grouping", "level", "score"])
    tests = table("fairness").set_index(["grouping", "metric"])
    for grouping in GROUPS:
        evaluated = peer(f"eval_by_{grouping}").drop(index="All data")
        for level, row in evaluated.iterrows():
            for form in FORMS:
                own = {n.removesuffix(f".{form}"): v for n, v in row.items() if n.endswith(f".{form}")}
                shared = {n: v for n, v in row.items() if "." not in n}
                mine = by_group.loc[(grouping, level, form)]
                add(f"eval_by_{grouping}/{level}/{form}", mine, pd.Series({**shared, **own}), PLAIN)
        fair = peer(f"fairness_metrics_by_{grouping}")
        for name, metric in FAIRNESS.items():
            mine = tests.loc[(grouping, metric)]
            add(
                f"fairness/{grouping}/{metric}",
                mine,
                fair[name].astype(float),
                {"R2": ("r2", 1), "sig": ("p", 1)},
            )
    bad = [pair for pair in pairs if not abs(pair[1] - pair[2]) <= TOLERANCE * max(1.0, abs(pair[2]))]
    if bad:
        raise SystemExit(f"{len(bad)} of {len(pairs)} figures differ, as {bad[0]}")
    print(f"{len(pairs)} figures agree to {TOLERANCE:g}", file=sys.stderr)


def _row(n: int, ours: list[Cost], theirs: list[Cost]) -> str:
    mine, peer = (Cost(*(median(part) for part in zip(*side, strict=True))) for side in (ours, theirs))
    ratios = [high / low for high, low in zip(peer, mine, strict=True)]
    return (
        f"| {n:,} | {peer.wall:.1f} s / {mine.wall:.1f} s = **{ratios[0]:.1f}** "
        f"| {peer.cpu:.1f} s / {mine.cpu:.1f} s = **{ratios[1]:.1f}** "
        f"| {peer.largest:.0f} MB / {mine.largest:.0f} MB = **{ratios[2]:.1f}** "
        f"| {peer.together:.0f} MB / {mine.together:.0f} MB = **{ratios[3]:.1f}** |"
    )


def _print(rows: list[str], repeats: int) -> None:
    print("| responses | time, RSMTool / psyalign | processor time | largest process | all processes |")
    print("|---:|---:|---:|---:|---:|")
    print("\n".join(rows))
    print(
        f"\nMedian of {repeats}, in turns. RSMTool {RSMTOOL}; psyalign {version('psyalign')}, "
        f"numpy {np.__version__}, pandas {pd.__version__}; Python {platform.python_version()}; "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors."
    )


def _peer(wanted: str) -> Path:
    """An environment with RSMTool, made if it is missing: it pins older packages than ours."""
    from psyalign.scorer.models import cache_folder

    if wanted != "auto":
        return Path(wanted)
    folder = cache_folder() / "peers" / f"rsmtool-{RSMTOOL}"
    if (folder / "bin" / "rsmeval").is_file():
        return folder
    print(f"RSMTool {RSMTOOL} is fetched into {folder} (your environment is left alone) …", file=sys.stderr)
    venv.create(folder, with_pip=True)
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", f"rsmtool=={RSMTOOL}"]
    subprocess.run(install, check=True)
    return folder


if __name__ == "__main__":
    main()
