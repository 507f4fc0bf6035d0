"""Which feedback persons the reward model never learns from."""

from __future__ import annotations

from collections.abc import Iterable

from psyalign.foundation.seeds import derive_seed, unit_interval

__all__ = ["held_out"]


def held_out(seed: int, share: float, persons: Iterable[str]) -> dict[str, bool]:
    """Which persons are kept for the reward model's accuracy.

    Parameters
    ----------
    seed : int
        The study's.
    share : float
        [reward] holdout.
    persons : iterable of str
    """
    own = derive_seed(seed, "reward")
    return {name: unit_interval(own, "holdout", name) < share for name in persons}
