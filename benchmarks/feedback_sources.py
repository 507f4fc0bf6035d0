"""studies/mindca-wording aligned from each source of feedback alone: what each achieves on a known bias.

    .venv/bin/python benchmarks/feedback_sources.py              # seed 1; an hour or more on two cores
    .venv/bin/python benchmarks/feedback_sources.py --pool       # the page again, from finished runs

A seed gets a study of its own, runs/sources-<seed>/ in the study's folder, and a run of it for each source:

- panel: the true scores, and "an answer and its rendering show the same intention", as the study file has it
- page: a collection at which SIMULATED raters, who know the true scores, answer over HTTP; what they are like
  is told in feedback_sources_page.py; exported with `feedback export`
- file: the panel's preferences as a TRL dataset (prompt, chosen, rejected and no more), `feedback import`
- ai: `feedback judge` with SmolLM2, a model of 135M parameters: rlaif's score preferences, equivalence, and
  wordings by psyalign's rules, as many questions as --ai-questions. It takes seconds a question on a CPU.

All start from one baseline and are scored on the same audit persons. Finished runs are skipped, so the same
command goes on after an interruption. DPO and equivalence do not read the reward model: it gets one epoch.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import pandas as pd
from feedback_sources_page import rate
from markdown_table import markdown
from wording_seeds import PROBES, STUDY, figures, interval, quiet, start_from, study_run, truth

from psyalign.feedback import Equivalence, Record, ScorePreference, read_records, write_records
from psyalign.foundation.tables import read_table
from psyalign.judge import WORDINGS

HERE = Path(__file__).parent
SOURCES = ("panel", "page", "file", "ai")
PATHS = ("rlaif", "equivalence", "wordings")  # of the judge
COLUMNS = ("mean_es", "wording", "qwk")
RULES = 7  # of psyalign's wordings, made by rules; the two others would have the judge write
POINTS = 2  # questions that connect the three score points of an answer


def main() -> None:
    options = _options()
    if not options.pool:
        for seed in options.seeds:
            for source in options.sources:
                _run_source(seed, source, options)
    rows = [row for seed in options.seeds for row in _figures_of_seed(seed)]
    if not rows:
        sys.exit("There is no finished run to pool.")
    table = _with_shares(pd.DataFrame(rows))
    HERE.joinpath("results").mkdir(exist_ok=True)
    table.round(6).to_csv(HERE / "results" / "feedback_sources.csv", index=False)
    print(_page(table, options.seeds))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="mindca-wording from each source of feedback alone")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--sources", choices=SOURCES, nargs="+", default=list(SOURCES))
    parser.add_argument("--records", type=int, default=400, help="responses, and pairs, that are judged")
    parser.add_argument("--ai-questions", type=int, default=120, help="most questions to the judge")
    parser.add_argument("--jobs", type=int, default=1, help="share the cores with so many others")
    parser.add_argument("--pool", action="store_true", help="run nothing; pool what is there")
    return parser.parse_args()


def _home(seed: int) -> Path:
    return STUDY / "runs" / f"sources-{seed}"


def _made_home(seed: int) -> Path:
    """The seed's study: the study file with this seed, two folders further down."""
    home = _home(seed)
    if not (home / "study.toml").exists():
        text = (STUDY / "study.toml").read_text(encoding="utf-8")
        text = re.sub(r"^seed = \d+$", f"seed = {seed}", text, flags=re.M).replace('"../', '"../../../')
        home.mkdir(parents=True, exist_ok=True)
        (home / "study.toml").write_text(text, encoding="utf-8")
    return home


def _run_source(seed: int, source: str, options: argparse.Namespace) -> None:
    home = _made_home(seed)
    if (home / "runs" / source / "manifest.json").exists():
        return
    limits = [f"feedback.max_responses={options.records}", f"feedback.max_equivalences={options.records}"]
    if source == "panel":
        _study_run(home, source, ("refit", "dpo", "equivalence"), limits, options)
        return
    if not (home / "runs" / "panel" / "manifest.json").exists():
        _run_source(seed, "panel", options)  # its baseline is everyone's, its scores are the file's
    give: Callable[..., list[str]] = {"page": _from_page, "file": _from_file, "ai": _from_judge}[source]
    more = give(home, home / f"{source}.jsonl", options)
    records = read_records(home / f"{source}.jsonl")
    if not any(isinstance(record, ScorePreference) for record in records):
        print(f"{source}: no score preference, so there is nothing to align with", file=sys.stderr)
        return
    same = any(isinstance(record, Equivalence) and record.same for record in records)
    heard = [
        'feedback.source="records"',
        f'feedback.records="{source}.jsonl"',
        f'feedback.equivalence="{"records" if same else "none"}"',
        f'report.primary_arm="{"equivalence" if same else "dpo"}"',
    ]
    _study_run(home, source, ("dpo", "equivalence") if same else ("dpo",), [*limits, *heard, *more], options)


def _study_run(
    home: Path, source: str, arms: Sequence[str], changes: Sequence[str], options: argparse.Namespace
) -> None:
    folder = home / "runs" / source
    if source != "panel":
        start_from(home / "runs" / "panel", folder)
    every = [f"dif.wording_probes={PROBES}", "reward.epochs=1"]
    settings = (*every, f"align.arms={json.dumps(['baseline', *arms])}", *changes)
    study_run(home, source, settings, options.jobs)


def _psyalign(command: Sequence[str], options: argparse.Namespace) -> None:
    quiet([sys.executable, "-m", "psyalign", *command], options.jobs)


def _from_page(home: Path, out: Path, options: argparse.Namespace) -> list[str]:
    rate(home, options.records)
    _psyalign(["feedback", "export", str(home), "--out", str(out)], options)
    return []


def _from_file(home: Path, out: Path, options: argparse.Namespace) -> list[str]:
    """The panel's preferences in TRL's three columns, as another tool would have them, imported."""
    panel = home / "runs" / "panel" / "feedback" / "records.jsonl"
    own, plain = home / "panel-scores.jsonl", home / "trl.jsonl"
    write_records(own, [record for record in read_records(panel) if isinstance(record, ScorePreference)])
    export = ["feedback", "export", str(home), "--format", "trl", "--records", str(own), "--out", str(plain)]
    _psyalign(export, options)
    rows = [json.loads(line) for line in plain.read_text(encoding="utf-8").splitlines()]
    kept = [{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in rows]
    plain.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept), encoding="utf-8")
    out.unlink(missing_ok=True)
    _psyalign(["feedback", "import", str(home), str(plain), "--format", "trl", "--out", str(out)], options)
    return []


def _from_judge(home: Path, out: Path, options: argparse.Namespace) -> list[str]:
    """Half of the questions are rlaif's; a quarter each pairs of answers, and wordings made by rules."""
    rules = home / "wordings.toml"
    parts = WORDINGS.read_text(encoding="utf-8").split("[[wording]]\n")[1:]
    rules.write_text(
        "".join("[[wording]]\n" + part for part in parts if "instruction =" not in part), "utf-8"
    )
    half, quarter = options.ai_questions // 2, options.ai_questions // 4
    asked = {  # most responses; of pairs, an answer has one with its rendering and half of one with another
        "rlaif": (half // POINTS, ["--kinds", "score_preference"]),
        "equivalence": (quarter * 2 // 3, []),
        "wordings": (quarter // RULES, ["--wordings", str(rules)]),
    }
    records: list[Record] = []
    for path, (most, more) in asked.items():
        command = ["feedback", "judge", str(home), "--path", path, "--judge", "smollm2"]
        _psyalign([*command, "--max-responses", str(max(1, most)), *more], options)
        records += read_records(_judged(home, f"{path}.jsonl"))
    write_records(out, records)
    worded = any(record.source == "ai:wordings" for record in records)
    return ['data.wordings="feedback/ai/wordings.texts.parquet"'] if worded else []


def _judged(home: Path, name: str) -> Path:
    return home / "feedback" / "ai" / name


def _figures_of_seed(seed: int) -> list[dict[str, object]]:
    """A row for each finished source and arm: the number of records that it learned from, and the figures."""
    rows: list[dict[str, object]] = []
    for source in SOURCES:
        folder = _home(seed) / "runs" / source
        if not (folder / "manifest.json").exists():
            continue
        human, group = truth(folder)
        learned = read_table(folder / "tables" / "arms.parquet").set_index("arm")["feedback_records"]
        for arm, records in learned.items():
            scores = read_table(folder / "scores" / str(arm) / "scores.parquet")
            head = {"seed": seed, "source": source, "arm": arm, "records": int(records)}
            rows.append(head | figures(scores, human, group))
    return rows


def _with_shares(table: pd.DataFrame) -> pd.DataFrame:
    """With the shares removed, 1 - |after| / |before|, each against its own run's baseline."""
    keys = ["seed", "source"]
    before = table[table["arm"] == "baseline"].set_index(keys)
    own = pd.MultiIndex.from_frame(table[keys])
    for name in ("mean_es", "wording"):
        at_first = before[name].abs().reindex(own).to_numpy()
        table[f"{name}_removed"] = 1 - table[name].abs() / at_first
    return table


ASKED = {
    ("panel", "refit"): "true scores of the answers",
    ("panel", "dpo"): "the same, as pairs of score points",
    ("panel", "equivalence"): "an answer and its rendering",
    ("page", "dpo"): "which of two score points (simulated raters)",
    ("page", "equivalence"): "the same intention? (simulated raters)",
    ("file", "dpo"): "the panel's pairs of score points, as TRL rows",
    ("ai", "dpo"): "which of two score points (SmolLM2)",
    ("ai", "equivalence"): "the same intention? wordings (SmolLM2)",
}


def _page(table: pd.DataFrame, seeds: Sequence[int]) -> str:
    said = "mean and 95% t interval over seeds" if len(seeds) > 1 else "no interval: one seed"
    rows = []
    first = table[(table["arm"] == "baseline") & (table["source"] == "panel")]
    rows.append(["(none)", "", "", "baseline", *_cells(first, COLUMNS), "", ""])
    for (source, arm), asked in ASKED.items():
        part = table[(table["source"] == source) & (table["arm"] == arm)]
        if len(part):
            head = [source, asked, " / ".join(f"{n:,}" for n in part["records"]), arm]
            rows.append([*head, *_cells(part, (*COLUMNS, "mean_es_removed", "wording_removed"))])
    names = ["mean ES", "wording effect", "QWK", "mean ES removed", "wording effect removed"]
    parts = [f"{len(seeds)} seed(s), {said}.", "", "The judge (SmolLM2, 135M) and people first:", ""]
    parts += [_agreement(seeds), "", markdown(["source", "what was asked", "records", "arm", *names], rows)]
    return "\n".join(parts)


def _cells(part: pd.DataFrame, names: Sequence[str]) -> list[str]:
    return [interval(part[name].to_numpy()) for name in names]


def _agreement(seeds: Sequence[int]) -> str:
    """What became of the judge's questions, and how far it agreed with the true scores."""
    rows = []
    for seed, path in product(seeds, PATHS):
        trail = _judged(_home(seed), f"{path}.csv")
        if not trail.exists():
            continue
        kept = pd.read_csv(trail, keep_default_na=False).groupby("question")["kept"].last()
        found = pd.read_csv(_judged(_home(seed), f"{path}.agreement.csv"))
        whole = found[found["level"] == "all"]
        cells = ["–"] * 3
        if len(whole) and whole["n"].iloc[0]:
            n, agreement, kappa = whole[["n", "agreement", "kappa"]].iloc[0]
            cells = [f"{n:.0f}", f"{agreement:.2f}", f"{kappa:.2f}"]
        rows.append([str(seed), path, str(len(kept)), str(int(kept.sum())), *cells])
    names = ["seed", "path", "questions", "kept", "compared with people", "agreement", "kappa"]
    return markdown(names, rows)


if __name__ == "__main__":
    main()
