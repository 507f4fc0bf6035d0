"""`psyalign study run`, `demo`, `score` and `report build`, with the pipeline played by a stand-in."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import Result

from psyalign.cli.study import report_folder
from psyalign.foundation.shipped import shipped_folder
from psyalign.study import load_study

Invoke = Callable[..., Result]


class Pipeline:
    """Stands in for run_study and build_report: remembers the calls, writes three small tables."""

    def __init__(self, runs: Path) -> None:
        self.folder = runs
        self.calls: list[tuple[object, ...]] = []
        self.stopped_by_sigterm = False

    def run_study(
        self, study_path: Path, run: str = "main", fresh: bool = False, changes: Sequence[str] = ()
    ) -> Path:
        self.calls.append(("run", study_path, run, fresh))
        if self.stopped_by_sigterm:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        arms = pd.DataFrame({"arm": ["baseline", "dpo"], "origin": "simulated"})
        tables = self.folder / "tables"
        tables.mkdir(parents=True, exist_ok=True)
        agreement = arms.assign(grouping="all", level="all", qwk=[0.7, 0.8], r=[0.75, 0.85])
        agreement.to_parquet(tables / "agreement.parquet")
        summary = arms.assign(
            grouping="gender", sd_kind="human", mean_es=[-0.1, -0.02], max_abs_es=[0.3, 0.2]
        )
        summary.to_parquet(tables / "dif_summary.parquet")
        arms.assign(optimality_gap=[float("nan"), 0.01]).to_parquet(tables / "arms.parquet")
        return self.folder

    def build_report(self, run_dir: Path, out: Path, formats: Sequence[str] = ("html",)) -> Path:
        self.calls.append(("report", run_dir, out))
        return out / f"report.{formats[0]}"


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    stand_in = Pipeline(tmp_path / "runs" / "main")
    monkeypatch.setattr("psyalign.pipeline.run_study", stand_in.run_study, raising=False)
    monkeypatch.setattr("psyalign.report.build_report", stand_in.build_report, raising=False)
    return stand_in


def test_run_then_report_then_summary(invoke: Invoke, small_study: Path, pipeline: Pipeline) -> None:
    result = invoke("study", "run", small_study, "--run", "second", "--fresh")
    assert result.exit_code == 0, result.stderr
    reports = small_study.parent / "reports" / "small" / "second"
    assert pipeline.calls == [
        ("run", small_study / "study.toml", "second", True),
        ("report", pipeline.folder, reports),
    ]
    lines = result.stdout.splitlines()
    assert lines[1] == "arm         qwk      r  mean ES gender  max |ES| gender  optimality gap  origin"
    assert lines[3] == "baseline  0.700  0.750          -0.100            0.300               –  simulated"
    assert str(reports / "report.html") in result.stdout


def test_reports_folder_can_be_chosen(
    invoke: Invoke, small_study: Path, pipeline: Pipeline, tmp_path: Path
) -> None:
    result = invoke("study", "run", small_study / "study.toml", "--reports", tmp_path / "there")
    assert result.exit_code == 0, result.stderr
    assert pipeline.calls[-1] == ("report", pipeline.folder, tmp_path / "there")


def test_default_reports_folder(small_study: Path) -> None:
    study = load_study(small_study)
    assert report_folder(study, "main") == small_study.parent / "reports" / "small" / "main"
    collected = small_study.parent / "studies" / "small"
    collected.parent.mkdir()
    small_study.rename(collected)
    study = load_study(collected)
    assert report_folder(study, "main") == small_study.parent / "reports" / "small" / "main"


def test_sigterm_exits_4(invoke: Invoke, small_study: Path, pipeline: Pipeline) -> None:
    pipeline.stopped_by_sigterm = True
    result = invoke("study", "run", small_study)
    assert result.exit_code == 4
    assert "Run the same command again" in result.stderr
    assert result.stdout == ""


def test_plan(invoke: Invoke, small_study: Path) -> None:
    result = invoke("study", "plan", small_study)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0].split() == ["stage", "what", "cost"]
    assert "align/refit" in result.stdout


def test_demo_copies_once_and_goes_on(invoke: Invoke, pipeline: Pipeline, tmp_path: Path) -> None:
    if not (shipped_folder("studies") / "workplace-sjt" / "study.toml").is_file():
        pytest.skip("studies/workplace-sjt is not written yet")
    out = tmp_path / "demo"
    for _ in range(2):
        result = invoke("demo", "--out", out)
        assert result.exit_code == 0, result.stderr
        assert "simulated" in result.stderr
    assert pipeline.calls[0] == ("run", out / "study.toml", "main", False)
    assert pipeline.calls[1] == ("report", pipeline.folder, out / "reports" / "workplace-sjt" / "main")
    assert not (out / "runs").exists()


def test_demo_spares_other_folders(invoke: Invoke, pipeline: Pipeline, small_study: Path) -> None:
    result = invoke("demo", "--out", small_study)
    assert result.exit_code == 2
    assert "new or empty folder" in result.stderr
    assert pipeline.calls == []


def test_report_build_finds_the_folder_that_study_run_used(
    invoke: Invoke, small_study: Path, pipeline: Pipeline
) -> None:
    run = small_study / "runs" / "main"
    run.mkdir(parents=True)
    result = invoke("report", "build", run)
    assert result.exit_code == 0, result.stderr
    reports = small_study.parent / "reports" / "small" / "main"
    assert pipeline.calls == [("report", run, reports)]
    assert result.stdout.splitlines() == [
        str(reports / f"report.{name}") for name in ("html", "docx", "json")
    ]


def test_report_build_writes_the_formats_asked_for(
    invoke: Invoke, tmp_path: Path, pipeline: Pipeline
) -> None:
    result = invoke("report", "build", tmp_path, "--out", tmp_path / "out", "--format", " docx, JSON")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        str(tmp_path / "out" / f"report.{name}") for name in ("docx", "json")
    ]


def test_score(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr("psyalign.pipeline.score_responses", lambda *a: calls.append(a), raising=False)
    result = invoke("score", tmp_path, "new.csv", "--arm", "dpo", "--out", "scores.csv")
    assert result.exit_code == 0, result.stderr
    assert calls == [(tmp_path, "dpo", Path("new.csv"), Path("scores.csv"))]
    assert result.stdout == ""
