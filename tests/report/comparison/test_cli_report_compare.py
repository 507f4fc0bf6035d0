"""`psyalign report compare`: how runs are named, where the report goes, what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from psyalign.cli.main import app

ScoredMaker = Callable[..., Path]


def call(*arguments: object) -> Result:
    return CliRunner(env={"PSYALIGN_DEBUG": None}).invoke(
        app, ["report", "compare", *map(str, arguments)], prog_name="psyalign"
    )


def test_report_goes_beside_that_of_the_first_run(scored_runs: tuple[Path, Path], tmp_path: Path) -> None:
    home = tmp_path / "home"
    study = Path(shutil.copytree(scored_runs[0].parents[1], home / "studies" / "demo"))
    done = call(study / "runs" / "first", f"{study}:second", "--bootstrap", 200, "--format", "html,json")
    assert done.exit_code == 0, done.stderr
    folder = home / "reports" / "demo" / "compare-first-second"
    assert sorted(path.name for path in folder.iterdir()) == [
        "figures",
        "report.html",
        "report.json",
        "tables",
    ]
    assert str(folder / "report.html") in done.stdout
    assert "Is B fairer than A?" in done.stdout
    again = call(f"{study / 'study.toml'}:first", f"{study}:second", "--bootstrap", 200, "--format", "json")
    assert again.exit_code == 0


def test_json_is_the_verdict_and_nothing_else(scored_runs: tuple[Path, Path], tmp_path: Path) -> None:
    done = call(*scored_runs, "--out", tmp_path, "--bootstrap", 200, "--format", "json", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["agreement"]["kind"] == "higher"


def test_margins_reach_the_rules(scored_runs: tuple[Path, Path], tmp_path: Path) -> None:
    wide = ("--bootstrap", 200, "--format", "json", "--json", "--margin-es", 5, "--margin-qwk", 1)
    verdict = json.loads(call(*scored_runs, "--out", tmp_path, *wide).stdout)
    assert verdict["fairness"][0]["small"] is True
    assert verdict["agreement"]["small"] is True


def test_studies_of_one_run_name_are_told_apart(scored_runs: tuple[Path, Path], tmp_path: Path) -> None:
    homes = [tmp_path / "studies" / name for name in ("demo", "other")]
    for home in homes:
        shutil.copytree(scored_runs[0].parents[1], home)
    done = call(f"{homes[0]}:first", f"{homes[1]}:first", "--bootstrap", 200, "--format", "json")
    assert done.exit_code == 0
    assert (tmp_path / "reports" / "demo" / "compare-first-other-first" / "report.json").is_file()


def no_run(run: Path) -> None:
    shutil.rmtree(run)


def empty(run: Path) -> None:
    shutil.rmtree(run)
    run.mkdir()


def unfinished(run: Path) -> None:
    (run / "manifest.json").unlink()
    (run / "study.resolved.toml").write_text("", encoding="utf-8")


def other_items(run: Path) -> None:
    path = run / "tables" / "items.parquet"
    table = pd.read_parquet(path)
    table.assign(item="other-" + table["item"]).to_parquet(path, index=False)


def one_more_item(run: Path) -> None:
    path = run / "tables" / "items.parquet"
    table = pd.read_parquet(path)
    pd.concat([table, table.head(1).assign(item="added")]).to_parquet(path, index=False)


def other_points(run: Path) -> None:
    path = run / "tables" / "items.parquet"
    table = pd.read_parquet(path)
    table.assign(max_score=table["max_score"].where(table["item"] != "item-2", 3)).to_parquet(
        path, index=False
    )


@pytest.mark.parametrize(
    ("break_up", "code", "message"),
    [
        (no_run, 2, "There is no such run"),
        (empty, 2, "not a run"),
        (unfinished, 2, "not finished"),
        (other_items, 3, "no item in common"),
        (one_more_item, 3, "only B has added"),
        (other_points, 3, "Item 'item-2' has other score points"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    copied: tuple[Path, Path], tmp_path: Path, break_up: Callable[[Path], None], code: int, message: str
) -> None:
    break_up(copied[1])
    done = call(*copied, "--out", tmp_path / "out")
    assert done.exit_code == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [("--format", "pdf"), ("--format", ""), ("--bootstrap", 50), ("--margin-es", 0), ("--margin-qwk", -1)],
)
def test_options_that_do_not_fit_are_refused(
    scored_runs: tuple[Path, Path], tmp_path: Path, options: tuple[object, ...]
) -> None:
    done = call(*scored_runs, "--out", tmp_path / "out", *options)
    assert done.exit_code == 2
    assert not (tmp_path / "out").exists()
