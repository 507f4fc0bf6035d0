"""The few numbers of a run that the terminal shows; the report has all of them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from psyalign.foundation.tables import read_table

__all__ = ["arm_summary"]


def arm_summary(run: Path) -> pd.DataFrame:
    """One row per arm (and grouping, where there are several), from the tables of a finished run.

    Parameters
    ----------
    run : Path
        The run's folder.

    Returns
    -------
    DataFrame
        Columns arm, qwk, r, one mean ES and largest |ES| per grouping (against the human SD, focal
        minus reference), optimality gap (where the run has a reward model), origin. Arms in the order of the
        agreement table.

    Raises
    ------
    DataError
        A table of the run is missing.
    """
    agreement = _table(run, "agreement")
    whole = agreement[agreement["grouping"] == "all"].set_index("arm")
    out = whole[["qwk", "r"]].copy()
    effects = _table(run, "dif_summary")
    effects = effects[effects["sd_kind"] == "human"]
    for grouping, rows in effects.groupby("grouping", sort=False):
        by_arm = rows.set_index("arm")
        out[f"mean ES {grouping}"] = by_arm["mean_es"].reindex(out.index)
        out[f"max |ES| {grouping}"] = by_arm["max_abs_es"].reindex(out.index)
    arms = _table(run, "arms").set_index("arm")
    gaps = arms["optimality_gap"].reindex(out.index)
    if gaps.notna().any():
        out["optimality gap"] = gaps
    out["origin"] = whole["origin"]
    return out.reset_index()


def _table(run: Path, name: str) -> pd.DataFrame:
    return read_table(run / "tables" / f"{name}.parquet")
