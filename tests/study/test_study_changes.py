"""Keys that a command sets otherwise for one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from psyalign.foundation.errors import StudyError
from psyalign.study import load_study, resolved

SHIPPED = Path(__file__).parents[2] / "studies" / "workplace-sjt"


def test_changes_are_read_as_toml_or_as_text():
    study = load_study(
        SHIPPED,
        [
            "scorer.base=smollm2",
            "study.seed=7",
            'align.arms=["baseline", "equivalence"]',
            "scorer.lora.layers=2",
        ],
    )
    assert (study.scorer.base, study.study.seed, study.scorer.lora.layers) == ("smollm2", 7, 2)
    assert study.align.arms == ("baseline", "equivalence")
    assert load_study(SHIPPED).study.seed != 7


def test_without_changes_the_study_is_the_file():
    assert resolved(load_study(SHIPPED, [])) == resolved(load_study(SHIPPED))


def test_the_last_of_two_changes_counts():
    assert load_study(SHIPPED, ["study.seed=1", "study.seed=2"]).study.seed == 2


@pytest.mark.parametrize(
    ("change", "said", "mend"),
    [
        ("scorer.base", "written TABLE.KEY=VALUE", "--set scorer.base=smollm2"),
        ("seed=3", "written TABLE.KEY=VALUE", "--set scorer.base=smollm2"),
        ("study..seed=3", "written TABLE.KEY=VALUE", "--set scorer.base=smollm2"),
        ("study.seed.more=3", "'seed' holds a value", "Name the tables"),
        ("scorer.bass=minilm", "Unknown key 'bass'", "Did you mean 'base'?"),
        ("align.beta=-1", "'beta' must be greater than 0", "Change 'beta'"),
        ("align.arms=[]", "'baseline' is missing", 'Add "baseline"'),
    ],
)
def test_a_wrong_change_is_named_as_the_place(change: str, said: str, mend: str):
    with pytest.raises(StudyError) as caught:
        load_study(SHIPPED, ["study.question=Why?", change])
    assert said in str(caught.value)
    assert mend in str(caught.value.mend)
    assert caught.value.where == f"--set {change}"
