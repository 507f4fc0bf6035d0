"""Two runs side by side: what was asked, what went in, what came out, with tests where they are possible.

Where the same responses of the same persons were scored in both runs, differences are paired and get
intervals; elsewhere the two figures stand side by side, each with its own interval, and nothing is tested.
"""

from __future__ import annotations

from psyalign.report.comparison.build import write_comparison
from psyalign.report.comparison.compared import Compared, Plan, compare_runs

__all__ = ["Compared", "Plan", "compare_runs", "write_comparison"]
