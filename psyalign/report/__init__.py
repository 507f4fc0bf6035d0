"""Reports: what a run found, for a client, a technical committee or an auditor.

A report reads only the run's manifest and tables. It needs no model and no response text.
"""

from __future__ import annotations

from psyalign.report.build import build_report
from psyalign.report.documents import FORMATS

__all__ = ["FORMATS", "build_report"]
