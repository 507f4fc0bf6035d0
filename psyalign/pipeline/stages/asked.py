"""What the run's score feedback asks to change for each group: part of the stage "tables"."""

from __future__ import annotations

import numpy as np
import pandas as pd

from psyalign.feedback import asked_change
from psyalign.foundation.tables import read_table
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import group_of, read_persons, read_scores, read_texts
from psyalign.pipeline.stages.matrices import matrix

__all__ = ["asked_table"]

FEEDBACK, CRITERION, BASELINE = "feedback", "criterion", "baseline"


def asked_table(run: Run) -> dict[str, pd.DataFrame]:
    """The feedback's scores against the baseline's and the criterion's, by group.

    Returns
    -------
    dict of str to DataFrame
        "asked": grouping, scores, against, and the fields of `AskedChange`. Of the criterion only if
        feedback persons have such scores and the feedback's are others. No table without score feedback.
    """
    scores = read_table(run.path("feedback", "scores.parquet"))
    if not len(scores):
        return {}
    texts = read_texts(run)[["response_id", "person", "item"]]
    judged = scores[["response_id", "score"]].merge(texts, on="response_id", validate="one_to_one")
    probabilities = np.exp(matrix(run.path("reward", "reference.parquet"), judged["response_id"]))
    judged[BASELINE] = probabilities @ np.arange(probabilities.shape[1])
    judged = judged.rename(columns={"score": FEEDBACK})
    criterion = read_scores(run, "criterion", "feedback")[["person", "item", "score"]]
    both = judged.merge(criterion.rename(columns={"score": CRITERION}), on=["person", "item"])
    compared = [(judged, FEEDBACK, BASELINE)]
    if len(both) and (both[FEEDBACK] != both[CRITERION]).any():
        compared += [(both, CRITERION, BASELINE), (both, FEEDBACK, CRITERION)]
    persons, rows = read_persons(run), []
    for name in run.study.groups:
        groups = group_of(run, name, persons)
        for table, first, second in compared:
            group = table["person"].map(groups)
            known = table[group.notna()]
            found = asked_change(
                known[first] - known[second],
                group[group.notna()] == "focal",
                known["item"],
                known["person"],
            )
            rows.append({"grouping": name, "scores": first, "against": second} | found._asdict())
    return {"asked": pd.DataFrame(rows)}
