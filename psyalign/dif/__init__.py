"""Differential item functioning from tables of counts: focal minus reference, everywhere."""

from psyalign.dif.analyse import analyse
from psyalign.dif.comparison.change import compare
from psyalign.dif.comparison.status import STATUSES, item_status
from psyalign.dif.counts.cells import Cells, cells
from psyalign.dif.judgement.classes import adjust_p, classify_es
from psyalign.dif.matching.strata import Matching, bin_strata, matching_strata, total_score
from psyalign.dif.methods.mantel import mantel
from psyalign.dif.methods.ordinal import ordinal
from psyalign.dif.methods.smd import smd
from psyalign.dif.result import DifResult
from psyalign.dif.whole.bootstrap import bootstrap_es

__all__ = [
    "STATUSES",
    "Cells",
    "DifResult",
    "Matching",
    "adjust_p",
    "analyse",
    "bin_strata",
    "bootstrap_es",
    "cells",
    "classify_es",
    "compare",
    "item_status",
    "mantel",
    "matching_strata",
    "ordinal",
    "smd",
    "total_score",
]
