"""Gates: what is asked of a scorer's figures, and whether they meet it. Plain numbers in, one table out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd

from psyalign.foundation.errors import UsageError

__all__ = ["GATES", "MIN_DRAWS", "MIN_PERSONS", "Figure", "Gate", "Threshold", "judge_gates"]

# A number; the worst class that is allowed; or False: the gate is off.
Threshold = float | str | Literal[False]
Status = Literal["met", "missed", "not assessable"]

# Fewer persons are not judged: a point estimate would decide by chance. A convention of psyalign.
MIN_PERSONS = 30
# With fewer resamples the ends of a 95% interval are a few extreme draws, or one.
MIN_DRAWS = 200
CLASSES = "ABC"
WILLIAMSON = "Williamson, Xi & Breyer (2012)"


@dataclass(frozen=True)
class Gate:
    """One kind of gate.

    Attributes
    ----------
    what : str
        The figure that it looks at, in words.
    usual : float or str
        The threshold of the source: the default of ``[gates]``.
    better : {"more", "less", "near", "class", "test"}
        "more": the figure is at least the threshold; "less": at most the threshold; "near": its absolute
        value is; "class": no item is in a worse class; "test": `Figure.passed` decides.
    source : str
        Where the threshold comes from.
    lacking : str
        Why there is no figure, where nobody says more exactly.
    """

    what: str
    usual: float | str
    better: Literal["more", "less", "near", "class", "test"]
    source: str
    lacking: str = "no scores"


GATES: Mapping[str, Gate] = MappingProxyType(
    {
        "qwk": Gate("QWK with the human scores", 0.70, "more", WILLIAMSON),
        "r": Gate("Correlation r with the human scores", 0.70, "more", WILLIAMSON),
        "exact": Gate("Exact agreement", 0.50, "more", "RSMTool (Madnani & Loukina, 2016)"),
        "adjacent": Gate(
            "Exact or adjacent agreement", 0.95, "more", "RSMTool (Madnani & Loukina, 2016)"
        ),
        "degradation": Gate(
            "Degradation from human–human agreement", 0.10, "less", WILLIAMSON, "no second human rating"
        ),
        "smd": Gate("|SMD|, scorer minus human", 0.15, "near", WILLIAMSON),
        "smd_group": Gate("|SMD| within a group", 0.10, "near", WILLIAMSON),
        "es_class": Gate(
            "Largest DIF effect size |ES| of an item", "BB", "class",
            "psyalign's convention: CC is |ES| above .25 (NAEP's rough criterion) and significant",
            "no DIF effect size",
        ),
        "wording": Gate(
            "|Wording effect| in SDs of the human scores", 0.10, "near",
            f"psyalign's convention, after the group |SMD| of {WILLIAMSON}",
            "no second wording of the same answers",
        ),
        "noninferiority": Gate(
            "Agreement not worse than before, by more than the margin", 0.05, "test",
            f"psyalign's convention: half the degradation that {WILLIAMSON} accept",
            "nothing to compare with",
        ),
        "impact_ratio": Gate(
            "Impact ratio at the cut score", 0.80, "more",
            "Four-fifths rule (EEOC et al., 1978, 29 CFR 1607.4(D))", "no cut score is given",
        ),
    }
)  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """What a gate looks at.

    Attributes
    ----------
    gate : str
        Key of `GATES`.
    scope : str
        Of whom or what: "", "QWK", "gender: girl". Several figures of one gate are judged one by one.
    value, low, high : float
        Estimate and 95% interval; NaN if missing. Of a "test" low is the one-sided bound.
    n_persons : float
        Persons behind it (of the smaller group, where groups are compared).
    grade : str
        Of a "class" gate the worst class of an item: "A", "B", "C" or "AA", "BB", "CC".
    passed : bool
        Of a "test" gate its outcome.
    reason : str
        Why there is no figure; "" if there is one.
    """

    gate: str
    scope: str = ""
    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    n_persons: float = float("nan")
    grade: str = ""
    passed: bool = False
    reason: str = ""


def judge_gates(
    figures: Iterable[Figure],
    thresholds: Mapping[str, Threshold] | None = None,
    *,
    min_persons: int = MIN_PERSONS,
) -> pd.DataFrame:
    """Judge every gate: met, missed or not assessable.

    The *point estimate* decides, as it does in the sources of the thresholds; the interval is printed,
    and the note says where it reaches to the other side of the threshold. Two gates go by more than a
    point: the class of an effect size has its own significance test, and non-inferiority is met only if
    it is *shown* (the lower bound of the change lies above minus the margin).

    Parameters
    ----------
    figures : iterable of Figure
        A gate without a figure is not assessable. Infinite values count as missing.
    thresholds : mapping of str to float, str or False, optional
        By key of `GATES`; False turns a gate off. Default: the sources' (`Gate.usual`).
    min_persons : int
        With fewer persons a gate is not assessable.

    Returns
    -------
    pandas.DataFrame
        In the order of `GATES`: gate, what, scope, value, low, high, asked (in words), threshold (NaN of
        a class), status, reason (why not assessable), crosses (the interval holds values on both sides
        of the threshold), note, source, n_persons.

    Raises
    ------
    UsageError
        Unknown gate.

    References
    ----------
    Williamson, D. M., Xi, X., & Breyer, F. J. (2012). A framework for evaluation and use of automated
    scoring. Educational Measurement: Issues and Practice 31(1), 2-13. Madnani, N., & Loukina, A. (2016).
    RSMTool. JOSS 1(3), 33 (flags for exact and adjacent agreement). EEOC et al. (1978). Uniform guidelines
    on employee selection procedures.
    """
    asked: dict[str, Threshold] = {key: gate.usual for key, gate in GATES.items()} | dict(thresholds or {})
    given = list(figures)
    for name in [*asked, *(figure.gate for figure in given)]:
        if name not in GATES:
            raise UsageError(
                f"There is no gate '{name}'.", where="gates", mend=f"There are: {', '.join(GATES)}."
            )
    rows = []
    for key, gate in GATES.items():
        threshold = asked[key]
        if threshold is False:
            continue
        mine = [figure for figure in given if figure.gate == key]
        for figure in mine or [Figure(key, reason=gate.lacking)]:
            rows.append(_row(gate, figure, threshold, min_persons))
    return pd.DataFrame(rows, columns=COLUMNS)


COLUMNS = [
    *("gate", "what", "scope", "value", "low", "high", "asked", "threshold", "status", "reason", "crosses"),
    *("note", "source", "n_persons"),
]


def _row(gate: Gate, figure: Figure, threshold: float | str, min_persons: int) -> dict[str, object]:
    value, low, high = (_finite(number) for number in (figure.value, figure.low, figure.high))
    limit = float("nan") if gate.better == "class" else float(threshold)
    reason = _why_not(gate, figure, value, min_persons)
    status: Status = "not assessable"
    crosses = False
    if not reason:
        passed = _passed(gate, figure, value, threshold)
        status = "met" if passed else "missed"
        crosses = _crosses(gate, passed, low, high, limit)
    return {
        "gate": figure.gate, "what": gate.what, "scope": figure.scope, "value": value, "low": low,
        "high": high, "asked": _asked(gate, threshold), "threshold": limit, "status": status,
        "reason": reason, "crosses": crosses, "note": _note(gate, status, crosses, value, limit),
        "source": _source(gate, threshold), "n_persons": figure.n_persons,
    }  # fmt: skip


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else float("nan")


def _why_not(gate: Gate, figure: Figure, value: float, min_persons: int) -> str:
    if figure.reason:
        return figure.reason
    if figure.n_persons < min_persons:  # not of NaN
        return f"only {int(figure.n_persons)} persons; a gate needs {min_persons}"
    if gate.better == "class":
        return "" if figure.grade[:1] in CLASSES and figure.grade else gate.lacking
    return gate.lacking if np.isnan(value) else ""


def _passed(gate: Gate, figure: Figure, value: float, threshold: float | str) -> bool:
    if gate.better == "test":
        return figure.passed
    if gate.better == "class":
        return CLASSES.index(figure.grade[0]) <= CLASSES.index(str(threshold)[0])
    # a figure that equals its threshold but for the last bits of a float meets it
    if gate.better == "more":
        return value >= float(threshold) - 1e-12
    return (abs(value) if gate.better == "near" else value) <= float(threshold) + 1e-12


def _crosses(gate: Gate, passed: bool, low: float, high: float, limit: float) -> bool:
    if gate.better in ("class", "test") or np.isnan(low) or np.isnan(high):
        return False
    if gate.better == "more":
        return low < limit if passed else high >= limit
    if gate.better == "near":
        nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        low, high = nearest, max(abs(low), abs(high))
    return high > limit if passed else low <= limit


def _asked(gate: Gate, threshold: float | str) -> str:
    if gate.better == "class":
        return f"no item above {threshold}"
    number = f"{float(threshold):.2f}".removeprefix("0")
    if gate.better == "test":
        return f"shown: less than {number} lost"
    return f"{'at least' if gate.better == 'more' else 'at most'} {number}"


def _note(gate: Gate, status: Status, crosses: bool, value: float, limit: float) -> str:
    if crosses:
        return f"{status}, but the interval reaches to the other side"
    if gate.better == "test" and status == "missed" and value > -limit:
        return "not shown: the estimate is within the margin, its lower bound is not"
    return ""


def _source(gate: Gate, threshold: float | str) -> str:
    if threshold == gate.usual:
        return gate.source
    return f"Set by the study; usual: {_asked(gate, gate.usual)} ({gate.source})"
