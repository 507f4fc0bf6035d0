"""Stage "tables": agreement, DIF, wording effect and diagnostics of every arm on the audit persons."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from psyalign.agreement import agreement_table, bootstrap_agreement
from psyalign.foundation.seeds import derive_seed
from psyalign.foundation.tables import write_parquet
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.ai_feedback import ai_feedback_table
from psyalign.pipeline.stages.asked import asked_table
from psyalign.pipeline.stages.audit import Audit, read_audit
from psyalign.pipeline.stages.choice import choice_table
from psyalign.pipeline.stages.denied import denied_table
from psyalign.pipeline.stages.diagnostics import diagnostic_tables
from psyalign.pipeline.stages.dif import dif_tables
from psyalign.pipeline.stages.gates import gate_table
from psyalign.pipeline.stages.summaries import summary_tables
from psyalign.pipeline.stages.validity import validity_tables
from psyalign.pipeline.stages.wording import wording_tables
from psyalign.study import Gates

__all__ = ["work"]


def work(run: Run, folder: Path) -> Mapping[str, Any]:
    """Write every table that the report reads."""
    audit, warnings = read_audit(run)
    frames = _frames(run, audit)
    agreement = _agreement(run, frames)
    gates = run.study.gates or Gates()
    tables = {
        **agreement,
        **dif_tables(run, audit, warnings),
        **wording_tables(run, audit.human),
        **summary_tables(run, audit),
        **diagnostic_tables(run, audit, agreement["agreement_intervals"]),
        **choice_table(run),
        **ai_feedback_table(run),
        **asked_table(run),
        **denied_table(run),
        **validity_tables(run, audit, frames, gates),
    }
    tables["gates"] = gate_table(run, audit, tables, gates)
    origin = run.facts("data")["origin"]
    for name, table in tables.items():
        write_parquet(folder / f"{name}.parquet", table.assign(origin=origin))
    return {"tables": sorted(tables), "warnings": warnings}


def _frames(run: Run, audit: Audit) -> dict[str, pd.DataFrame]:
    """By arm: human, modal and expected score of each response, with the person's attributes."""
    attributes = audit.persons[["person", *run.study.groups]]
    frames = {}
    for arm, scores in audit.arms.items():
        frame = scores.merge(audit.human, on=["person", "item"]).rename(columns={"score": "human"})
        frames[arm] = frame[["person", "item", "human", "modal", "expected"]].merge(attributes, on="person")
    return frames


def _agreement(run: Run, frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    by = {name: (group.reference, group.focal) for name, group in run.study.groups.items()}
    tables = [agreement_table(frame, by).assign(arm=arm) for arm, frame in frames.items()]
    intervals = bootstrap_agreement(
        frames,
        replicates=run.study.dif.bootstrap,
        seed=derive_seed(run.study.study.seed, "agreement"),
    )
    return {"agreement": pd.concat(tables, ignore_index=True), "agreement_intervals": intervals}
