"""`psyalign evaluate`: what it prints and writes, its exit codes, and what it does not load."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import Result

Invoke = Callable[..., Result]


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    true = rng.normal(size=200)
    table = pd.DataFrame(
        {
            "person": [f"p{number}" for number in range(200)],
            "engine": 3 + true + rng.normal(0, 0.3, 200),
            "first": np.clip(np.rint(3 + true + rng.normal(0, 0.3, 200)), 1, 5),
            "second": np.clip(np.rint(3 + true + rng.normal(0, 0.3, 200)), 1, 5),
            "gender": rng.choice(["girl", "boy"], 200),
            "origin": "simulated",
        }
    )
    path = tmp_path / "scores.csv"
    table.to_csv(path, index=False)
    return path


def options(scores: Path, *more: object) -> list[object]:
    return [
        "evaluate", scores, "--system", "engine", "--human", "first", "--second-human", "second",
        "--groups", "gender", "--bootstrap", 50, "--out", scores.parent / "out", *more,
    ]  # fmt: skip


def test_it_prints_figures_and_gates_and_writes_a_folder(invoke: Invoke, scores: Path) -> None:
    done = invoke(*options(scores, "--reference", "boy", "--cut", "3"))
    assert done.exit_code == 0, done.stderr
    assert "200 responses of 200 persons · simulated data" in done.stdout
    assert "QWK with the human scores" in done.stdout
    assert "Score points were taken from the human scores" in done.stderr
    out = scores.parent / "out"
    assert {path.name for path in out.iterdir()} == {"report.html", "report.json", "tables", "figures"}
    levels = pd.read_csv(out / "tables" / "groups.csv")["level"]
    assert levels.iloc[0] == "boy"


def test_json_is_the_report_as_json_and_metrics_choose(invoke: Invoke, scores: Path) -> None:
    done = invoke(*options(scores, "--json", "--metrics", "qwk,r", "--formats", "json"))
    value = json.loads(done.stdout)
    assert [row["metric"] for row in value["overall"]] == ["qwk", "r"]
    assert value == json.loads((scores.parent / "out" / "report.json").read_text(encoding="utf-8"))
    assert not (scores.parent / "out" / "report.html").exists()


def test_a_missed_gate_ends_with_1_if_asked(invoke: Invoke, scores: Path) -> None:
    table = pd.read_csv(scores)
    table.assign(engine=table["engine"].sample(frac=1, random_state=1).to_numpy()).to_csv(scores, index=False)
    assert invoke(*options(scores)).exit_code == 0
    done = invoke(*options(scores, "--gate"))
    assert done.exit_code == 1
    assert "gates are missed" in done.stderr


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (["--groups", "gendre"], 3, "Did you mean 'gender'"),
        (["--system", "second"], 2, "named for two things"),
        (["--cut", "high"], 2, "A cut score is a number"),
        (["--groups", "gender,origin", "--reference", "boy"], 2, "Whose reference group"),
        (["--formats", "pdf"], 2, "no report format 'pdf'"),
        (["--metrics", "kapa"], 2, "Did you mean 'kappa'"),
        (["--dif"], 2, "DIF needs at least two items"),
        (["--scale", "nothing.csv"], 3, "File not found"),
    ],
)
def test_what_cannot_be_is_said_in_a_message(
    invoke: Invoke, scores: Path, more: list[str], code: int, says: str
) -> None:
    done = invoke(*options(scores, *more))
    assert done.exit_code == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_it_loads_neither_torch_nor_matplotlib(scores: Path) -> None:
    arguments = ["psyalign", *map(str, options(scores))]
    code = f"""
import sys
sys.argv = {arguments!r}
from psyalign.cli.main import main
try:
    main()
except SystemExit:
    pass
print("LOADED", *sorted({{name.split(".")[0] for name in sys.modules}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split()[1:])
    assert "pandas" in loaded
    assert not loaded & {
        "torch",
        "transformers",
        "peft",
        "matplotlib",
        "sklearn",
        "statsmodels",
        "docx",
        "duckdb",
    }
