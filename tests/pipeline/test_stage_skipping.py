"""What is done again and what is skipped, told by events.jsonl; the stages' work is played by stand-ins."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from psyalign.foundation.shipped import shipped_folder
from psyalign.pipeline import run_study, study_run
from psyalign.pipeline.run import Run, Stage

Change = Callable[..., None]

ALIGNED = ("refit", "dpo", "ppo", "equivalence", "dpo+equivalence", "ppo+equivalence")
ALIGN = {f"align/{arm}" for arm in ALIGNED}
SCORES_ALIGNED = {f"scores/{arm}" for arm in ALIGNED}
SCORES = SCORES_ALIGNED | {"scores/baseline", "scores/ceiling"}
EVERYTHING = {"data", "sft", "ceiling", "feedback", "reward", "tables"} | ALIGN | SCORES

# a change of the study file: the stages that depend on it, and no others
DEPENDS: dict[tuple[str, str], set[str]] = {
    ("beta = 0.1", "beta = 0.3"): ALIGN | SCORES_ALIGNED | {"tables"},
    ("ppo_inner = 2", "ppo_inner = 2\nequivalence_weight = 0.5"): ALIGN | SCORES_ALIGNED | {"tables"},
    ("[reward]\nepochs = 1", "[reward]\nepochs = 2"): {"reward", "tables"} | ALIGN | SCORES_ALIGNED,
    ("max_responses = 8", "max_responses = 7"): {"feedback", "reward", "tables"} | ALIGN | SCORES_ALIGNED,
    ("rank = 2", "rank = 3"): EVERYTHING - {"data", "feedback"},
    ("bootstrap = 50", "bootstrap = 60"): {"tables"},
    ("bootstrap = 50", "bootstrap = 50\nwording_probes = 10"): SCORES | {"tables"},
    ("[dif]", '[dif]\ncorrection = "BH"'): {"tables"},
    ("[dif]", '[report]\nprimary_arm = "dpo"\n[dif]'): {"tables"},
    ("audit = 0.4", "audit = 0.4 "): set(),  # the text differs, the study does not
    ("seed = 7", "seed = 8"): EVERYTHING,
    ("persons = 36", "persons = 38"): EVERYTHING,
    ("max_train_responses = 16", "max_train_responses = 15"): EVERYTHING,
    ('include = ["late-report", "loud-calls"]', 'include = ["late-report"]'): EVERYTHING,
}


def work(run: Run, folder: Path) -> dict[str, object]:
    """Stands in for a stage: makes a file, and the facts that the manifest wants."""
    (folder / "made.txt").write_text("made")
    sft = {"truncated": 0, "base_sha256": "b", "kind": "encoder", "precision": "float32", "device": "cpu"}
    data = {"origin": "simulated", "notice": "", "persons": 2, "responses": 2, "mean_tokens": 9.0}
    return {**data, **sft, "parameters": 2, "trainable": 1}


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    real = study_run._stages
    monkeypatch.setattr(
        study_run, "_stages", lambda run, inputs: [replace(stage, work=work) for stage in real(run, inputs)]
    )


def started(folder: Path) -> list[str]:
    """Stages that the latest run of the directory started."""
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    latest = max(at for at, event in enumerate(events) if event["event"] == "run started")
    return [event["stage"] for event in events[latest:] if event["event"] == "started"]


def test_first_run_does_everything_once_in_the_order_of_the_data(small_study: Path) -> None:
    stages = started(run_study(small_study))
    assert len(stages) == len(set(stages)) and set(stages) == EVERYTHING
    whole = [name for name in stages if "/" not in name]
    assert whole == ["data", "sft", "ceiling", "feedback", "reward", "tables"]
    assert stages[-1] == "tables"


def test_second_run_does_nothing(small_study: Path) -> None:
    run_study(small_study)
    folder = run_study(small_study.parent / "study.toml")
    assert started(folder) == []
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert {stage["name"] for stage in manifest["stages"]} == EVERYTHING


@pytest.mark.parametrize(("old", "new"), DEPENDS)
def test_a_change_does_again_what_depends_on_it(
    small_study: Path, change: Change, old: str, new: str
) -> None:
    run_study(small_study)
    change(small_study, old, new)
    assert set(started(run_study(small_study))) == DEPENDS[old, new]


def test_dropping_an_arm_makes_the_tables_again_and_forgets_the_arm(
    small_study: Path, change: Change
) -> None:
    run_study(small_study)
    change(small_study, "beta = 0.1", 'beta = 0.1\narms = ["baseline", "dpo"]')
    folder = run_study(small_study)
    assert started(folder) == ["tables"]
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    names = {stage["name"] for stage in manifest["stages"]}
    assert "align/dpo" in names and "align/ppo" not in names


def test_an_item_that_changes_does_everything_again(small_study: Path, change: Change) -> None:
    bank = small_study.parent / "bank"
    shutil.copytree(shipped_folder("items") / "workplace-sjt", bank)
    change(small_study, 'bank = "workplace-sjt"', 'bank = "bank"')
    run_study(small_study)
    item = bank / "late-report.toml"
    item.write_text(item.read_text(encoding="utf-8").replace("title = ", "title  = "), encoding="utf-8")
    assert set(started(run_study(small_study))) == EVERYTHING


def test_another_run_is_another_run(small_study: Path) -> None:
    first, second = run_study(small_study), run_study(small_study, run="second")
    assert first.parent == second.parent and second.name == "second"
    assert set(started(second)) == EVERYTHING


def test_fresh_deletes_what_was_there(small_study: Path) -> None:
    folder = run_study(small_study)
    (folder / "left.txt").touch()
    (folder / "scores" / "old").mkdir()
    run_study(small_study, fresh=True)
    assert set(started(folder)) == EVERYTHING
    assert len((folder / "events.jsonl").read_text(encoding="utf-8").splitlines()) == 2 + 2 * len(EVERYTHING)
    assert not (folder / "left.txt").exists() and not (folder / "scores" / "old").exists()


def test_a_stage_without_done_json_is_emptied_and_done_again(small_study: Path) -> None:
    folder = run_study(small_study)
    (folder / "reward" / "done.json").unlink()
    (folder / "reward" / "half.parquet").touch()
    run_study(small_study)
    assert started(folder) == ["reward"], "its key is the same, so nothing after it is"
    assert not (folder / "reward" / "half.parquet").exists()


class Trainings:
    """A stage's work that notes whether it found a checkpoint."""

    def __init__(self) -> None:
        self.found: list[bool] = []

    def __call__(self, run: Run, folder: Path) -> dict[str, object]:
        self.found.append((folder / "checkpoint.safetensors").is_file())
        return {}


@pytest.mark.parametrize("same_key", [True, False])
def test_only_a_checkpoint_of_the_same_key_is_gone_on_with(tmp_path: Path, same_key: bool) -> None:
    def stop(run: Run, folder: Path) -> dict[str, object]:
        time.sleep(0.05)  # files are stamped by a coarser clock
        (folder / "checkpoint.safetensors").touch()
        (folder / "half.parquet").touch()
        raise KeyboardInterrupt

    run = Run(tmp_path, None, None)  # type: ignore[arg-type]  # neither is read
    with pytest.raises(KeyboardInterrupt):
        run.perform(Stage("sft", stop, {"epochs": 1}))
    work = Trainings()
    run.perform(Stage("sft", work, {"epochs": 1 if same_key else 2}))
    assert work.found == [same_key]
    assert not (tmp_path / "sft" / "half.parquet").exists()
    assert not (tmp_path / "sft" / "checkpoint.safetensors").exists(), "a finished stage needs none"
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["resumed"] for event in events if event["event"] == "started"] == [False, same_key]


def test_a_new_version_of_a_stage_and_all_that_needs_it_is_done_again(tmp_path: Path) -> None:
    work = Trainings()

    def run_both(version: int) -> int:
        run = Run(tmp_path, None, None)  # type: ignore[arg-type]
        run.perform(Stage("sft", work, {}, version=version))
        run.perform(Stage("reward", work, {}, ("sft",)))
        return len(work.found)

    assert [run_both(1), run_both(1), run_both(2)] == [2, 2, 4]


def test_what_raters_said_changes_neither_data_nor_baseline(small_study: Path, change: Change) -> None:
    change(small_study, 'source = "panel"\nrater = "panel"', 'source = "records"\nrecords = "said.jsonl"')
    said = small_study.with_name("said.jsonl")
    said.write_text("one\n", encoding="utf-8")
    run_study(small_study)
    said.write_text("one\ntwo\n", encoding="utf-8")
    again = {"feedback", "reward", "tables"} | ALIGN | SCORES_ALIGNED
    assert set(started(run_study(small_study))) == again
