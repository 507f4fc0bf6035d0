"""What can be resampled: each method's kernel, what it takes and which of its numbers to keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from psyalign.dif.counts.moments import Moments
from psyalign.dif.matching.correction import thin_bins
from psyalign.dif.matching.reliability import alpha_kernel, item_variance, match_variance
from psyalign.dif.matching.spec import MatchSpec
from psyalign.dif.methods.adjacent import adjacent_kernel
from psyalign.dif.methods.crossing import crossing_polysib_kernel
from psyalign.dif.methods.gmh import gmh_kernel
from psyalign.dif.methods.liu_agresti import liu_agresti_kernel
from psyalign.dif.methods.location_scale import location_scale_kernel
from psyalign.dif.methods.mantel import mantel_kernel
from psyalign.dif.methods.mantel_haenszel import mantel_haenszel_kernel
from psyalign.dif.methods.nested import NestedFits, nested_fits
from psyalign.dif.methods.ordinal import ordinal_statistics
from psyalign.dif.methods.polysib import polysib_kernel
from psyalign.dif.methods.smd import smd_kernel
from psyalign.dif.methods.standardisation import standardisation_kernel
from psyalign.dif.whole.resample import Resampled
from psyalign.foundation.errors import UsageError

__all__ = ["STATISTICS", "LayerDraws", "Statistic", "chosen"]

Array = npt.NDArray[np.float64]
Values = dict[str, Array]


@dataclass
class LayerDraws:
    """All items in one chunk of B resamples, for statistics that need more than one item's counts.

    Attributes
    ----------
    blocks : tuple of Resampled
    first : tuple of Resampled
        The blocks of the first chunk, whose resample 0 is the sample itself.
    matching : bool array (I, I)
        Row: the studied item; columns: the items of its rest score.
    """

    blocks: tuple[Resampled, ...]
    first: tuple[Resampled, ...]
    matching: npt.NDArray[np.bool_]
    _fits: dict[int, NestedFits] = field(default_factory=dict)

    def fits(self, block: int) -> NestedFits:
        """The three nested models of one block's items, fitted once for all statistics that use them."""
        if block not in self._fits:
            self._fits[block] = nested_fits(self.blocks[block].counts)
        return self._fits[block]

    def by_item(self, part: Callable[[Moments], Array]) -> Array:
        """One array (I, B, ...) from each block's moments."""
        parts = [part(block.moments) for block in self.blocks]
        order = np.argsort(np.concatenate([block.items for block in self.blocks]))
        return np.asarray(np.concatenate(parts)[order])

    def collect(self, values: Callable[[int], Values]) -> Values:
        """Numbers of all items, (I, B), from those of each block, (J, B)."""
        parts = [values(number) for number in range(len(self.blocks))]
        order = np.argsort(np.concatenate([block.items for block in self.blocks]))
        return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}


@dataclass(frozen=True)
class Statistic:
    """A kernel, and what to give it.

    Attributes
    ----------
    kernel : callable
        Returns a mapping of numbers, (J, B) from `ItemCounts` or `Moments` with these
        leading axes, (I, B) from `LayerDraws`.
    outputs : tuple of str
        Which of these numbers to keep.
    takes : {"counts", "moments", "layer"}
        Moments keep fractional scores; counts round them.
    strata : {"strata", "values", "rest"}
        The strata of the spec; the distinct values of its matching variable (regressions);
        or the distinct rest scores, where the spec matches on a total (POLYSIB).
    """

    kernel: Callable[[Any], Mapping[str, Array]]
    outputs: tuple[str, ...]
    takes: Literal["counts", "moments", "layer"] = "counts"
    strata: Literal["strata", "values", "rest"] = "strata"

    def spec(self, spec: MatchSpec) -> MatchSpec:
        """The spec that this statistic's counts need."""
        if self.strata == "values":
            return replace(spec, bins="thin")
        if self.strata == "rest":
            if spec.variable == "external":
                raise UsageError(
                    "POLYSIB is resampled with the rest score only, whose reliability the items tell.",
                    mend="Match on the total.",
                )
            return replace(spec, variable="rest", bins="thin", reliability=None)
        return spec


def chosen(statistics: Sequence[str] | Mapping[str, Statistic]) -> dict[str, Statistic]:
    """Statistics by name; a UsageError names the unknown one, or says that there is none."""
    if not statistics:
        raise UsageError("No statistic was asked for.", mend=f"Use {', '.join(STATISTICS)}.")
    if isinstance(statistics, Mapping):
        return dict(statistics)
    for name in statistics:
        if name not in STATISTICS:
            raise UsageError(f"Statistic '{name}' is unknown.", mend=f"Use {', '.join(STATISTICS)}.")
    return {name: STATISTICS[name] for name in statistics}


def _own_effect(moments: Moments) -> Values:
    sd = moments.sd
    return {"es_own": smd_kernel(moments)["smd"] / np.where(sd > 0, sd, np.nan)}


def _ordinal(draws: LayerDraws) -> Values:
    return draws.collect(lambda block: ordinal_statistics(draws.fits(block)))


def _location_scale(draws: LayerDraws) -> Values:
    return draws.collect(
        lambda block: location_scale_kernel(draws.blocks[block].counts, fits=draws.fits(block))
    )


def _with_correction(kernel: Callable[..., Values]) -> Callable[[LayerDraws], Values]:
    """POLYSIB: reliabilities are those of the resample; thin strata are merged as in the sample."""

    def run(draws: LayerDraws) -> Values:
        within, total = (draws.by_item(variance) for variance in (item_variance, match_variance))
        reliability = alpha_kernel(within, total, draws.matching)

        def block_values(number: int) -> Values:
            block, first = draws.blocks[number], draws.first[number]
            rows = []
            for j, item in enumerate(block.items):
                bins = thin_bins(_one(first.moments, (j, 0)))
                rows.append(kernel(_one(block.moments, j), reliability[item], bins=bins))
            return {name: np.stack([row[name] for row in rows]) for name in rows[0]}

        return draws.collect(block_values)

    return run


def _one(moments: Moments, place: int | tuple[int, int]) -> Moments:
    return replace(moments, n=moments.n[place], sums=moments.sums[place], squares=moments.squares[place])


STATISTICS: Mapping[str, Statistic] = {
    "mantel": Statistic(mantel_kernel, ("mantel_z",), "moments"),
    "smd": Statistic(smd_kernel, ("smd",), "moments"),
    "es": Statistic(_own_effect, ("es_own",), "moments"),
    "liu_agresti": Statistic(liu_agresti_kernel, ("la_log_or",)),
    "gmh": Statistic(gmh_kernel, ("gmh_chi2",)),
    "ordinal": Statistic(
        _ordinal,
        ("lr_total", "lr_uniform", "lr_nonuniform", "nagelkerke_change", "group_effect", "group_by_match"),
        "layer",
        "values",
    ),
    "location_scale": Statistic(_location_scale, ("scale_lr", "scale_effect"), "layer", "values"),
    "adjacent": Statistic(adjacent_kernel, ("adjacent_group_effect",), "counts", "values"),
    "polysib": Statistic(_with_correction(polysib_kernel), ("polysib_beta",), "layer", "rest"),
    "crossing_polysib": Statistic(_with_correction(crossing_polysib_kernel), ("csib_beta",), "layer", "rest"),
    "mantel_haenszel": Statistic(mantel_haenszel_kernel, ("mh_log_or", "mh_delta")),
    "standardisation": Statistic(standardisation_kernel, ("std_p_dif",), "moments"),
}
