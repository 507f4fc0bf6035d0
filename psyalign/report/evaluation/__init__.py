"""The evaluation of scores from any engine, without a study or a model: what `psyalign evaluate` makes."""

from __future__ import annotations

from psyalign.report.evaluation.build import write_evaluation
from psyalign.report.evaluation.given import Columns, Given, ScoreRange, read_given
from psyalign.report.evaluation.measures import Asked, Measured, measure

__all__ = [
    "Asked",
    "Columns",
    "Given",
    "Measured",
    "ScoreRange",
    "measure",
    "read_given",
    "write_evaluation",
]
