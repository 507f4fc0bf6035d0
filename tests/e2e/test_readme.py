"""Every command of README.md works: it is run here, or it is known which test runs it.

Commands are the lines that start with "$ " in its console blocks. The quick ones are run in the order of
the text, in a copy of the checkout's studies, beside tables of the real format (invented answers). A
command that this file does not know fails, so that README cannot promise what nobody has tried.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from psyalign.cli.main import app

Finished = Any  # the fixture's class, in conftest.py

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PROGRAMS = ("psyalign", "make")

# Commands that are run here, by how they start.
QUICK = (
    *("psyalign --help", "psyalign --version", "psyalign doctor", "psyalign items", "psyalign init"),
    *("psyalign data", "psyalign study check", "psyalign study plan", "psyalign dif", "psyalign score"),
    "psyalign evaluate",
    "psyalign report build",
)
# Commands that take long, by how they start, and the test that does what they do.
COVERED = {
    "psyalign study run": "tests/e2e/test_run_killed.py::test_same_scores_as_an_unbroken_run_bit_for_bit",
    "psyalign demo": "tests/cli/test_cli_study.py::test_demo_copies_once_and_goes_on",
    "make demo": "tests/e2e/test_readme.py::test_make_runs_the_demo_study",
    "make test": "tests/e2e/test_readme.py::test_make_target_is_in_the_makefile",
    "make test-slow": "tests/e2e/test_readme.py::test_make_target_is_in_the_makefile",
    "make check": "tests/e2e/test_readme.py::test_make_target_is_in_the_makefile",
    "make bench": "tests/e2e/test_readme.py::test_make_target_is_in_the_makefile",
    "make clean": "tests/e2e/test_readme.py::test_make_target_is_in_the_makefile",
}
# A study that `init` has just laid out holds two example answers, which is too few.
EXIT_CODES = {"psyalign study check my-study": 3}


def blocks(text: str) -> list[list[str]]:
    """Lines of the fenced console and shell blocks, continued lines joined."""
    fences = re.findall(r"^```(?:console|bash|sh|shell)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [re.sub(r"\\\n\s*(?:> )?", "", fence).splitlines() for fence in fences]


def commands(text: str) -> list[str]:
    """Commands of psyalign and make in the blocks, without comments, pipes and redirections."""
    found = []
    for line in (line for block in blocks(text) for line in block if line.startswith("$ ")):
        for command in re.split(r"&&|;", line[2:]):
            words = shlex.split(re.split(r"[|>]", command)[0], comments=True)
            if words and Path(words[0]).name in PROGRAMS:
                found.append(shlex.join([Path(words[0]).name, *words[1:]]))
    return list(dict.fromkeys(found))


def inline(text: str) -> list[str]:
    """Commands of psyalign that stand in the text, as `psyalign …`."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return list(dict.fromkeys(re.findall(r"`(psyalign [^`]+)`", prose)))


TEXT = README.read_text(encoding="utf-8") if README.is_file() else ""
COMMANDS = commands(TEXT)
PSYALIGN = [command for command in COMMANDS if command.startswith("psyalign")]
MAKE = [command for command in COMMANDS if command.startswith("make")]


def matching(command: str, starts: Any) -> str | None:
    """The longest of `starts` that the command starts with, as whole words."""
    known = [start for start in starts if f"{command} ".startswith(f"{start} ")]
    return max(known, key=len, default=None)


def test_readme_has_commands() -> None:
    if not COMMANDS:
        pytest.skip("README.md has no lines that start with '$ '")
    assert "make demo" in COMMANDS and "make test" in COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_known(command: str) -> None:
    if matching(command, QUICK):
        return
    start = matching(command, COVERED)
    assert start, f"'{command}' is run by no test: add it to QUICK or to COVERED"
    file, name = COVERED[start].split("::")
    assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


def test_no_command_hides_from_this_test() -> None:
    """Without "$ " a line of a block is output, and output does not start with a program's name."""
    for block in blocks(TEXT):
        assert not [line for line in block if line.strip().startswith(tuple(f"{name} " for name in PROGRAMS))]


@pytest.mark.parametrize("command", [*PSYALIGN, *inline(TEXT)])
def test_command_and_its_options_exist(command: str) -> None:
    found: Any = typer.main.get_command(app)
    words = shlex.split(command)[1:]
    while words and hasattr(found, "commands") and not words[0].startswith("-"):
        word = words.pop(0)
        if word == "…":
            return
        if word not in found.commands and hasattr(found, "default"):  # `psyalign dif SCORES`
            word = found.default
        assert word in found.commands, f"there is no '{word}'"
        found = found.commands[word]
    known = {name for option in found.params for name in option.opts} | {"--help"}
    assert {word.split("=")[0] for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("command", MAKE)
def test_make_target_is_in_the_makefile(command: str) -> None:
    targets = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(command.split()[1:]) <= set(targets)


def test_make_runs_the_demo_study() -> None:
    """What the target types is a command that the other tests know, on a study that is there."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^demo:.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    assert recipe
    (line,) = recipe.group(1).strip().splitlines()
    words = line.split()
    assert words[0].endswith("psyalign") and words[1:3] == ["study", "run"]
    assert (ROOT / words[3] / "study.toml").is_file()


# ---------------------------------------------------------------- running the quick ones


@pytest.fixture(scope="module")
def checkout(unbroken: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a user's clone holds once the demo has run, beside the MIND-CA table in ../shared."""
    home = tmp_path_factory.mktemp("readme") / "psyalign"
    for study in (ROOT / "studies").glob("*/study.toml"):
        place = home / "studies" / study.parent.name / "study.toml"
        place.parent.mkdir(parents=True)
        shutil.copyfile(study, place)
    shutil.copytree(unbroken.folder, home / "studies" / "workplace-sjt" / "runs" / "main")
    source = home.parent / "shared" / "data" / "mindca" / "mindca_two_scores.csv"
    source.parent.mkdir(parents=True)
    invented_mindca().to_csv(source, index=False)
    new = unbroken.table("data", "texts").head(3)[["person", "item", "response"]]
    new.to_csv(home / "new-responses.csv", index=False)
    return home


def invented_mindca() -> pd.DataFrame:
    """A table with the columns of MIND-CA: 120 children, two items, answers that nobody gave."""
    rows = [
        [child, item, f"Invented answer {child} {at}.", (child + at) % 3, (child // 5 + at) % 3, 9, child % 2]
        for child in range(120)
        for at, item in enumerate(("SFQuestion_1_Text", "SS_Brian_Text"))
    ]
    columns = ["child_id", "item", "answer", "score_original", "score_relabel", "age", "gender"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize("command", [command for command in PSYALIGN if matching(command, QUICK)])
def test_quick_command_runs(checkout: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """One after the other: some need what an earlier one has made."""
    monkeypatch.chdir(checkout)
    result = CliRunner().invoke(app, shlex.split(command)[1:], prog_name="psyalign")
    assert result.exit_code == EXIT_CODES.get(command, 0), result.output
    assert result.output
    assert "Traceback" not in result.output and "Invented answer" not in result.output
    for word in shlex.split(command):
        if word.endswith(".csv"):
            assert Path(word).is_file(), f"{word} is promised"
