"""A screening as tables to print and drawings to keep."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from psyalign.cli.dif.output import Part
from psyalign.dif import Cells, ScoreMatrix, Screening, bootstrap, dtf
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.whole.dtf import expected_scores
from psyalign.dif.whole.statistics import STATISTICS
from psyalign.report.figures.dif_plots import DifPlots, write_dif_plots

__all__ = ["draw", "facts_of", "resampled_parts", "screening_parts"]

# What a person reads first; --json and --csv have every column.
SHOWN = (
    *("item", "focal", "n_reference", "n_focal", "smd", "se", "p_adjusted", "es", "es_class", "shown"),
    *("mantel_z", "la_log_or", "gmh_p", "lr_total_p", "nagelkerke_change", "scale_effect", "scale_p"),
    *("adjacent_lr_total_p", "polysib_beta", "polysib_p", "csib_p", "mh_delta", "ets_class", "std_p_dif"),
    *("bd_p", "logistic_lr_total_p", "reason"),
)
OMNIBUS = (
    *("item", "gm_chi2", "gm_df", "gm_p_adjusted", "gmh_chi2", "gmh_df", "gmh_p_adjusted"),
    *("lr_total", "lr_total_p_adjusted", "reason"),
)
# Of the intervals: sizes of effects, not test statistics.
EFFECTS = ("smd", "la_log_or", "group_effect", "scale_effect", "polysib_beta", "mh_log_or")


def screening_parts(found: Screening, name: str, match: str, origin: str) -> list[Part]:
    """Items, then what else there is: all groups at once, purification, steps, what was left out."""
    counts, settings = found.counts, found.settings
    sizes = _sizes(counts)
    who = ", ".join(f"{level} ({sizes[level]})" for level in counts.groups[1:])
    reference = counts.groups[0]
    title = (
        f"DIF by {name}: {who} minus {reference} ({sizes[reference]}), "
        f"matched on {match} in {found.n_strata} strata{f' · {origin} data' if origin else ''}"
    )
    legend = (
        f"es = SMD / SD of the item. Class AA: p ≥ {settings.alpha:g} or |es| ≤ {settings.moderate:g}, "
        f"BB: ≤ {settings.large:g}, CC: above.\np adjusted: {settings.correction}. shown: by two one-sided "
        f"tests at ±{settings.moderate:g}."
    )
    shown = [column for column in SHOWN if column != "focal" or len(counts.groups) > 2]
    parts = [Part("items", title, found.table, shown, legend)]
    if found.omnibus is not None:
        parts.append(Part("omnibus", "All groups at once", found.omnibus, OMNIBUS))
    if found.purification is not None:
        path = found.purification.table.reset_index()
        parts.append(Part("purification", str(found.purification), path, list(map(str, path))))
    parts.append(Part("steps", "Threshold effects", found.steps))
    left = found.left_out
    parts.append(Part("left_out", "Left out", left, ("item", "group", "n", "reason")))
    return parts


def _sizes(counts: Cells) -> dict[str, int]:
    """Persons of each group on the item that has most of them."""
    n = [np.bincount(found.group, found.count, len(counts.groups)) for found in counts.by_item.values()]
    return dict(zip(counts.groups, np.max(n, axis=0).astype(int).tolist(), strict=True))


def facts_of(found: Screening, match: str) -> dict[str, Any]:
    """What was asked, and how it was done."""
    spec, settings = found.spec, found.settings
    return {
        "groups": list(found.counts.groups),
        "match": match,
        "strata": {"bins": spec.bins, "n": found.n_strata, "reliability": spec.reliability},
        "anchors": list(spec.anchors) if spec.anchors is not None else None,
        "methods": list(settings.methods),
        "alpha": settings.alpha,
        "correction": settings.correction,
        "es_thresholds": [settings.moderate, settings.large],
        "notes": list(found.notes),
    }


def resampled_parts(matrix: ScoreMatrix, found: Screening, replicates: int, seed: int) -> list[Part]:
    """Intervals of the methods' statistics, and the whole test."""
    names = [name for name in found.settings.methods if name in STATISTICS]
    if found.spec.variable == "external":  # POLYSIB's reliability could not be resampled
        names = [name for name in names if STATISTICS[name].strata != "rest"]
    level = 1 - found.settings.alpha
    settings: dict[str, Any] = {"replicates": replicates, "seed": seed, "level": level}
    intervals, whole = [], []
    for focal in matrix.groups[1:]:
        pair = matrix.pair(focal)
        intervals.append(bootstrap(pair, names, found.spec, **settings).table.assign(focal=focal))
        whole.append(dtf(pair, found.spec, **settings).table.reset_index().assign(focal=focal))
    table = pd.concat(intervals, ignore_index=True)
    effects = table[table["statistic"].isin(EFFECTS)]
    focal_shown = ("focal",) if len(matrix.groups) > 2 else ()
    columns = ("statistic", "value", "low", "high", "reason")
    head = (
        f"{level:.0%} intervals of effects from {replicates} resamples of persons; --json has all statistics"
    )
    title = f"The whole test: differential test functioning in score points ({replicates} resamples)"
    return [
        Part("intervals", "", table),
        Part("", head, effects, (*focal_shown, "item", *columns)),
        Part("whole_test", title, pd.concat(whole, ignore_index=True), (*focal_shown, "source", *columns)),
    ]


def draw(folder: Path, found: Screening, match: str, origin: str) -> None:
    """Forest, threshold effects, response curves and a page with all; says what was written on stderr."""
    several = len(found.counts.groups) > 2
    points = {item: found.counts.points(item) for item in found.counts.items}
    table = found.table.rename(columns={"es_low": "low", "es_high": "high"})
    odds = not several and "la_log_or" in table
    plots = DifPlots(
        effects={str(focal): rows for focal, rows in table.groupby("focal", sort=False)}
        if several
        else table,
        counts=points,
        curves=None if several else _curves(points),
        steps=None if several else found.steps,
        common=table.set_index("item")["la_log_or"] if odds else None,
        groups=found.counts.groups,
        matching=match,
        bands=(found.settings.moderate, found.settings.large),
        level=1 - found.settings.alpha,
        alpha=found.settings.alpha,
        origin=origin,
    )
    for path in write_dif_plots(folder, plots):
        print(f"wrote {path}", file=sys.stderr)


def _curves(points: Mapping[str, ItemCounts]) -> dict[str, Any]:
    """Expected scores of both groups by the cumulative-logit model, where it can be fitted."""
    found = {}
    for item, counts in points.items():
        if len(counts.score) > 1:
            expected, _ = expected_scores(counts)
            if np.isfinite(expected).all():
                found[item] = (counts.stratum, expected.T)
    return found
