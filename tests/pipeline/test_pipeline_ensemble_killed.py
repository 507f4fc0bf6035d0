"""A reward stage of several members that is cut off goes on where it was, and ends as if it had not been."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from psyalign.foundation.tables import read_table
from psyalign.pipeline.run import Run
from psyalign.scorer import train

Change = Callable[..., None]
Perform = Callable[..., Run]
MEMBERS, EPOCHS = 2, 2


class Updates:
    """Counts the updates of the training loop, and stands for a kill at one of them."""

    def __init__(self, patch: pytest.MonkeyPatch, last: int | None = None):
        self.done, self._real, self._last = 0, train._update, last
        patch.setattr(train, "_update", self)

    def __call__(self, *rest: Any) -> float:
        if self.done == self._last:
            raise KeyboardInterrupt
        self.done += 1
        return self._real(*rest)


@pytest.mark.slow
def test_members_go_on_from_their_own_checkpoints(
    small_study: Path, change: Change, perform: Perform, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(small_study, "max_train_responses = 16", "max_train_responses = 4")
    change(small_study, "[scorer]\nepochs = 2", "[scorer]\nepochs = 1")
    change(small_study, "[reward]\nepochs = 1", f"[reward]\nepochs = {EPOCHS}\nensemble = {MEMBERS}")
    run = perform(small_study, "data", "sft", "feedback")
    with monkeypatch.context() as patch:
        whole = Updates(patch)
        unbroken = perform(small_study, "data", "sft", "feedback", "reward")
    facts = unbroken.facts("reward")
    rewards = read_table(unbroken.path("reward", "rewards.parquet"))
    losses = read_table(unbroken.path("reward", "loss.parquet"))
    assert not list(unbroken.path("reward").glob("checkpoint*")), "a finished stage needs none"
    assert not [name for name in facts["frozen"] if "checkpoint" in name]
    unbroken.path("reward", "done.json").unlink()
    for path in unbroken.path("reward").glob("*.parquet"):
        path.unlink()

    epoch = whole.done // (MEMBERS * EPOCHS)
    assert epoch * MEMBERS * EPOCHS == whole.done
    stop = EPOCHS * epoch + epoch + 1  # in the second epoch of the second member
    with monkeypatch.context() as patch:
        Updates(patch, stop)
        with pytest.raises(KeyboardInterrupt):
            perform(small_study, "data", "sft", "feedback", "reward")
    left = sorted(path.name for path in run.path("reward").glob("checkpoint*"))
    assert left == ["checkpoint-1", "checkpoint-2.safetensors"]
    with monkeypatch.context() as patch:
        rest = Updates(patch)
        again = perform(small_study, "data", "sft", "feedback", "reward")
    assert rest.done == whole.done - stop + 1, "only the epoch that was cut off is done again"
    assert again.facts("reward") == facts
    assert read_table(again.path("reward", "rewards.parquet")).equals(rewards)
    assert read_table(again.path("reward", "loss.parquet")).equals(losses)
    assert not list(again.path("reward").glob("checkpoint*"))
