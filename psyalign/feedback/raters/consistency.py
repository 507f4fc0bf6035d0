"""One rater's own consistency: questions that were asked again, and answers given too fast to be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from psyalign.foundation.errors import DataError
from psyalign.foundation.tables import read_table, require_columns

__all__ = ["FAST_MOST", "FAST_SHARE", "read_times", "repeat_consistency", "speed", "wilson"]

REPEAT_COLUMNS = ("rater", "repeats", "consistent", "consistent_low", "consistent_high", "repeat_kappa")
SPEED_COLUMNS = ("rater", "timed", "seconds", "fast")
Z_95 = 1.959964
# Too fast: below a tenth of the usual time for the kind of question, and below ten seconds in any case.
FAST_SHARE, FAST_MOST = 0.1, 10.0


def wilson(count: int, n: int) -> tuple[float, float]:
    """95% interval of a share (Wilson, 1927, Journal of the American Statistical Association 22, 209–212).

    Examples
    --------
    >>> [round(limit, 3) for limit in wilson(9, 10)]
    [0.596, 0.982]
    """
    if not n:
        return float("nan"), float("nan")
    share, z2 = count / n, Z_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def repeat_consistency(answers: pd.DataFrame) -> pd.DataFrame:
    """Whether raters answer the same question the same way when it comes again.

    Parameters
    ----------
    answers : DataFrame
        Columns kind, question, rater, answer, in the order in which they were given. A rater's second
        answer to a question is its repeat; a third is left out.

    Returns
    -------
    DataFrame
        One row per rater with an answer: rater, repeats, consistent (share of them with the first answer),
        consistent_low and consistent_high (95%, Wilson), repeat_kappa: Cohen's κ of first and second
        answers, within each kind of question, the agreement observed and expected summed over
        the kinds; NaN without repeats, or where a rater's answers never vary.

    References
    ----------
    Cohen (1960), Educational and Psychological Measurement 20, 37–46.

    Examples
    --------
    >>> rows = [("rating", q, "r", a) for q, a in zip("uvwuvw", "012011", strict=True)]
    >>> table = pd.DataFrame(rows, columns=["kind", "question", "rater", "answer"])
    >>> repeat_consistency(table)[["repeats", "consistent", "repeat_kappa"]].round(3).to_numpy().tolist()
    [[3.0, 0.667, 0.5]]
    """
    keys = ["rater", "kind", "question"]
    turn = answers.groupby(keys).cumcount()
    both = answers[turn == 0].merge(answers[turn == 1], on=keys, suffixes=("", "_again"))
    rows = []
    for rater in sorted(set(answers["rater"])):
        own = both[both["rater"] == rater]
        same = int((own["answer"] == own["answer_again"]).sum())
        share = same / len(own) if len(own) else float("nan")
        rows.append((rater, len(own), share, *wilson(same, len(own)), _kappa(own)))
    return pd.DataFrame(rows, columns=list(REPEAT_COLUMNS))


def _kappa(both: pd.DataFrame) -> float:
    observed = expected = 0.0
    for _, part in both.groupby("kind"):
        first, second = part["answer"].value_counts(), part["answer_again"].value_counts()
        observed += float((part["answer"] == part["answer_again"]).sum())
        expected += float((first * second).dropna().sum() / len(part))
    left = len(both) - expected
    return (observed - expected) / left if left > 1e-9 else float("nan")


def speed(times: pd.DataFrame) -> pd.DataFrame:
    """Seconds per judgement of each rater, and the share that was too fast for the question to be read.

    Too fast is below a tenth of what the kind of question usually takes (the median over the raters of
    their median times) and below ten seconds: the normative threshold "NT10" of Wise and Ma, with
    medians, so that a rater who went for lunch does not raise it.

    Parameters
    ----------
    times : DataFrame
        Columns rater, kind, seconds; rows without a time are left out.

    Returns
    -------
    DataFrame
        One row per rater with a time: rater, timed, seconds (median), fast (share).

    References
    ----------
    Wise & Ma (2012), Setting response time thresholds for a CAT item pool: the normative threshold method,
    annual meeting of the National Council on Measurement in Education.

    Examples
    --------
    >>> rows = [("u", "rating", 20.0), ("v", "rating", 30.0), ("w", "rating", 1.0)]
    >>> speed(pd.DataFrame(rows, columns=["rater", "kind", "seconds"])).to_numpy().tolist()
    [['u', 1, 20.0, 0.0], ['v', 1, 30.0, 0.0], ['w', 1, 1.0, 1.0]]
    """
    known = times[times["seconds"].notna()]
    usual = known.groupby(["kind", "rater"])["seconds"].median().groupby("kind").median()
    limit = known["kind"].map(usual * FAST_SHARE).astype(float).clip(upper=FAST_MOST)
    grouped = known.assign(fast=known["seconds"] < limit).groupby("rater", sort=True)
    table = grouped.agg(timed=("seconds", "size"), seconds=("seconds", "median"), fast=("fast", "mean"))
    return table.reset_index()[list(SPEED_COLUMNS)]


def read_times(path: Path) -> pd.DataFrame:
    """Read what `speed` reads from a CSV or Parquet file.

    Raises
    ------
    DataError
        A column is missing, or a time is not a number of seconds.
    """
    table = read_table(path, text_columns=("rater", "kind"))
    require_columns(table, ("rater", "kind", "seconds"), str(path))
    seconds = pd.to_numeric(table["seconds"], errors="coerce")
    bad = (seconds.isna() & table["seconds"].notna()) | (seconds < 0)
    if bad.any():
        row = int(np.flatnonzero(bad)[0]) + 2
        raise DataError(
            "'seconds' is not a number of seconds.",
            where=f"{path}, row {row}",
            mend="Leave it empty if not known.",
        )
    return table.assign(rater=table["rater"].astype("str"), seconds=seconds)[["rater", "kind", "seconds"]]
