"""The fairness terms of [align] in a run: what reaches the training, and what the manifest says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from psyalign.foundation.tables import read_table
from psyalign.pipeline import study_run
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages import align as align_stage
from psyalign.pipeline.stages.summaries import _described

Change = Callable[..., None]
Perform = Callable[..., Run]


def test_fairness_terms_reach_the_training_and_the_manifest(
    small_study: Path, change: Change, perform: Perform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Persons are matched on the panel's total over both items, which the audit's matching also is."""
    change(small_study, "max_train_responses = 16", "max_train_responses = 4")
    change(
        small_study,
        "ppo_inner = 2",
        """ppo_inner = 2
arms = ["baseline", "refit", "dpo+equivalence"]
equivalence = "expected"
equivalence_guard = 0
dif_penalty = 2
parity_penalty = 0.5""",
    )
    seen: dict[str, Any] = {}

    def watched(scorer: Any, objective: Any, feedback: Any, pairs: Any, settings: Any, **rest: Any) -> Any:
        seen[rest["label"]] = (feedback, settings)
        return []

    monkeypatch.setattr(align_stage, "align", watched)
    run = perform(small_study, "data", "sft", "feedback", "reward", "align/refit", "align/dpo+equivalence")
    feedback, settings = seen["refit"]
    assert (settings.equivalence, settings.equivalence_guard) == ("expected", 0)
    assert (settings.dif_penalty, settings.parity_penalty) == (2, 0.5)
    ratings = read_table(run.path("data", "ratings.parquet"))
    total = ratings[ratings["rater"] == "panel"].groupby("person")["score"].sum()
    found = pd.DataFrame({"stratum": feedback.strata, "total": feedback.responses["person"].map(total)})
    assert found["stratum"].notna().all()
    order = found.sort_values("total")["stratum"]  # totals, or neighbouring totals merged
    assert order.is_monotonic_increasing
    assert (found.groupby("total")["stratum"].nunique() == 1).all()
    warnings = study_run._manifest(run, {}, "now")["warnings"]
    assert sum("from −.36 to +.19" in text for text in warnings) == 1
    assert sum("QWK fell from .78 to .44" in text for text in warnings) == 1
    what = _described(run, "dpo+equivalence")[1]
    assert "with the equivalence term" in what and "equivalence = expected" in what
    assert "equivalence =" not in _described(run, "refit")[1]
