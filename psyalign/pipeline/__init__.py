"""From a study file to the tables of a run, stage by stage, resumable."""

from psyalign.pipeline.data import load_study_bank, load_study_data
from psyalign.pipeline.study_run import run_study, score_responses

__all__ = ["load_study_bank", "load_study_data", "run_study", "score_responses"]
