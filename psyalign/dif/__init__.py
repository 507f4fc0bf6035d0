"""Differential item functioning from tables of counts: focal minus reference, everywhere.

`screen` tests all items of a `ScoreMatrix` or `ScoreFile`. Underneath, a source counts `Cells`,
and each method is a function from cells to a `DifResult`: ``mantel(cells)`` and friends.
"""

from psyalign.dif.analyse import analyse
from psyalign.dif.battery import METHODS, battery
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
from psyalign.dif.rater_error import rater_error
from psyalign.dif.result import DifResult
from psyalign.dif.screen import ALL, Screening, Settings, screen
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
