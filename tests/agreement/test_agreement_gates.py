"""Gates: point estimates decide, intervals are told, and what is not there is not assessable."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from psyalign.agreement import GATES, Figure, judge_gates
from psyalign.agreement.gates import MIN_PERSONS
from psyalign.foundation.errors import UsageError
from psyalign.study import Gates


def judged(figure: Figure, **thresholds: float | str) -> pd.Series:
    table = judge_gates([figure], thresholds or None)
    return table[table["gate"] == figure.gate].iloc[0]


def test_the_study_has_the_same_gates_and_defaults() -> None:
    settings = Gates()
    assert settings.thresholds == {key: gate.usual for key, gate in GATES.items()}
    assert settings.min_persons == MIN_PERSONS


def test_defaults_are_those_of_their_sources() -> None:
    # Williamson, Xi & Breyer (2012), pp. 7-8; RSMTool's flags; 29 CFR 1607.4(D)
    usual = {key: GATES[key].usual for key in ("qwk", "r", "degradation", "smd", "smd_group")}
    assert usual == {"qwk": 0.7, "r": 0.7, "degradation": 0.1, "smd": 0.15, "smd_group": 0.1}
    assert all("Williamson" in GATES[key].source for key in usual)
    assert (GATES["exact"].usual, GATES["adjacent"].usual, GATES["impact_ratio"].usual) == (0.5, 0.95, 0.8)


@pytest.mark.parametrize(
    ("gate", "value", "low", "high", "status", "crosses"),
    [
        ("qwk", 0.75, 0.72, 0.78, "met", False),
        ("qwk", 0.71, 0.65, 0.77, "met", True),
        ("qwk", 0.70, 0.70, 0.77, "met", False),  # at the threshold
        ("qwk", 0.1 + 0.2 + 0.4, 0.70, 0.77, "met", False),  # .7000000000000001 or a bit less
        ("qwk", 0.68, 0.60, 0.74, "missed", True),
        ("qwk", 0.60, 0.55, 0.66, "missed", False),
        ("smd", -0.12, -0.14, -0.10, "met", False),
        ("smd", -0.12, -0.20, -0.04, "met", True),
        ("smd", 0.20, 0.16, 0.24, "missed", False),
        ("smd", -0.20, -0.30, 0.02, "missed", True),  # the interval holds 0
        ("degradation", -0.30, -0.40, -0.20, "met", False),  # better than a second human is no loss
        ("degradation", 0.12, 0.05, 0.19, "missed", True),
        ("degradation", 0.12, 0.11, 0.19, "missed", False),
    ],
)
def test_the_point_decides_and_the_interval_is_told(
    gate: str, value: float, low: float, high: float, status: str, crosses: bool
) -> None:
    row = judged(Figure(gate, value=value, low=low, high=high, n_persons=100))
    assert (row["status"], bool(row["crosses"])) == (status, crosses)
    assert ("other side" in row["note"]) is crosses
    assert row["reason"] == ""


@pytest.mark.parametrize(
    ("grade", "allowed", "status"),
    [
        ("AA", "BB", "met"),
        ("BB", "BB", "met"),
        ("CC", "BB", "missed"),
        ("BB", "AA", "missed"),
        ("C", "BB", "missed"),
    ],
)
def test_classes(grade: str, allowed: str, status: str) -> None:
    row = judged(Figure("es_class", "gender", 0.3, grade=grade, n_persons=90), es_class=allowed)
    assert row["status"] == status
    assert math.isnan(row["threshold"])
    assert row["asked"] == f"no item above {allowed}"


def test_noninferiority_must_be_shown() -> None:
    shown = judged(Figure("noninferiority", "QWK", -0.01, -0.03, passed=True))
    assert (shown["status"], shown["note"]) == ("met", "")
    open_ = judged(Figure("noninferiority", "QWK", -0.01, -0.09, passed=False))
    assert open_["status"] == "missed" and open_["note"].startswith("not shown")
    worse = judged(Figure("noninferiority", "QWK", -0.2, -0.3, passed=False))
    assert worse["status"] == "missed" and worse["note"] == ""


def test_not_assessable_says_why() -> None:
    table = judge_gates([]).set_index("gate")
    assert set(table["status"]) == {"not assessable"}
    assert table.loc["degradation", "reason"] == "no second human rating"
    assert table.loc["impact_ratio", "reason"] == "no cut score is given"
    few = judged(Figure("qwk", value=0.9, low=0.8, high=1.0, n_persons=29))
    assert few["status"] == "not assessable" and few["reason"] == "only 29 persons; a gate needs 30"
    told = judged(Figure("qwk", reason="neither score varies"))
    assert told["reason"] == "neither score varies"
    assert judged(Figure("impact_ratio", value=math.inf))["status"] == "not assessable"
    assert judged(Figure("es_class", value=0.1))["status"] == "not assessable"


def test_a_gate_can_be_off_or_the_studys_own() -> None:
    table = judge_gates([Figure("qwk", value=0.65)], {"qwk": 0.6, "wording": False})
    assert "wording" not in set(table["gate"])
    row = table.set_index("gate").loc["qwk"]
    assert row["status"] == "met"
    assert row["source"] == "Set by the study; usual: at least .70 (Williamson, Xi & Breyer (2012))"
    assert row["asked"] == "at least .60"


def test_unknown_gates_are_refused() -> None:
    with pytest.raises(UsageError, match="no gate 'kappa'"):
        judge_gates([Figure("kappa", value=1.0)])
    with pytest.raises(UsageError, match="no gate 'kappa'"):
        judge_gates([], {"kappa": 0.7})
