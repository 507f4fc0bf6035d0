"""Random streams that do not depend on the order in which the stages run."""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["derive_seed", "generator", "unit_interval"]


def _digest(seed: int, names: tuple[object, ...]) -> int:
    text = "\x1f".join([str(seed), *(str(name) for name in names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def derive_seed(seed: int, *names: object) -> int:
    """A seed in [0, 2**31) for the stream called `names`, fixed by the study's `seed`."""
    return _digest(seed, names) % 2**31


def generator(seed: int, *names: object) -> np.random.Generator:
    """A numpy generator for the stream called `names`."""
    return np.random.default_rng(derive_seed(seed, *names))


def unit_interval(seed: int, *names: object) -> float:
    """A number in [0, 1) that depends only on `seed` and `names` (say, a person's id)."""
    return _digest(seed, names) / 2**64
