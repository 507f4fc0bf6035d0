"""How well a scorer agrees with human scores: overall, by group, difference, with intervals."""

from psyalign.agreement.bootstrap import bootstrap_agreement
from psyalign.agreement.metrics import METRICS, agreement
from psyalign.agreement.table import agreement_table

__all__ = ["METRICS", "agreement", "agreement_table", "bootstrap_agreement"]
