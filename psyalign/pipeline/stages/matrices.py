"""Tables with a row for each response and a column for each score point, as a run keeps them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from psyalign.foundation.tables import read_table, write_parquet

__all__ = ["expected_scores", "matrix", "member_matrices", "write_matrix", "write_members"]


def write_matrix(path: Path, ids: pd.Series, values: np.ndarray) -> None:
    """Keep an (N, K) matrix, by response."""
    table = pd.DataFrame(values, columns=[f"s{score}" for score in range(values.shape[1])])
    table.insert(0, "response_id", ids.to_numpy())
    write_parquet(path, table)


def write_members(path: Path, ids: pd.Series, rewards: np.ndarray) -> None:
    """Keep the members' rewards (M, N, K): response_id, member (from 1), s0, s1 …"""
    tables = [
        pd.DataFrame(values, columns=[f"s{score}" for score in range(values.shape[1])]).assign(
            response_id=ids.to_numpy(), member=member
        )
        for member, values in enumerate(rewards, start=1)
    ]
    table = pd.concat(tables, ignore_index=True)
    write_parquet(path, table[["response_id", "member", *tables[0].columns[:-2]]])


def matrix(path: Path, ids: pd.Series) -> np.ndarray:
    """Rows of a kept (N, K) matrix, in the order of `ids`."""
    table = read_table(path).set_index("response_id")
    return np.asarray(table.loc[ids].to_numpy(float))


def expected_scores(path: Path, ids: pd.Series) -> np.ndarray:
    """Expected scores (N,) from kept log-probabilities, in the order of `ids`."""
    probabilities = np.exp(matrix(path, ids))
    return np.asarray(probabilities @ np.arange(probabilities.shape[1]))


def member_matrices(path: Path, ids: pd.Series) -> np.ndarray:
    """What `write_members` kept, (M, N, K), responses in the order of `ids`."""
    table = read_table(path)
    parts = (part.set_index("response_id").drop(columns="member") for _, part in table.groupby("member"))
    return np.stack([part.loc[ids].to_numpy(float) for part in parts])
