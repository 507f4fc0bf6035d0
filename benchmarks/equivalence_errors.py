"""studies/mindca-wording with equivalence judgements that are wrong, or denied where it hurts most.

    .venv/bin/python benchmarks/wording_seeds.py                 # first: its runs hold the baselines
    .venv/bin/python benchmarks/equivalence_errors.py            # five seeds; an hour or two on two cores
    .venv/bin/python benchmarks/equivalence_errors.py --pool     # the page again, from finished runs

The planted equivalences are right by construction; raters' are not. SIMULATED raters judge the same 400
pairs of real answers and their renderings, and the scorer is aligned with what they say alone:

- right: every pair shows the same intention, as it does
- wrong: in 20% of the pairs the rendering is of another person's answer to the item, drawn at random
- denied: the raters see a difference where the baseline does. The 200 pairs that it scores most
  differently are denied; 200 are left
- half: 200 of the pairs, drawn at random: what "denied" is to be set against

All start from one baseline of the seed and are scored on the same audit persons. Finished runs are skipped.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from markdown_table import markdown
from wording_seeds import (
    BIAS,
    FIGURES,
    PANEL,
    PROBES,
    STUDY,
    figures,
    interval,
    start_from,
    study_run,
    truth,
)

from psyalign.feedback import Equivalence, write_records
from psyalign.foundation.tables import read_table
from psyalign.pipeline.stages.matrices import expected_scores

HERE = Path(__file__).parent
RUNS = STUDY / "runs"
KINDS = ("right", "wrong", "denied", "half")
RIVALS = {"wrong": "right", "half": "right", "denied": "half"}  # what each is set against
PAIRS = 400
WRONG = 0.2
NEUTRAL = "standard"


def main() -> None:
    options = _options()
    if not options.pool:
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(lambda seed: _run_seed(seed, options.jobs), options.seeds))
    rows = [row for seed in options.seeds for row in _figures_of_seed(seed)]
    if not rows:
        sys.exit("There is no finished run to pool.")
    table = pd.DataFrame(rows)
    HERE.joinpath("results").mkdir(exist_ok=True)
    table.round(6).to_csv(HERE / "results" / "equivalence_errors.csv", index=False)
    print(_page(table))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="mindca-wording with errors in the equivalences")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="seeds at a time")
    parser.add_argument("--pool", action="store_true", help="run nothing; pool what is there")
    return parser.parse_args()


def _start(seed: int) -> Path:
    """The run whose data and baseline a seed starts from; the biased panel in its data says nothing here."""
    return RUNS / f"seed-{seed}-shared"


def _run_seed(seed: int, jobs: int) -> None:
    start = _start(seed)
    if not (start / "manifest.json").exists():
        sys.exit(f"{start.name} is not there: run benchmarks/wording_seeds.py first.")
    for kind, said in _judged(start, np.random.default_rng(seed)).items():
        folder = RUNS / f"seed-{seed}-{kind}"
        if (folder / "manifest.json").exists():
            continue
        start_from(start, folder)
        records = folder / "said.jsonl"
        write_records(records, said)
        settings = [
            f"study.seed={seed}",
            f"dif.wording_probes={PROBES}",
            PANEL[0],
            'align.arms=["baseline","equivalence"]',
            'feedback.source="records"',
            f'feedback.records="{records.relative_to(STUDY)}"',
            'feedback.equivalence="records"',
        ]
        study_run(STUDY, folder.name, settings, jobs)


def _judged(start: Path, rng: np.random.Generator) -> dict[str, list[Equivalence]]:
    """What the simulated raters say, by kind."""
    pairs = _pairs(start)
    pairs = pairs.iloc[rng.permutation(len(pairs))[:PAIRS]].reset_index(drop=True)
    wrong = pairs.assign(response_id_other=_others(pairs, rng.random(len(pairs)) < WRONG, rng))
    seen = pairs["gap"].abs().rank(method="first") > len(pairs) / 2
    kinds = {
        "right": (pairs, True),
        "wrong": (wrong, True),
        "denied": (pairs, ~seen),
        "half": (pairs.sample(frac=0.5, random_state=int(rng.integers(2**31))), True),
    }
    return {kind: _records(*said) for kind, said in kinds.items()}


def _pairs(start: Path) -> pd.DataFrame:
    """Feedback persons' answers in both wordings, and how differently the baseline scores them."""
    texts = read_table(start / "data" / "texts.parquet")
    texts = texts[texts["split"] == "feedback"][["response_id", "person", "item", "wording"]]
    texts = texts.assign(
        expected=expected_scores(start / "reward" / "reference.parquet", texts["response_id"])
    )
    plain, other = texts[texts["wording"] == NEUTRAL], texts[texts["wording"] != NEUTRAL]
    both = plain.merge(other, on=["person", "item"], suffixes=("", "_other"))
    return both.assign(gap=both["expected_other"] - both["expected"])


def _others(pairs: pd.DataFrame, wrong: np.ndarray, rng: np.random.Generator) -> pd.Series:
    """The renderings, where `wrong` that of another person's answer to the item."""
    found = pairs["response_id_other"].copy()
    for row in np.flatnonzero(wrong):
        same_item = (pairs["item"] == pairs.loc[row, "item"]) & (pairs["person"] != pairs.loc[row, "person"])
        found.iloc[row] = rng.choice(pairs.loc[same_item, "response_id_other"])
    return found


def _records(pairs: pd.DataFrame, same: pd.Series | bool) -> list[Equivalence]:
    said = pairs.assign(same=same)
    return [
        Equivalence(row.item, row.response_id, row.response_id_other, bool(row.same), "rater", "simulated")
        for row in said.itertuples(index=False)
    ]


def _figures_of_seed(seed: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for kind in KINDS:
        folder = RUNS / f"seed-{seed}-{kind}"
        if not (folder / "manifest.json").exists():
            continue
        human, group = truth(folder)
        for arm in ("baseline", "equivalence"):
            found = figures(read_table(folder / "scores" / arm / "scores.parquet"), human, group)
            rows.append({"seed": seed, "said": kind, "arm": arm} | found)
    return rows


def _page(table: pd.DataFrame) -> str:
    by = {kind: part.set_index("seed") for kind, part in table.groupby("said", sort=False)}
    before = {kind: part[part["arm"] == "baseline"] for kind, part in by.items()}
    after = {kind: part[part["arm"] == "equivalence"] for kind, part in by.items()}
    rows = [["baseline", *_cells(before["right"])]]
    rows += [[kind, *_cells(part)] for kind, part in after.items()]
    gone = [
        [kind, *(interval((1 - part[name].abs() / before[kind][name].abs()).to_numpy()) for name in BIAS),
         interval((part["qwk"] - before[kind]["qwk"]).to_numpy())]
        for kind, part in after.items()
    ]  # fmt: skip
    against = []
    for kind, rival in RIVALS.items():
        if {kind, rival} <= set(after):
            gaps = _gaps(after[kind], after[rival])
            against.append([f"{kind} − {rival}", *(interval(gap.dropna().to_numpy()) for gap in gaps)])
    names = [FIGURES[name] for name in BIAS]
    return "\n".join(
        [
            f"{table['seed'].nunique()} seeds, mean and 95% t interval over seeds. SIMULATED raters.",
            "",
            markdown(["said", *FIGURES.values()], rows),
            "",
            "Reduction against the baseline, 1 − |after| / |before|, paired by seed:",
            "",
            markdown(["said", *names, "QWK minus the baseline's"], gone),
            "",
            "Paired by seed (of figures of bias, the difference between their sizes):",
            "",
            markdown(["said", *names, "QWK", "r", "RMSE"], against),
        ]
    )


def _cells(part: pd.DataFrame) -> list[str]:
    return [interval(part[name].to_numpy()) for name in FIGURES]


def _gaps(after: pd.DataFrame, rival: pd.DataFrame) -> list[pd.Series]:
    sizes = [after[name].abs() - rival[name].abs() for name in BIAS]
    return [*sizes, *(after[name] - rival[name] for name in ("qwk", "r", "rmse"))]


if __name__ == "__main__":
    main()
