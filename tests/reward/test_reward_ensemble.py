"""Several reward models as one: how their rewards are put together, and one alone is that one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from psyalign.items import Item
from psyalign.reward import RewardEnsemble, RewardModel, win_counts
from psyalign.reward.ensemble import MemberCheckpoints, combined, member_rows, member_seed, spread
from psyalign.scorer import LoraScorer, Training


@pytest.fixture(scope="module")
def members(reference_folder: Path, two_items: dict[str, Item], answers: pd.DataFrame) -> list[RewardModel]:
    ids = [str(row) for row in range(len(answers))]
    preferences = pd.DataFrame({"response_id": ids, "preferred": 0, "rejected": 1})
    wins = win_counts(preferences, ids, 3)
    found = []
    for at in range(2):
        rows = member_rows(len(answers), 5, at)
        model = RewardModel(
            LoraScorer.load(reference_folder, two_items), Training(1, 5, 3e-3, member_seed(5, at))
        )
        found.append(model.fit(answers.iloc[rows].reset_index(drop=True), wins[rows]))
    return found


def test_mean_worst_and_spread_by_hand() -> None:
    """Two members, one response: rewards (−1, 1) and (1, −1), then (0, 0) and (1, −1)."""
    rewards = np.array([[[-1.0, 1.0], [0.0, 0.0]], [[1.0, -1.0], [1.0, -1.0]]])
    assert combined(rewards, "mean").tolist() == [[0, 0], [0.5, -0.5]]
    assert combined(rewards, "worst").tolist() == [[-1, -1], [0, -1]]
    np.testing.assert_allclose(spread(rewards), [[2**0.5] * 2, [0.5**0.5] * 2])


def test_the_first_member_is_the_one_model_of_before() -> None:
    assert member_rows(7, 3, 0).tolist() == list(range(7)) and member_seed(3, 0) == 3
    others = [member_rows(200, 3, at) for at in (1, 2)]
    assert not np.array_equal(*others) and member_seed(3, 1) != member_seed(3, 2)
    for rows in others:
        assert len(rows) == 200 and 0.55 < len(set(rows)) / 200 < 0.72, "1 − 1/e of the responses"
        assert np.array_equal(rows, np.sort(rows))
    assert np.array_equal(others[0], member_rows(200, 3, 1)), "the seed decides"


def test_one_member_is_that_model(members: list[RewardModel], answers: pd.DataFrame) -> None:
    alone = RewardEnsemble(members[:1])
    assert np.array_equal(alone.rewards(answers, quiet=True), members[0].rewards(answers, quiet=True))
    assert alone.fingerprint() == members[0].fingerprint()


@pytest.mark.parametrize("how", ["mean", "worst"])
def test_a_saved_ensemble_comes_back(
    members: list[RewardModel], two_items: dict[str, Item], answers: pd.DataFrame, tmp_path: Path, how: str
) -> None:
    ensemble = RewardEnsemble(members, how)  # type: ignore[arg-type]
    ensemble.save(tmp_path)
    again = RewardEnsemble.load(tmp_path, two_items)
    rewards = again.rewards(answers, quiet=True)
    assert np.array_equal(rewards, ensemble.rewards(answers, quiet=True))
    assert again.fingerprint() == ensemble.fingerprint()
    own = again.member_rewards(answers, quiet=True)
    assert own.shape == (2, 10, 3) and np.abs(np.diff(own, axis=0)).max() > 1e-4, "they disagree"
    np.testing.assert_array_equal(rewards, own.mean(axis=0) if how == "mean" else own.min(axis=0))


def test_how_is_part_of_the_fingerprint(members: list[RewardModel]) -> None:
    hashes = {RewardEnsemble(members, how).fingerprint() for how in ("mean", "worst")}  # type: ignore[arg-type]
    assert len(hashes | {RewardEnsemble(members[::-1]).fingerprint(), members[0].fingerprint()}) == 4


def test_a_single_saved_model_is_read_as_an_ensemble(
    members: list[RewardModel], two_items: dict[str, Item], tmp_path: Path
) -> None:
    members[1].save(tmp_path)
    assert RewardEnsemble.load(tmp_path, two_items).fingerprint() == members[1].fingerprint()


def test_a_kept_member_comes_back_with_its_history(
    members: list[RewardModel], two_items: dict[str, Item], answers: pd.DataFrame, tmp_path: Path
) -> None:
    kept = MemberCheckpoints(tmp_path / "checkpoint.safetensors", 2)
    assert kept.finished(1, two_items) is None
    kept.path(1).touch()
    kept.keep(1, members[1])
    again = kept.finished(1, two_items)
    assert again is not None and again.fingerprint() == members[1].fingerprint()
    assert again.history_ == members[1].history_ and not kept.path(1).exists()
    assert np.array_equal(again.rewards(answers, quiet=True), members[1].rewards(answers, quiet=True))
    assert kept.finished(0, two_items) is None


def test_one_model_alone_keeps_nothing_beside_its_checkpoint(
    members: list[RewardModel], tmp_path: Path
) -> None:
    kept = MemberCheckpoints(tmp_path / "checkpoint.safetensors", 1)
    kept.keep(0, members[0])
    assert kept.path(0) == tmp_path / "checkpoint.safetensors" and not list(tmp_path.iterdir())
