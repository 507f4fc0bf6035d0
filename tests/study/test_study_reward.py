"""[reward] of the study file: defaults, values, and keys that contradict each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import assert_refused, read

LINES = """\
[feedback]
equivalence = "alternates"
neutral_wording = "standard"
{feedback}
[reward]
{reward}
"""
PANEL = 'rater = "panel"'
RECORDS = 'source = "records"\nrecords = "feedback.jsonl"'


def test_reward_defaults_are_one_free_model(tmp_path: Path) -> None:
    reward = read(tmp_path, LINES.format(reward="", feedback=PANEL)).reward
    assert (reward.structure, reward.ensemble, reward.ensemble_reward, reward.base) == ("free", 1, "mean", "")
    assert reward.adjust_severity is False and reward.response_weight == 1.0


@pytest.mark.parametrize(
    ("reward", "feedback"),
    [
        ('structure = "pcm"\nensemble = 4\nensemble_reward = "worst"', PANEL),
        ('base = "smollm2"', PANEL),
        ("adjust_severity = true", ""),
        ("adjust_severity = true\nresponse_weight = 0.5", RECORDS),
    ],
)
def test_reward_settings_that_fit(tmp_path: Path, reward: str, feedback: str) -> None:
    read(tmp_path, LINES.format(reward=reward, feedback=feedback))


@pytest.mark.parametrize(
    ("reward", "feedback", "message", "mend"),
    [
        ('ensemble_reward = "worst"', PANEL, "no effect on a single", "ensemble = 4"),
        ('base = "minilm"', PANEL, "scorer's own base", "Drop 'base'"),
        ("response_weight = 2.0", PANEL, "come from records", 'source = "records"'),
        ("adjust_severity = true", PANEL, "one rater's", "Drop adjust_severity"),
        (
            "adjust_severity = true",
            'source = "second_scoring"\nfirst = "a"\nsecond = "b"',
            "one rater's",
            "ratings in records",
        ),
        ('structure = "pcn"', PANEL, "must be one of free, pcm", 'Did you mean "pcm"?'),
        ("ensemble = 0", PANEL, "ensemble", ""),
    ],
)
def test_reward_settings_that_contradict(
    tmp_path: Path, reward: str, feedback: str, message: str, mend: str
) -> None:
    assert_refused(tmp_path, LINES.format(reward=reward, feedback=feedback), message, "[reward]", mend)
