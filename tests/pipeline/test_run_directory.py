"""The run directory: its name, its lock, and files that are not ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from psyalign.foundation.errors import PsyalignError, RunError, StudyError
from psyalign.pipeline import run_study, study_run


@pytest.fixture(autouse=True)
def no_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory is made and locked, and nothing is run in it."""
    monkeypatch.setattr(study_run, "_stages", lambda run, inputs: [])
    monkeypatch.setattr(study_run, "_manifest", lambda run, inputs, started: {})


@pytest.mark.parametrize("name", ["a/b", "../main", "..", ".", "", ".hidden", "/tmp/main"])
def test_a_run_is_one_folder_under_runs(small_study: Path, name: str) -> None:
    with pytest.raises(RunError, match="cannot be a folder name") as caught:
        run_study(small_study, run=name)
    assert caught.value.exit_code == 2
    assert sorted(path.name for path in small_study.parent.iterdir()) == ["study.toml"]


def test_two_processes_never_work_on_one_run(small_study: Path) -> None:
    folder = run_study(small_study)
    with FileLock(folder / ".lock"), pytest.raises(RunError, match="Another process") as caught:
        run_study(small_study, fresh=True)
    assert caught.value.exit_code == 2
    assert (folder / "manifest.json").is_file(), "--fresh deletes nothing that another process works on"
    run_study(small_study)


def test_the_lock_is_let_go_of_after_an_error(small_study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(run: object, inputs: object) -> list[object]:
        raise StudyError("It fails.")

    with monkeypatch.context() as patch, pytest.raises(StudyError):
        patch.setattr(study_run, "_stages", fail)
        run_study(small_study)
    run_study(small_study)


def test_study_folder_is_a_study(small_study: Path) -> None:
    assert run_study(small_study.parent) == small_study.parent / "runs" / "main"


@pytest.mark.parametrize(
    ("line", "other", "code"),
    [('include = ["late-report", "loud-calls"]', 'include = ["late-reprt"]', 2), ("seed = 7", "sede = 7", 2)],
)
def test_a_wrong_study_leaves_no_run_behind(small_study: Path, line: str, other: str, code: int) -> None:
    text = small_study.read_text(encoding="utf-8")
    small_study.write_text(text.replace(line, other), encoding="utf-8")
    with pytest.raises(PsyalignError) as caught:
        run_study(small_study)
    assert caught.value.exit_code == code
    assert not (small_study.parent / "runs").exists()


def test_items_are_kept_with_the_run(small_study: Path) -> None:
    folder = run_study(small_study)
    kept = sorted(path.name for path in (folder / "items").iterdir())
    assert kept == ["bank.toml", "late-report.toml", "loud-calls.toml"]


@pytest.mark.parametrize("content", ["[]", '{"no": "key"}'])
def test_a_file_that_psyalign_did_not_write(
    small_study: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    from psyalign.pipeline.run import Stage

    stage = Stage("data", lambda run, folder: {}, {})
    monkeypatch.setattr(study_run, "_stages", lambda run, inputs: [stage])
    folder = run_study(small_study)
    (folder / "data" / "done.json").write_text(content)
    with pytest.raises(RunError, match="did not write") as caught:
        run_study(small_study)
    assert "--fresh" in str(caught.value)
    run_study(small_study, fresh=True)


def test_a_write_that_a_kill_cut_off_leaves_nothing_for_good(small_study: Path) -> None:
    folder = run_study(small_study)
    (folder / ".manifest.json.abc.tmp").touch()
    run_study(small_study)
    assert not list(folder.glob(".*.tmp"))
