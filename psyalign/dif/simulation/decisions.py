"""What each test of a power analysis decides about simulated samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import stats

from psyalign.dif.counts.moments import moments_of
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.methods.gmh import gmh_kernel
from psyalign.dif.methods.liu_agresti import liu_agresti_kernel
from psyalign.dif.methods.mantel import mantel_kernel
from psyalign.dif.methods.ordinal import ordinal_kernel
from psyalign.dif.methods.smd import smd_kernel

__all__ = ["POWER_TESTS"]

Hits = npt.NDArray[np.bool_]


def _smd_hits(counts: ItemCounts, alpha: float, margin: float) -> Hits:
    found = smd_kernel(moments_of(counts))
    return np.asarray(np.abs(found["smd"]) > stats.norm.isf(alpha / 2) * found["se"])


def _equivalence_hits(counts: ItemCounts, alpha: float, margin: float) -> Hits:
    moments = moments_of(counts)
    found = smd_kernel(moments)
    reach = np.abs(found["smd"]) + stats.norm.isf(alpha) * found["se"]
    return np.asarray(reach < margin * moments.sd)


def _mantel_hits(counts: ItemCounts, alpha: float, margin: float) -> Hits:
    return np.asarray(np.abs(mantel_kernel(moments_of(counts))["mantel_z"]) > stats.norm.isf(alpha / 2))


def _liu_agresti_hits(counts: ItemCounts, alpha: float, margin: float) -> Hits:
    return np.asarray(np.abs(liu_agresti_kernel(counts)["la_z"]) > stats.norm.isf(alpha / 2))


def _gmh_hits(counts: ItemCounts, alpha: float, margin: float) -> Hits:
    found = gmh_kernel(counts)
    return np.asarray(found["gmh_chi2"] > stats.chi2.isf(alpha, found["gmh_df"]))


def _ordinal_hits(counts: ItemCounts, alpha: float, margin: float) -> Hits:
    return np.asarray(ordinal_kernel(counts)["lr_uniform"] > stats.chi2.isf(alpha, 1))


# Each says of every sample whether it rejects. (counts, alpha, margin of ES) -> (R,)
POWER_TESTS: dict[str, Callable[[ItemCounts, float, float], Hits]] = {
    "smd": _smd_hits,
    "mantel": _mantel_hits,
    "liu_agresti": _liu_agresti_hits,
    "gmh": _gmh_hits,
    "ordinal": _ordinal_hits,
    "equivalence": _equivalence_hits,
}
