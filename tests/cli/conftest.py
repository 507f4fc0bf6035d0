"""What the tests of the command line share: a runner, and a small study on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from psyalign.cli.main import app

Invoke = Callable[..., Result]

STUDY = """
[study]
name = "small"
seed = 1
[items]
bank = "items"
[data]
responses = "responses.csv"
ratings = "ratings.csv"
persons = "persons.csv"
[groups.gender]
reference = "men"
focal = "women"
[feedback]
source = "panel"
[align]
arms = ["baseline", "refit"]
"""

BANK = """
id = "items"
title = "Two items"
version = "1"
language = "en"
licence = "CC0"
source = "Made for a test."
"""

ITEM = """
id = "{item}"
version = "1"
title = "Item {item}"
construct = "care"
scenario = "It happens {item}."
prompt = "What would you do?"
rubric = [
  {{score = 0, label = "nothing", description = "Nothing is done."}},
  {{score = 1, label = "something", description = "Something is done."}},
  {{score = 2, label = "enough", description = "Enough is done."}},
]
exemplar = [
  {{score = 0, response = "None a.", rationale = "r"}}, {{score = 0, response = "None b.", rationale = "r"}},
  {{score = 1, response = "Some a.", rationale = "r"}}, {{score = 1, response = "Some b.", rationale = "r"}},
  {{score = 2, response = "Much a.", rationale = "r"}}, {{score = 2, response = "Much b.", rationale = "r"}},
]
"""

SECRET = "a private sentence nobody may log"


@pytest.fixture
def invoke() -> Invoke:
    """Run a command line in this process; the result has exit_code, stdout and stderr."""
    runner = CliRunner(env={"PSYALIGN_DEBUG": None, "NO_COLOR": None})

    def run(*arguments: object) -> Result:
        return runner.invoke(app, [str(argument) for argument in arguments], prog_name="psyalign")

    return run


@pytest.fixture
def small_study(tmp_path: Path) -> Path:
    """A study of 240 persons and two items that passes every check; its responses hold SECRET."""
    folder = tmp_path / "work" / "small"
    (folder / "items").mkdir(parents=True)
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    (folder / "items" / "bank.toml").write_text(BANK, encoding="utf-8")
    for item in ("first", "second"):
        (folder / "items" / f"{item}.toml").write_text(ITEM.format(item=item), encoding="utf-8")
    persons = [f"p{number:03}" for number in range(240)]
    rows = [(person, item) for person in persons for item in ("first", "second")]
    responses = pd.DataFrame(rows, columns=["person", "item"])
    responses["response"] = [f"{SECRET} {number}" for number in range(len(rows))]
    ratings = responses[["person", "item"]].assign(
        rater="r1", score=[number % 3 for number in range(len(rows))]
    )
    genders = ["men" if number % 2 else "women" for number in range(240)]
    responses.to_csv(folder / "responses.csv", index=False)
    ratings.to_csv(folder / "ratings.csv", index=False)
    pd.DataFrame({"person": persons, "gender": genders}).to_csv(folder / "persons.csv", index=False)
    return folder
