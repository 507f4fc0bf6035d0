"""Each path of AI feedback with SmolLM2 as the judge: in this process, and served with the same GGUF.

    .venv/bin/python benchmarks/judge_paths.py                    both backends, 24 responses; an hour or more
    .venv/bin/python benchmarks/judge_paths.py --backends local   without the server
    .venv/bin/python benchmarks/judge_paths.py --paths rlaif      one path

The server is llama-cpp-python's, started on loopback by this script where it is installed. Responses are
those of feedback persons of studies/mindca-wording (real answers; see its study file for the data), chosen as
`psyalign feedback judge` chooses them. Answers are kept in --out, which git ignores, as sensitive as the
responses: the same command goes on after an interruption, and makes the page again without asking when all
is there. The page has figures only. A 135M model proves that the paths run, not that it can judge.

"True" is the study's criterion score. Intervals are 95% percentile intervals over persons, drawn anew 500
times. A margin is the difference between two neighbouring labels' log-probabilities, in logits.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from llama_server import MODEL, free_port, gguf_file, llama_server, why_not
from markdown_table import markdown

from psyalign.cli.failures import stop_on_sigterm
from psyalign.feedback import (
    Equivalence,
    Rating,
    Record,
    ResponsePreference,
    ScorePreference,
    equivalences_from_alternates,
)
from psyalign.foundation.draws import percentile_interval
from psyalign.foundation.hashing import hash_file
from psyalign.foundation.seeds import generator
from psyalign.judge import (
    PATHS,
    Choice,
    EndpointJudge,
    Judge,
    Judged,
    JudgeSettings,
    LocalJudge,
    Prompt,
    Subjects,
    choose_subjects,
    judge_agreement,
    judge_path,
    load_principles,
    load_wordings,
)
from psyalign.pipeline import load_study_data
from psyalign.pipeline.collection import feedback_material
from psyalign.responses import final_scores, response_id
from psyalign.study import Study, load_study

HERE = Path(__file__).parent
BACKENDS = ("local", "endpoint")
DRAWS = 500
TIMEOUT = 300.0  # seconds for one answer, on a machine that does other work too


@dataclass
class Backend:
    """A judge that is made when it is first asked.

    Both backends have one identity, so that the same question has the same key in both files of answers, and
    a server's port does not count.
    """

    make: Callable[[], Judge]
    name: str = MODEL
    identity: str = MODEL
    made: list[Judge] = field(default_factory=list)

    def choose(self, prompt: Prompt, labels: Sequence[str]) -> Choice:
        return self._judge().choose(prompt, labels)

    def write(self, prompt: Prompt, max_tokens: int) -> str:
        return self._judge().write(prompt, max_tokens)

    def _judge(self) -> Judge:
        if not self.made:
            self.made.append(self.make())
        return self.made[0]


class Truth(NamedTuple):
    """What records are compared with: true scores, and pairs that show the same intention."""

    scores: pd.DataFrame
    same: list[Equivalence]


def main() -> None:
    """Run the paths and print the page."""
    options = _options()
    study = load_study(options.study / "study.toml")
    material = feedback_material(study)
    subjects = choose_subjects(material.items, material.texts, options.subjects, study.study.seed)
    settings = JudgeSettings(load_principles(), load_wordings())
    folder = options.out or options.study / "feedback" / "judge-paths"
    found: dict[tuple[str, str], Judged] = {}
    skipped = why_not() if "endpoint" in options.backends else ""
    with stop_on_sigterm(), ExitStack() as stack:  # a killed script leaves no server behind
        for backend in options.backends:
            if backend == "endpoint" and skipped:
                continue
            judge = Backend(LocalJudge if backend == "local" else lambda: _served(stack))
            for path in options.paths:
                print(f"… {path}, {backend}", file=sys.stderr)
                found[path, backend] = judge_path(
                    path, judge, subjects, settings, _answers(folder, path, backend)
                )
    print(_page(found, subjects, _truth(study, subjects), folder, skipped))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--study", type=Path, default=HERE.parent / "studies" / "mindca-wording")
    parser.add_argument("--subjects", type=int, default=24, help="responses to judge")
    parser.add_argument("--paths", nargs="+", choices=list(PATHS), default=list(PATHS))
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument(
        "--out", type=Path, help="the judges' answers [default: feedback/judge-paths in the study's folder]"
    )
    return parser.parse_args()


def _served(stack: ExitStack) -> Judge:
    return EndpointJudge(stack.enter_context(llama_server(free_port())), MODEL, timeout=TIMEOUT)


def _answers(folder: Path, path: str, backend: str) -> Path:
    return folder / f"{path}.{backend}.answers.jsonl"


def _truth(study: Study, subjects: Subjects) -> Truth:
    _, dataset = load_study_data(study)
    scores = final_scores(dataset.ratings, study.data.criterion or None)
    scores = scores.assign(response_id=response_id(scores["person"], scores["item"]))
    scores = scores[scores["response_id"].isin(subjects.texts["response_id"])]
    primary = subjects.texts["primary"].to_numpy(bool)
    return Truth(scores, equivalences_from_alternates(subjects.texts[primary], subjects.texts[~primary]))


def _page(
    found: dict[tuple[str, str], Judged], subjects: Subjects, truth: Truth, folder: Path, skipped: str
) -> str:
    persons = subjects.texts["person"].nunique()
    weights = f"{gguf_file().name} (SHA-256 {hash_file(gguf_file())[:12]}…)"
    server = f"skipped: {skipped}" if skipped else "llama-cpp-python " + _version("llama_cpp_python")
    return "\n\n".join(
        [
            f"{len(subjects.responses)} responses of {persons} feedback persons. Judge: {weights}. "
            f"Local: transformers {version('transformers')}, float32. Endpoint: {server}.",
            "What was asked and kept (a question that is asked in both orders is one):",
            _kept_table(found, folder),
            "Why questions were dropped:",
            _reason_table(found),
            "What was kept against the true scores, and pairs of an answer and its rendering against "
            '"the same"; n counts records without ties:',
            _truth_table(found, truth),
            "The two backends on the same question, word for word, in all answers on file:",
            _backend_table(found, folder),
        ]
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except ImportError:
        return "of unknown version"


def _kept_table(found: dict[tuple[str, str], Judged], folder: Path) -> str:
    rows = []
    for (path, backend), judged in found.items():
        answers = _ledger(_answers(folder, path, backend))
        texts = sum("text" in answer for answer in answers.values())
        first = judged.trail[judged.trail["order"] != ""]
        chose_first = (first["margin"] > 0) == (first["order"] == "ab")
        for kind, part in judged.trail.drop_duplicates("question").groupby("kind", sort=False):
            own = chose_first[first["kind"] == kind]
            share = f"{own.mean():.0%} of {len(own)}" if len(own) else "–"
            kept = int(part["kept"].sum())
            rows.append([path, backend, str(kind), str(len(part)), str(kept), str(len(part) - kept), share])
        rows.append(
            [path, backend, "*answers on file*", f"{len(answers) - texts} labels, {texts} texts", "", "", ""]
        )
    return markdown(["path", "backend", "kind", "asked", "kept", "dropped", "label A chosen"], rows)


def _reason_table(found: dict[tuple[str, str], Judged]) -> str:
    rows = []
    for (path, backend), judged in found.items():
        questions = judged.trail.drop_duplicates("question")
        counts = Counter(questions.loc[~questions["kept"], "reason"])
        why = ", ".join(f"{reason}: {count}" for reason, count in counts.most_common())
        rows.append([path, backend, why or "–"])
    return markdown(["path", "backend", "reasons"], rows)


def _truth_table(found: dict[tuple[str, str], Judged], truth: Truth) -> str:
    rows = []
    for (path, backend), judged in found.items():
        # one rater, whatever the principle
        records = [replace(record, rater=MODEL) for record in judged.records]
        for kind in (ScorePreference, ResponsePreference, Rating, Equivalence):
            own = [record for record in records if isinstance(record, kind)]
            if own:
                rows.append([path, backend, kind.kind, *_against_truth(own, truth)])
        if not records:
            rows.append([path, backend, "nothing kept", *["–"] * 5])
    head = ["path", "backend", "kind", "n", "agreement", "kappa", "lower score preferred", "true score lower"]
    return markdown(head, rows)


def _against_truth(records: list[Record], truth: Truth) -> list[str]:
    persons: dict[str, list[Record]] = {}
    for record in records:
        name = record.response_id if isinstance(record, ScorePreference | Rating) else record.response_a
        persons.setdefault(name.partition("|")[0], []).append(record)
    listed, random = list(persons.values()), generator(1, "judge-paths")
    samples = random.integers(len(listed), size=(DRAWS, len(listed)))
    draws = pd.DataFrame(
        [_figures([record for k in sample for record in listed[k]], truth) for sample in samples]
    )
    own = _figures(records, truth)
    names = ("agreement", "kappa", "lower", "true_lower")
    return [str(int(own["n"])), *(_interval(own[name], draws[name].to_numpy(float)) for name in names)]


def _figures(records: Sequence[Record], truth: Truth) -> dict[str, float]:
    row = judge_agreement([*records, *truth.same], truth.scores).iloc[0]
    pairs = [record for record in records if isinstance(record, ScorePreference)]
    lower = [record.preferred < record.rejected for record in pairs]
    # who agrees with a preference says the same as it, who does not says the other; ties say nothing
    human = dict(zip(truth.scores["response_id"], truth.scores["score"].astype(float), strict=True))
    gaps = [
        abs(human[r.response_id] - max(r.preferred, r.rejected))
        - abs(human[r.response_id] - min(r.preferred, r.rejected))
        for r in pairs
    ]
    true = [gap > 0 for gap in gaps if gap]
    return {
        "n": float(row["n"]),
        "agreement": float(row["agreement"]),
        "kappa": float(row["kappa"]),
        "lower": float(np.mean(lower)) if lower else math.nan,
        "true_lower": float(np.mean(true)) if true else math.nan,
    }


def _backend_table(found: dict[tuple[str, str], Judged], folder: Path) -> str:
    rows = []
    for path in dict.fromkeys(path for path, _ in found):
        if not all((path, backend) in found for backend in BACKENDS):
            rows.append([path, *["–"] * 6])
            continue
        here, there = (_ledger(_answers(folder, path, backend)) for backend in BACKENDS)
        shared = [(here[key], there[key]) for key in here if key in there]
        labels = [(a, b) for a, b in shared if "label" in a]
        texts = [a["text"] == b["text"] for a, b in shared if "text" in a]
        gaps = [abs(x - y) for a, b in labels for x, y in zip(_margins(a), _margins(b), strict=False)]
        rows.append(
            [
                path,
                str(len(labels)),
                _share([a["label"] == b["label"] for a, b in labels]),
                f"{np.median(gaps):.2f}" if gaps else "–",
                f"{np.quantile(gaps, 0.95):.2f} / {max(gaps):.2f}" if gaps else "–",
                f"{np.median([abs(m) for a, _ in labels for m in _margins(a)]):.2f}" if gaps else "–",
                f"{_share(texts)} of {len(texts)}" if texts else "–",
            ]
        )
    head = ["path", "shared label questions", "same label", "median abs. difference of margins"]
    return markdown([*head, "95% / largest", "median size of a margin", "same text"], rows)


def _margins(answer: dict[str, Any]) -> Iterator[float]:
    yield from (a - b for a, b in pairwise(answer["logprobs"] or ()))


def _ledger(path: Path) -> dict[str, dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {value.pop("key"): value for value in map(json.loads, lines)}


def _share(values: Sequence[bool]) -> str:
    return f"{np.mean(values):.0%}" if values else "–"


def _interval(value: float, draws: np.ndarray) -> str:
    if math.isnan(value):
        return "–"
    low, high = percentile_interval(draws)
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
