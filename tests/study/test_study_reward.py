"""[reward] of the study file: defaults, values, and keys that contradict each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from psyalign.foundation.errors import StudyError
from psyalign.study import Study, load_study

STUDY = """
[study]
name = "small"
seed = 3
[items]
bank = "workplace-sjt"
[data]
source = "simulate"
operational = "operational"
criterion = "panel"
[groups.variety]
reference = "standard"
focal = "everyday"
[feedback]
equivalence = "alternates"
neutral_wording = "standard"
{feedback}
[reward]
{reward}
"""

RECORDS = 'source = "records"\nrecords = "feedback.jsonl"'


def study_with(folder: Path, reward: str, feedback: str = 'rater = "panel"') -> Study:
    path = folder / "study.toml"
    path.write_text(STUDY.format(reward=reward, feedback=feedback), encoding="utf-8")
    return load_study(path)


def test_reward_defaults_are_one_free_model(tmp_path: Path) -> None:
    reward = study_with(tmp_path, "").reward
    assert (reward.structure, reward.ensemble, reward.ensemble_reward, reward.base) == ("free", 1, "mean", "")
    assert reward.adjust_severity is False and reward.response_weight == 1.0


@pytest.mark.parametrize(
    ("reward", "feedback"),
    [
        ('structure = "pcm"\nensemble = 4\nensemble_reward = "worst"', 'rater = "panel"'),
        ('base = "smollm2"', 'rater = "panel"'),
        ("adjust_severity = true", ""),
        ("adjust_severity = true\nresponse_weight = 0.5", RECORDS),
    ],
)
def test_reward_settings_that_fit(tmp_path: Path, reward: str, feedback: str) -> None:
    study_with(tmp_path, reward, feedback)


@pytest.mark.parametrize(
    ("reward", "feedback", "message", "mend"),
    [
        ('ensemble_reward = "worst"', 'rater = "panel"', "no effect on a single", "ensemble = 4"),
        ('base = "minilm"', 'rater = "panel"', "scorer's own base", "Drop 'base'"),
        ("response_weight = 2.0", 'rater = "panel"', "come from records", 'source = "records"'),
        ("adjust_severity = true", 'rater = "panel"', "one rater's", "Drop adjust_severity"),
        (
            "adjust_severity = true",
            'source = "second_scoring"\nfirst = "a"\nsecond = "b"',
            "one rater's",
            "ratings in records",
        ),
        ('structure = "pcn"', 'rater = "panel"', "must be one of free, pcm", 'Did you mean "pcm"?'),
        ("ensemble = 0", 'rater = "panel"', "ensemble", ""),
    ],
)
def test_reward_settings_that_contradict(
    tmp_path: Path, reward: str, feedback: str, message: str, mend: str
) -> None:
    with pytest.raises(StudyError) as caught:
        study_with(tmp_path, reward, feedback)
    assert message in caught.value.message and "[reward]" in str(caught.value.where)
    assert mend in str(caught.value.mend)
