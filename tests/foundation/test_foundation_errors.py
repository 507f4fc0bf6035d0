"""The error tree: exit codes, and how a message reads."""

from __future__ import annotations

import pytest

from psyalign.foundation import errors
from psyalign.foundation.errors import DataError, ModelError, PsyalignError, StudyError

EXIT_CODES = {
    "GateMissed": 1,
    "UsageError": 2,
    "StudyError": 2,
    "ModelError": 2,
    "RunError": 2,
    "DataError": 3,
    "ItemError": 3,
    "Interrupted": 4,
    "PsyalignError": 70,
}


@pytest.mark.parametrize(("name", "code"), EXIT_CODES.items())
def test_exit_code(name: str, code: int) -> None:
    assert getattr(errors, name).exit_code == code


def test_every_error_is_in_the_tree_and_in_the_table_above() -> None:
    assert set(errors.__all__) == EXIT_CODES.keys()
    assert all(issubclass(getattr(errors, name), PsyalignError) for name in errors.__all__)


def test_a_model_that_the_study_names_is_an_error_of_the_study() -> None:
    assert issubclass(ModelError, StudyError)


def test_message_place_and_mend_stand_on_their_own_lines() -> None:
    error = DataError("The score is missing.", where="ratings.csv, row 3", mend="Fill it in.")
    assert str(error) == "The score is missing.\n  where: ratings.csv, row 3\n  mend:  Fill it in."
    assert (error.message, error.where, error.mend) == (
        "The score is missing.",
        "ratings.csv, row 3",
        "Fill it in.",
    )


def test_place_and_mend_are_left_out_if_unknown() -> None:
    assert str(DataError("The score is missing.")) == "The score is missing."
