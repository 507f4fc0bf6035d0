"""Response, rating and person tables: loading, checks, splits, simulation, planted bias."""

from psyalign.responses.dataset import (
    ORIGIN_PLANTED,
    ORIGIN_REAL,
    ORIGIN_SIMULATED,
    Dataset,
    alternate_id,
    empty_alternates,
    response_id,
)
from psyalign.responses.load import load_dataset, load_responses, load_wordings
from psyalign.responses.mindca import import_mindca
from psyalign.responses.phrases import PhraseBank, load_phrases
from psyalign.responses.plant import plant_wording
from psyalign.responses.scores import final_scores
from psyalign.responses.simulate import simulate_sjt
from psyalign.responses.split import split_persons
from psyalign.responses.wording import render, rendering_summary

__all__ = [
    "ORIGIN_PLANTED",
    "ORIGIN_REAL",
    "ORIGIN_SIMULATED",
    "Dataset",
    "PhraseBank",
    "alternate_id",
    "empty_alternates",
    "final_scores",
    "import_mindca",
    "load_dataset",
    "load_phrases",
    "load_responses",
    "load_wordings",
    "plant_wording",
    "render",
    "rendering_summary",
    "response_id",
    "simulate_sjt",
    "split_persons",
]
