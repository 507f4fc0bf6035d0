"""psyalign: fair machine scoring of constructed responses, aligned with rater feedback."""

__version__ = "0.1.0"
