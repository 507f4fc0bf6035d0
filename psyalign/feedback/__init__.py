"""Feedback of raters: records, where they come from, and whether they hang together."""

from psyalign.feedback.derive import from_panel, from_second_scoring, limit_records
from psyalign.feedback.equivalences import equivalences_from_alternates, equivalences_from_matched_answers
from psyalign.feedback.graph import GraphReport, check_graph, check_records
from psyalign.feedback.jsonl import read_records, write_records
from psyalign.feedback.records import Equivalence, Rating, Record, ResponsePreference, ScorePreference
from psyalign.feedback.sources import AI, is_ai, one_pair_only, refuse_mixture
from psyalign.feedback.tables import equivalence_table, preference_table, rating_table

__all__ = [
    "AI",
    "Equivalence",
    "GraphReport",
    "Rating",
    "Record",
    "ResponsePreference",
    "ScorePreference",
    "check_graph",
    "check_records",
    "equivalence_table",
    "equivalences_from_alternates",
    "equivalences_from_matched_answers",
    "from_panel",
    "from_second_scoring",
    "is_ai",
    "limit_records",
    "one_pair_only",
    "preference_table",
    "rating_table",
    "read_records",
    "refuse_mixture",
    "write_records",
]
