"""From a study to a collection: feedback persons only, the run's split, and the command's refusals."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from psyalign.cli.main import app
from psyalign.collect import Settings, Store, make_plan
from psyalign.foundation.errors import RunError
from psyalign.foundation.tables import write_parquet
from psyalign.pipeline import load_study_bank
from psyalign.pipeline.collection import feedback_material
from psyalign.pipeline.run import Run, Stage
from psyalign.pipeline.stages import data
from psyalign.study import Study, load_study

SMALL = Path(__file__).parents[1] / "pipeline" / "small.toml"
ALL = ("score_preference", "response_preference", "equivalence", "rating")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """The small simulated study."""
    path = tmp_path / "small" / "study.toml"
    path.parent.mkdir()
    path.write_text(SMALL.read_text(encoding="utf-8"), encoding="utf-8")
    return load_study(path)


@pytest.fixture
def split(study: Study) -> pd.DataFrame:
    """Persons as the stage "data" of the run "main" split them."""
    folder = study.folder / "runs" / "main"
    folder.mkdir(parents=True)
    run = Run(folder, study, load_study_bank(study))
    run.perform(Stage("data", data.work, {}))
    return pd.read_parquet(folder / "data" / "persons.parquet")


def test_only_feedback_persons_of_the_runs_split_are_asked_about(study: Study, split: pd.DataFrame) -> None:
    material = feedback_material(study)
    feedback = set(split.loc[split["split"] == "feedback", "person"])
    assert set(material.texts["person"]) == feedback
    blocks = make_plan(material, Settings(kinds=ALL))
    named = {name for block in blocks for task in block.tasks for name in (task.response_a, task.response_b)}
    persons = {name.split("|")[0] for name in named if name and not name.startswith("|exemplar|")}
    assert persons <= feedback
    assert len(persons) > 5


def test_pages_do_not_tell_what_the_study_expects(study: Study) -> None:
    material = feedback_material(study)
    assert material.title == load_study_bank(study).title
    assert "simulated" in material.notice


def test_a_runs_scores_say_where_the_scorer_is_unsure(study: Study, split: pd.DataFrame) -> None:
    """Entropy against scipy's, over five points; the expected score against a plain sum."""
    from scipy.stats import entropy

    ids = list(feedback_material(study).texts["response_id"])
    p = np.random.default_rng(1).dirichlet(np.ones(5), size=len(ids))
    table = pd.DataFrame(np.log(p), columns=[f"s{s}" for s in range(5)])
    reward = study.folder / "runs" / "main" / "reward"
    reward.mkdir()
    write_parquet(
        reward / "reference.parquet", table.assign(response_id=ids)[["response_id", *table.columns]]
    )
    material = feedback_material(study, "main")
    np.testing.assert_allclose([material.uncertainty[r] for r in ids], entropy(p, base=5, axis=1), atol=1e-9)
    np.testing.assert_allclose([material.expected[r] for r in ids], p @ np.arange(5), atol=1e-9)
    changed = split.assign(split="feedback")
    write_parquet(study.folder / "runs" / "main" / "data" / "persons.parquet", changed)
    with pytest.raises(RunError, match="another split"):
        feedback_material(study, "main")


def test_a_run_that_is_not_there(study: Study) -> None:
    with pytest.raises(RunError, match="no scores"):
        feedback_material(study, "main")


@pytest.fixture
def invoke(study: Study) -> Callable[..., Result]:
    """`psyalign feedback COMMAND` for the study."""
    runner = CliRunner()
    return lambda command, *options: runner.invoke(app, ["feedback", command, str(study.folder), *options])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "needs raters"),
        (("--raters", "ann", "--kinds", "rating,equivalance"), "Did you mean 'equivalence'"),
        (("--raters", "ann", "--repeats", "2"), "between 0 and 0.5"),
        (("--raters", "ann,ann"), "named twice"),
        (("--raters", "ann", "--name", "../x"), "cannot be a file name"),
        (("--raters", "ann", "--run", "none"), "no scores"),
    ],
)
def test_collect_refuses(
    invoke: Callable[..., Result], study: Study, options: tuple[str, ...], said: str
) -> None:
    result = invoke("collect", *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (study.folder / "collect").exists()


def test_the_responses_to_ask_about_come_from_a_file(
    invoke: Callable[..., Result], study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `feedback worth --out` writes it; the same command goes on, other responses are refused."""
    monkeypatch.setattr("psyalign.collect.serve", lambda *_: None)
    texts = feedback_material(study).texts
    ids = list(texts.loc[texts["primary"], "response_id"][:3])
    questions = tmp_path / "next.csv"

    def collect(*names: str) -> Result:
        rows = "".join(f"{name},0-1\n" for name in names)
        questions.write_text(f"response_id,pairs\n{rows}", encoding="utf-8")
        return invoke("collect", "--raters", "ann", "--ask", str(questions), "--port", "0", "--anchors", "0")

    strange = collect(ids[0], "nobody|x")
    assert strange.exit_code in (2, 3) and "1 of the 2 responses" in strange.stderr
    assert not list((study.folder / "collect").glob("*.sqlite"))
    assert "no response" in collect().stderr
    for _ in range(2):
        assert collect(*ids, ids[0]).exit_code == 0
    store = Store(study.folder / "collect" / "main.sqlite")
    assert {task.response_a for task in store.plan()[1].values() if not task.response_b} == set(ids)
    assert "begun with ask" in collect(ids[0]).stderr


def test_a_port_that_is_taken(invoke: Callable[..., Result]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = invoke("collect", "--raters", "ann", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 2
    assert "--port" in result.stderr


def test_other_hosts_bring_a_warning(invoke: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psyalign.collect.serve", lambda *_: None)
    result = invoke("collect", "--raters", "ann", "--host", "0.0.0.0", "--port", "0")
    assert result.exit_code == 0
    assert "/r/" in result.stdout
    assert "clear text" in result.stderr


@pytest.mark.parametrize("command", ["status", "export"])
def test_no_collection_yet(invoke: Callable[..., Result], tmp_path: Path, command: str) -> None:
    options = ("--out", str(tmp_path / "x.jsonl")) if command == "export" else ()
    result = invoke(command, *options)
    assert result.exit_code == 3
    assert "feedback collect" in result.stderr


def test_collect_loads_no_learning_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys, psyalign.collect, psyalign.pipeline.collection; "
        "print(sorted(set('torch transformers peft sklearn'.split()) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
