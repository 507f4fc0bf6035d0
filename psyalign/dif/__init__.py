"""Differential item functioning from tables of counts: focal minus reference, everywhere."""

from psyalign.dif.analyse import analyse
from psyalign.dif.bootstrap import bootstrap_es
from psyalign.dif.cells import Cells, cells
from psyalign.dif.classify import adjust_p, classify_es
from psyalign.dif.compare import compare
from psyalign.dif.mantel import mantel
from psyalign.dif.matching import Matching, bin_strata, matching_strata, total_score
from psyalign.dif.ordinal import ordinal
from psyalign.dif.result import DifResult
from psyalign.dif.smd import smd
from psyalign.dif.status import STATUSES, item_status

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
