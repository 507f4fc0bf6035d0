"""[choice]: what it may list, what contradicts it, and what the plan and the resolved study say of it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from psyalign.study import Study, plan, resolved, resolved_toml

from .conftest import assert_refused, read

FEEDBACK = '[feedback]\nequivalence = "matched_answers"\nmax_responses = 100\n'
BOTH = "[choice]\nbeta = [0.3, 1, 0.1]\nequivalence_weight = [1.0, 0.3]\nfolds = 4"
ARMS = '[align]\narms = ["baseline", "dpo+equivalence", "ppo+equivalence"]\n'


def read_choice(folder: Path, lines: str, *changes: str) -> Study:
    return read(folder, FEEDBACK + lines, *changes)


def test_without_choice_nothing_changes(tmp_path: Path) -> None:
    study = read_choice(tmp_path, ARMS)
    assert study.choice is None and "choice" not in resolved(study)
    assert resolved(study)["align"]["beta"] == 0.1
    assert not any(row.stage.startswith("choice") for row in plan(study))


def test_what_is_chosen_has_no_value_before_the_run(tmp_path: Path) -> None:
    """So that the resolved study can be read again, and that no table shows a default that is not used."""
    study = read_choice(tmp_path, ARMS + BOTH)
    assert study.choice is not None and study.choice.chosen_keys == ("beta", "equivalence_weight")
    assert study.choice.criterion == "rps"
    assert not {"beta", "equivalence_weight"} & set(resolved(study)["align"])
    again = Study.model_validate(tomllib.loads(resolved_toml(study)))
    assert resolved(again) == resolved(study)


def test_the_weight_is_chosen_by_the_arm_called_after_or_by_the_first_that_joins(tmp_path: Path) -> None:
    assert read_choice(tmp_path, ARMS + BOTH).weighed_arm == "ppo+equivalence", (
        "the last aligned arm is 'after'"
    )
    after = '[report]\nprimary_arm = "dpo+equivalence"\n'
    assert read_choice(tmp_path, ARMS + after + BOTH).weighed_arm == "dpo+equivalence"
    assert read_choice(tmp_path, BOTH).weighed_arm == "dpo+equivalence", "equivalence alone cannot be weighed"


def test_the_plan_says_what_a_choice_costs(tmp_path: Path) -> None:
    rows = {row.stage: row for row in plan(read_choice(tmp_path, f"{ARMS}[reward]\nensemble = 3\n{BOTH}"))}
    assert "0.3, 1, 0.1 by 4-fold" in rows["choice/beta"].what
    assert rows["choice/beta"].cost_note.startswith("12 trainings of the reward model, each 6 epochs")
    note = rows["choice/equivalence"].cost_note
    assert note.startswith("8 trainings of ppo+equivalence") and "75% of ≤ 100 responses" in note
    assert "reward model" not in note and "inner steps" in note
    alone = plan(read_choice(tmp_path, f"{ARMS}[choice]\nequivalence_weight = [0.3, 1.0]"))
    rows = {row.stage: row for row in alone}
    assert "choice/beta" not in rows and "5 trainings of the reward" in rows["choice/equivalence"].cost_note


def test_a_choice_can_be_taken_back_for_one_run(tmp_path: Path) -> None:
    study = read_choice(tmp_path, ARMS + "[choice]\nbeta = [0.1, 0.3]", "choice.beta=[]", "align.beta=0.2")
    assert study.align.beta == 0.2 and resolved(study)["align"]["beta"] == 0.2


# lines · part of the message · key · part of the mend
WRONG = [
    ("[choice]\nfolds = 3", "lists no candidates", "[choice]", "beta = ["),
    ("[choice]\nbeta = [0.1]", "two or more different", "[choice] beta", "[align] beta"),
    ("[choice]\nbeta = [0.1, 0.1, 0.2]", "two or more different", "[choice] beta", "once"),
    ("[choice]\nbeta = [0.1, 0]", "greater than 0", "[choice] beta", ""),
    ("[align]\nbeta = 0.1\n[choice]\nbeta = [0.1, 0.2]", "[align] sets 'beta'", "[choice] beta", "Drop"),
    (
        "[align]\nequivalence_weight = 1\n[choice]\nequivalence_weight = [0.1, 0.2]",
        "[align] sets 'equivalence_weight'",
        "[choice] equivalence_weight",
        "Drop",
    ),
    (
        '[align]\narms = ["baseline", "refit", "equivalence"]\n[choice]\nbeta = [0.1, 0.2]',
        "No arm has a KL penalty",
        "[choice] beta",
        '"dpo"',
    ),
    (
        '[align]\narms = ["baseline", "dpo", "equivalence"]\n[choice]\nequivalence_weight = [0.1, 0.2]',
        "No arm joins equivalence",
        "[choice] equivalence_weight",
        "dpo+equivalence",
    ),
    ("[choice]\nbeta = [0.1, 0.2]\nfolds = 1", "at least 2", "[choice] folds", ""),
    ('[choice]\nbeta = [0.1, 0.2]\ncriterion = "ece"', "must be one of rps", "[choice] criterion", ""),
]


@pytest.mark.parametrize(("lines", "message", "key", "mend"), WRONG, ids=[row[1] for row in WRONG])
def test_choices_that_contradict_themselves(
    tmp_path: Path, lines: str, message: str, key: str, mend: str
) -> None:
    assert_refused(tmp_path, FEEDBACK + lines, message, key, mend)
