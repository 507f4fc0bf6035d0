"""Differential item functioning from tables of counts: focal minus reference, everywhere.

`screen` tests all items of a `ScoreMatrix` or `ScoreFile`. Underneath, a source counts `Cells`,
and each method is a function from cells to a `DifResult`: ``mantel(cells)`` and friends.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psyalign.dif.analysis import analyse
    from psyalign.dif.comparison.change import compare
    from psyalign.dif.comparison.sets import compare_sets
    from psyalign.dif.comparison.status import STATUSES, item_status
    from psyalign.dif.counts.cells import Cells, cells
    from psyalign.dif.counts.files import ScoreFile
    from psyalign.dif.counts.matrix import ScoreMatrix
    from psyalign.dif.counts.source import ScoreSource
    from psyalign.dif.judgement.classes import adjust_p, classify_es, classify_ets
    from psyalign.dif.judgement.detectable import detectable_by_group, left_out, minimum_detectable
    from psyalign.dif.judgement.equivalence import equivalent
    from psyalign.dif.judgement.shrinkage import shrink
    from psyalign.dif.judgement.size import judge_sizes
    from psyalign.dif.matching.purify import Purification, purify
    from psyalign.dif.matching.reliability import alpha_by_group
    from psyalign.dif.matching.spec import MatchSpec
    from psyalign.dif.matching.strata import Matching, bin_strata, matching_strata, total_score
    from psyalign.dif.method_table import METHODS, battery
    from psyalign.dif.methods.adjacent import adjacent
    from psyalign.dif.methods.breslow_day import breslow_day
    from psyalign.dif.methods.crossing import crossing_polysib
    from psyalign.dif.methods.gmh import generalised_mantel, gmh
    from psyalign.dif.methods.liu_agresti import liu_agresti
    from psyalign.dif.methods.location_scale import location_scale
    from psyalign.dif.methods.logistic import logistic
    from psyalign.dif.methods.mantel import mantel
    from psyalign.dif.methods.mantel_haenszel import mantel_haenszel
    from psyalign.dif.methods.ordinal import ordinal
    from psyalign.dif.methods.polysib import polysib
    from psyalign.dif.methods.smd import smd
    from psyalign.dif.methods.standardisation import standardisation
    from psyalign.dif.methods.thresholds import thresholds
    from psyalign.dif.rater_bias import rater_error
    from psyalign.dif.result import DifResult
    from psyalign.dif.screening import ALL, Screening, Settings, screen
    from psyalign.dif.simulation.power import persons_needed, power
    from psyalign.dif.simulation.scores import simulate_grm
    from psyalign.dif.whole.bootstrap import bootstrap_es
    from psyalign.dif.whole.dtf import dtf
    from psyalign.dif.whole.intervals import bootstrap

__all__ = [
    "ALL",
    "METHODS",
    "STATUSES",
    "Cells",
    "DifResult",
    "MatchSpec",
    "Matching",
    "Purification",
    "ScoreFile",
    "ScoreMatrix",
    "ScoreSource",
    "Screening",
    "Settings",
    "adjacent",
    "adjust_p",
    "alpha_by_group",
    "analyse",
    "battery",
    "bin_strata",
    "bootstrap",
    "bootstrap_es",
    "breslow_day",
    "cells",
    "classify_es",
    "classify_ets",
    "compare",
    "compare_sets",
    "crossing_polysib",
    "detectable_by_group",
    "dtf",
    "equivalent",
    "generalised_mantel",
    "gmh",
    "item_status",
    "judge_sizes",
    "left_out",
    "liu_agresti",
    "location_scale",
    "logistic",
    "mantel",
    "mantel_haenszel",
    "matching_strata",
    "minimum_detectable",
    "ordinal",
    "persons_needed",
    "polysib",
    "power",
    "purify",
    "rater_error",
    "screen",
    "shrink",
    "simulate_grm",
    "smd",
    "standardisation",
    "thresholds",
    "total_score",
]

# Where each name lives. It is loaded when it is first asked for: who takes one method does not wait for
# all of them. No module of this package is called as a name that stands here: importing it would put the
# module in the function's place.
_HOMES = {
    name: home
    for home, names in {
        "analysis": ("analyse",),
        "comparison.change": ("compare",),
        "comparison.sets": ("compare_sets",),
        "comparison.status": ("STATUSES", "item_status"),
        "counts.cells": ("Cells", "cells"),
        "counts.files": ("ScoreFile",),
        "counts.matrix": ("ScoreMatrix",),
        "counts.source": ("ScoreSource",),
        "judgement.classes": ("adjust_p", "classify_es", "classify_ets"),
        "judgement.detectable": ("detectable_by_group", "left_out", "minimum_detectable"),
        "judgement.equivalence": ("equivalent",),
        "judgement.shrinkage": ("shrink",),
        "judgement.size": ("judge_sizes",),
        "matching.purify": ("Purification", "purify"),
        "matching.reliability": ("alpha_by_group",),
        "matching.spec": ("MatchSpec",),
        "matching.strata": ("Matching", "bin_strata", "matching_strata", "total_score"),
        "method_table": ("METHODS", "battery"),
        "methods.adjacent": ("adjacent",),
        "methods.breslow_day": ("breslow_day",),
        "methods.crossing": ("crossing_polysib",),
        "methods.gmh": ("generalised_mantel", "gmh"),
        "methods.liu_agresti": ("liu_agresti",),
        "methods.location_scale": ("location_scale",),
        "methods.logistic": ("logistic",),
        "methods.mantel": ("mantel",),
        "methods.mantel_haenszel": ("mantel_haenszel",),
        "methods.ordinal": ("ordinal",),
        "methods.polysib": ("polysib",),
        "methods.smd": ("smd",),
        "methods.standardisation": ("standardisation",),
        "methods.thresholds": ("thresholds",),
        "rater_bias": ("rater_error",),
        "result": ("DifResult",),
        "screening": ("ALL", "Screening", "Settings", "screen"),
        "simulation.power": ("persons_needed", "power"),
        "simulation.scores": ("simulate_grm",),
        "whole.bootstrap": ("bootstrap_es",),
        "whole.dtf": ("dtf",),
        "whole.intervals": ("bootstrap",),
    }.items()
    for name in names
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # a checker would take any name for one that is there

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return found
