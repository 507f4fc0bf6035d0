"""Group differences in machine errors as RSMTool defines them: OSA, OSD and CSD.

CSD conditions on one noisy human score and flags fair machines where groups differ in ability: read it beside
`psyalign.dif.rater_error`, which takes the error out and whose null rates are published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import fdtrc, stdtr, stdtrit

from psyalign.agreement.sums import NOTHING, ratio
from psyalign.foundation.errors import DataError, UsageError

__all__ = ["FAIRNESS", "ErrorCells", "Fairness", "error_cells", "fairness", "fairness_kernel"]

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

FAIRNESS = ("OSA", "OSD", "CSD")


@dataclass(frozen=True, repr=False)
class Fairness:
    """Result of `fairness`.

    Attributes
    ----------
    table : pandas.DataFrame
        One row each for OSA, OSD, CSD: metric, r2 (adjusted; of CSD the gain over the human score
        alone), f, df1, df2, p, base, n, reason.
    estimates : pandas.DataFrame
        metric, level, estimate, se, t, p, low, high: of the base level the intercept, of the others
        the difference from it. Ordinary least squares: responses taken as independent.
    """

    table: pd.DataFrame
    estimates: pd.DataFrame

    def __repr__(self) -> str:
        shown = [part.to_string(float_format=lambda v: f"{v:.3f}") for part in (self.table, self.estimates)]
        return "Machine minus human score by group (RSMTool)\n" + "\n".join(shown)


@dataclass(frozen=True)
class ErrorCells:
    """Sums by person and cell (human score × group) of 1, d, d² and d⁴, d = machine − human.

    Attributes
    ----------
    table : array (P, H * G * 4)
    points : array (H,)
        Human scores, the most frequent first.
    levels : list of str
        Groups, the base first.
    """

    table: Array
    points: Array
    levels: list[str]


def fairness(
    human: npt.ArrayLike,
    score: npt.ArrayLike,
    group: Sequence[object] | pd.Series,
    *,
    base: str | None = None,
    level: float = 0.95,
) -> Fairness:
    """Overall score accuracy (OSA), overall score difference (OSD), conditional score difference (CSD).

    OSA regresses the squared error on the group, OSD the error (machine − human), CSD the error on the
    group and the human score, both as categories, against the human score alone.

    Parameters
    ----------
    human, score : array_like, shape (n,)
    group : sequence, shape (n,)
        Rows with a missing group or score are left out.
    base : str, optional
        Level that the others are compared with; default the largest (ties: the first in
        alphabetical order), as in RSMTool.
    level : float
        Coverage of the estimates' t intervals.

    Raises
    ------
    DataError
        Columns of different length.
    UsageError
        Unknown base; level out of range.

    References
    ----------
    Loukina, A., Madnani, N., & Zechner, K. (2019). The many dimensions of algorithmic fairness in
    educational applications. BEA 14, 1-10.
    """
    if not 0 < level < 1:
        raise UsageError("The coverage of an interval lies between 0 and 1.", where="level")
    h, m = (np.asarray(values, dtype=float).ravel() for values in (human, score))
    cells = error_cells(h, m, group, np.zeros(len(h), dtype=np.int64), 1, base=base)
    found = {name: value[0] for name, value in fairness_kernel(cells, np.ones((1, 1))).items()}
    rows, estimates = [], []
    for metric in FAIRNESS:
        f, df1, df2 = (float(found[f"{metric}_{name}"]) for name in ("f", "df1", "df2"))
        reason = _reason(cells, df1, df2, f)
        row = {"metric": metric, "r2": found[f"{metric}_r2"], "f": f, "df1": df1, "df2": df2}
        p = float("nan") if reason else float(fdtrc(df1, df2, f))
        base_level = cells.levels[0] if cells.levels else ""
        rows.append({**row, "p": p, "base": base_level, "n": int(found["n"]), "reason": reason})
        estimates.append(_tests(metric, cells.levels, found, df2, level))
    return Fairness(pd.DataFrame(rows), pd.concat(estimates, ignore_index=True))


def error_cells(
    human: Array,
    score: Array,
    group: Sequence[object] | pd.Series,
    person: Codes,
    n_persons: int,
    *,
    base: str | None = None,
) -> ErrorCells:
    """Sums that `fairness_kernel` takes; categories ordered as RSMTool orders them."""
    names = pd.Series(group).reset_index(drop=True)
    if not len(human) == len(score) == len(names):
        raise DataError(
            "Scores and groups differ in number.", where=f"{len(human)}, {len(score)}, {len(names)}"
        )
    known = np.isfinite(human) & np.isfinite(score) & names.notna().to_numpy()
    h, d, who = human[known], (score - human)[known], person[known]
    label = names[known].astype(str).to_numpy(dtype=object)
    points, h_code = _by_size(h)
    distinct, g_code = _by_size(label)
    levels = [str(name) for name in distinct]
    if base is not None:
        if base not in levels:
            raise UsageError(
                f"There is no group '{base}'.", where="base", mend=f"There are: {', '.join(levels)}."
            )
        at = levels.index(base)
        order = np.array([at, *(place for place in range(len(levels)) if place != at)])
        levels, g_code = [levels[place] for place in order], np.argsort(order)[g_code]
    size = max(len(points), 1) * max(len(levels), 1)
    cell = who * size + h_code * len(levels) + g_code
    sums = [
        np.bincount(cell, weights=column, minlength=n_persons * size).reshape(n_persons, size)
        for column in (np.ones_like(d), d, d * d, d**4)
    ]
    table = np.asarray(np.stack(sums, axis=2).reshape(n_persons, -1), dtype=np.float64)
    return ErrorCells(table, np.asarray(points, dtype=np.float64), levels)


def _by_size(values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Codes]:
    """Distinct values, the most frequent first, ties sorted; and the code of each value."""
    distinct, code, count = np.unique(values, return_inverse=True, return_counts=True)
    order = np.argsort(-count, kind="stable")
    return distinct[order], np.argsort(order)[code].astype(np.int64)


def fairness_kernel(cells: ErrorCells, weights: Array) -> dict[str, Array]:
    """The three models for each row of person weights (B, P).

    Returns
    -------
    dict
        n, and for each of `FAIRNESS` <metric>_r2, _f, _df1, _df2 (B,), and _estimate, _se (B, G):
        base level's intercept, others' differences; NaN where undefined or where a resample
        has nobody of a level.
    """
    n_h, n_g = len(cells.points), len(cells.levels)
    total = (weights @ cells.table).reshape(len(weights), max(n_h, 1), max(n_g, 1), 4)
    n, d, dd, d4 = np.moveaxis(total, 3, 0)
    size = n.sum(axis=(1, 2))
    out = {"n": size}
    alone = _fit(n, d, dd.sum(axis=(1, 2)), by_group=False, by_human=True)
    for metric, (y, yy) in {"OSA": (dd, d4), "OSD": (d, dd), "CSD": (d, dd)}.items():
        square = yy.sum(axis=(1, 2))
        fit = _fit(n, y, square, by_group=True, by_human=metric == "CSD")
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = square - y.sum(axis=(1, 2)) ** 2 / size
            df1 = fit.rank - (alone.rank if metric == "CSD" else 1)
            start = alone.rest if metric == "CSD" else spread
            free = np.where(size > fit.rank, size - fit.rank, np.nan)
            mean_square = ratio(spread, size - 1)
            r2 = 1 - ratio(fit.rest / free, mean_square)
            if metric == "CSD":
                r2 = r2 - (1 - ratio(alone.rest / (size - alone.rank), mean_square))
            f = ratio((start - fit.rest) / np.where(df1 > 0, df1, np.nan), fit.rest / free)
            se = np.sqrt(fit.unscaled * (np.maximum(fit.rest, 0) / free)[:, None])
        figures = {"r2": r2, "f": f, "df1": df1, "df2": free, "estimate": fit.estimate, "se": se}
        out |= {f"{metric}_{name}": value for name, value in figures.items()}
    return out


@dataclass(frozen=True)
class _Fitted:
    """Least squares from cells: estimates, their unscaled variances (B, G), rest sum of squares, rank."""

    estimate: Array
    unscaled: Array
    rest: Array
    rank: Array


def _fit(n: Array, y: Array, square: Array, *, by_group: bool, by_human: bool) -> _Fitted:
    """Additive model of treatment contrasts on cells (B, H, G)."""
    draws, n_h, n_g = n.shape
    rows = [np.ones((n_h, n_g))]
    if by_group:
        rows += [np.tile(np.arange(n_g) == level, (n_h, 1)).astype(float) for level in range(1, n_g)]
    if by_human:
        rows += [
            np.tile((np.arange(n_h) == point)[:, None], (1, n_g)).astype(float) for point in range(1, n_h)
        ]
    design = np.stack([row.ravel() for row in rows])
    flat_n, flat_y = n.reshape(draws, -1), y.reshape(draws, -1)
    normal = np.einsum("ic,bc,jc->bij", design, flat_n, design)
    right = flat_y @ design.T
    inverse = np.linalg.pinv(normal, rcond=1e-12, hermitian=True)
    beta = np.einsum("bij,bj->bi", inverse, right)
    # second pass: the rest of the first, so that digits are not lost
    beta = beta + np.einsum("bij,bj->bi", inverse, right - np.einsum("bij,bj->bi", normal, beta))
    rank = np.linalg.matrix_rank(normal, rtol=1e-12, hermitian=True).astype(float)
    rest = square - np.einsum("bi,bi->b", beta, right)
    width = n_g if by_group else 1
    missing = n.sum(axis=1)[:, :width] == 0
    missing = missing | missing[:, :1]
    estimate = np.where(missing, np.nan, beta[:, :width])
    unscaled = np.where(missing, np.nan, np.diagonal(inverse, axis1=1, axis2=2)[:, :width])
    return _Fitted(estimate, unscaled, rest, rank)


def _tests(metric: str, levels: list[str], found: dict[str, Array], df: float, level: float) -> pd.DataFrame:
    estimate, se = found[f"{metric}_estimate"], found[f"{metric}_se"]
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.where(se > NOTHING, estimate / se, np.nan)
        reach = stdtrit(df, (1 + level) / 2) * se
        tests = {"t": t, "p": 2 * stdtr(df, -np.abs(t)), "low": estimate - reach, "high": estimate + reach}
    names = levels or [""]
    return pd.DataFrame({"metric": metric, "level": names, "estimate": estimate, "se": se, **tests})


def _reason(cells: ErrorCells, df1: float, df2: float, f: float) -> str:
    if not len(cells.points):
        return "no row has a group and both scores"
    if len(cells.levels) < 2:
        return "there is only one group"
    if not df1 > 0:
        return "groups and human scores cannot be told apart"
    if not df2 > 0:
        return "too few responses"
    return "" if np.isfinite(f) else "the errors do not vary"
