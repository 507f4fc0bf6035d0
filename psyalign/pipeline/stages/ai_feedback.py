"""How far a model that judged in raters' place agrees with people on the same responses."""

from __future__ import annotations

import pandas as pd

from psyalign.feedback import Equivalence, Record, is_ai, read_records
from psyalign.judge import judge_agreement
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import read_persons, read_scores

__all__ = ["ai_feedback_table"]


def ai_feedback_table(run: Run) -> dict[str, pd.DataFrame]:
    """The table "ai_feedback" of `judge_agreement`; none where all feedback of the run is people's.

    The model's records that the run learned from are compared with the criterion scores of the feedback
    persons and with people's equivalences in the study's file, overall and by the groups of [groups].
    """
    used = [record for record in read_records(run.path("feedback", "records.jsonl")) if is_ai(record)]
    if not used:
        return {}
    scores = read_scores(run, "criterion", "feedback")
    persons = read_persons(run).set_index("person")
    groups = {
        name: dict(zip(scores["response_id"], scores["person"].map(persons[name]).astype("str"), strict=True))
        for name in run.study.groups
    }
    return {"ai_feedback": judge_agreement([*used, *_human_equivalences(run)], scores, groups)}


def _human_equivalences(run: Run) -> list[Record]:
    name = run.study.feedback.records
    listed = [] if name is None else read_records(run.study.file(name))
    return [record for record in listed if isinstance(record, Equivalence) and not is_ai(record)]
