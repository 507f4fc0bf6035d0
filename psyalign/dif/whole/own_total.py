"""Whether persons are matched on the total of the very scores that are compared."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["is_own_total"]

Array = npt.NDArray[np.float64]

# Correlations this close to 1 are 1 but for rounding.
SAME = 1 - 1e-9


def is_own_total(values: Array, matching: Array) -> bool:
    """Whether `matching` (N,) is the sum of the scores (N, I), or a multiple of it plus a constant.

    Judged by the persons with all scores and a matching value; False with fewer than 3 of
    them, or where either does not vary.
    """
    known = np.isfinite(values).all(axis=1) & np.isfinite(matching)
    if known.sum() < 3:
        return False
    pair = np.stack([values[known].sum(axis=1), matching[known]])
    pair = pair - pair.mean(axis=1, keepdims=True)
    size = np.sqrt((pair**2).sum(axis=1))
    return bool(size.min() > 0 and abs(pair[0] @ pair[1]) >= SAME * size[0] * size[1])
