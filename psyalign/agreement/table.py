"""Agreement in one shape: overall, by group, difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from psyalign.agreement.metrics import METRICS, agreement
from psyalign.foundation.errors import DataError
from psyalign.foundation.tables import require_columns

__all__ = ["agreement_table"]


def agreement_table(frame: pd.DataFrame, by: Mapping[str, tuple[str, str]] | None = None) -> pd.DataFrame:
    """Agreement overall and, for each attribute, by group and as a difference.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a response: person, item, human, modal, expected, and the attributes in `by`.
    by : mapping of str to (str, str), optional
        Attribute -> (reference level, focal level).

    Returns
    -------
    pandas.DataFrame
        Columns grouping, level, n_persons, n and the metrics of `agreement`. First row
        grouping "all", level "all"; then for each attribute the reference level, the
        focal level, and "difference" (focal minus reference; its n are of both). `smd`
        and `smd_pooled` of the groups are standardised by the whole frame's SDs, so
        that their difference is in one unit.

    Raises
    ------
    DataError
        Missing column, or a person x item twice.
    """
    attributes = dict(by or {})
    require_columns(frame, ["person", "item", "human", "modal", "expected", *attributes], "agreement")
    if frame.duplicated(["person", "item"]).any():
        raise DataError("A person and item is there twice.", where="agreement")
    known = frame[frame[["human", "modal", "expected"]].notna().all(axis=1)]
    sds = {
        "human_sd": float(known["human"].astype(float).std()),
        "expected_sd": float(known["expected"].astype(float).std()),
    }
    rows = [_row(known, "all", "all", sds)]
    for attribute, (reference, focal) in attributes.items():
        sides = [
            _row(known[known[attribute] == level], attribute, level, sds) for level in (reference, focal)
        ]
        rows += [*sides, _difference(*sides)]
    return pd.DataFrame(rows)


def _row(frame: pd.DataFrame, grouping: str, level: str, sds: dict[str, float]) -> dict[str, object]:
    scores = (frame[name].to_numpy(dtype=float) for name in ("human", "modal", "expected"))
    numbers = agreement(*scores, **sds)
    return {"grouping": grouping, "level": level, "n_persons": int(frame["person"].nunique()), **numbers}


def _difference(reference: dict[str, Any], focal: dict[str, Any]) -> dict[str, object]:
    counts = {name: reference[name] + focal[name] for name in ("n_persons", "n")}
    values = {name: focal[name] - reference[name] for name in METRICS}
    return {"grouping": focal["grouping"], "level": "difference", **counts, **values}
