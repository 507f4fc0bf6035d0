"""The decision page: verdict, answers, gates; it adapts, claims no more than is shown, and can be signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from psyalign.agreement import Figure, judge_gates
from psyalign.report.answers import QUESTIONS, answers
from psyalign.report.content import Table
from psyalign.report.load import RunTables, load_run
from psyalign.report.schema import COLUMNS
from psyalign.report.sections.decision import decision_section
from psyalign.report.sections.impact import impact_section
from psyalign.report.sections.subgroups import subgroups_section
from psyalign.report.sections.validity import validity_section
from psyalign.report.verdict import headline

RunMaker = Callable[..., Path]
GOOD = (
    Figure("qwk", value=0.80, low=0.77, high=0.83, n_persons=240),
    Figure("r", value=0.83, low=0.80, high=0.86, n_persons=240),
    Figure("exact", value=0.58, low=0.55, high=0.61, n_persons=240),
    Figure("smd_group", "variety: everyday", -0.04, -0.11, 0.03, 120),
)


@pytest.fixture
def load(make_run: RunMaker) -> Callable[..., RunTables]:
    return lambda **options: load_run(make_run(arms=["baseline", "refit", "equivalence"], **options))


def gated(tables: RunTables, *figures: Figure, binding: bool = True) -> RunTables:
    table = judge_gates(figures).assign(arm="equivalence", binding=binding, origin="simulated")
    return replace(tables, gates=table)


def text_of(tables: RunTables) -> str:
    parts = [
        f"{getattr(block, 'label', '')} {getattr(block, 'text', '')} {getattr(block, 'entries', '')} "
        f"{getattr(block, 'rows', '')} {getattr(block, 'note', '')}"
        for block in decision_section(tables).blocks
    ]
    return " ".join(parts)


def test_verdict_counts_the_gates_and_names_those_not_met(load: Callable[..., RunTables]) -> None:
    text = text_of(gated(load(), *GOOD, Figure("smd", value=0.2, low=0.1, high=0.3, n_persons=240)))
    assert "DIF was reduced on variety; agreement with the human scores rose." in text
    assert "Of the study’s gates, 4 of 11 are met, 1 missed (SMD), 6 not assessable" in text
    assert "missed, but the interval reaches to the other side" in text


def test_headline_claims_only_what_is_shown(load: Callable[..., RunTables]) -> None:
    assert "no evidence that DIF changed" in headline(load(name="a", es={"equivalence": -0.13}))
    assert headline(load(name="b", es={"equivalence": -0.30})).startswith("DIF grew on variety")
    assert "is not known" in headline(load(name="c", draws=1))
    assert "not shown that it became smaller" in headline(load(name="d", es={"equivalence": 0.15}))


def test_every_question_has_an_answer_with_number_and_interval(load: Callable[..., RunTables]) -> None:
    found = dict(answers(gated(load(), *GOOD)))
    assert tuple(found) == QUESTIONS
    accurate, unfair, helped, never = found.values()
    assert accurate.startswith("It meets every gate for accuracy that could be assessed.")
    assert "= .80, 95% CI [.78, .83]; r = .83, 95% CI [.81, .86]" in accurate
    assert "as two humans agree is not known" in accurate
    assert "no evidence of a difference, over all items, between “everyday” and “standard”" in unfair
    assert "mean effect size = −0.02 SD, 95% CI [−0.08, 0.04]" in unfair
    assert "DIF reduced on variety" in helped and "feedback records" in helped
    assert "nothing follows for real ones" in never


def test_unfairness_is_said_with_its_direction(load: Callable[..., RunTables]) -> None:
    lower = dict(answers(load(name="a", es={"equivalence": -0.12})))[QUESTIONS[1]]
    assert "“everyday” get lower scores than “standard” with the same human total" in lower
    higher = dict(answers(load(name="b", es={"equivalence": 0.12})))[QUESTIONS[1]]
    assert "“everyday” get higher scores" in higher
    nothing = dict(answers(load(name="c", draws=1)))[QUESTIONS[1]]
    assert "too uncertain to claim anything" in nothing


def test_missed_accuracy_is_named_with_its_number(load: Callable[..., RunTables]) -> None:
    low = Figure("qwk", value=0.61, low=0.57, high=0.65, n_persons=240)
    assert dict(answers(gated(load(), low)))[QUESTIONS[0]].startswith(
        "Not by every gate. Missed: QWK = .61, asked at least .70."
    )


def test_defaults_are_not_called_the_studys_gates(load: Callable[..., RunTables]) -> None:
    text = text_of(gated(load(), *GOOD, binding=False))
    assert "psyalign’s default gates" in text and "nothing fails" in text
    assert "the study’s gates" not in text


def test_runs_of_before_the_gates_say_so_and_leave_the_new_sections_out(
    load: Callable[..., RunTables],
) -> None:
    tables = load()
    assert "made before there were gates" in text_of(tables)
    assert subgroups_section(tables) is validity_section(tables) is impact_section(tables) is None


def test_there_is_room_to_sign(load: Callable[..., RunTables]) -> None:
    last = decision_section(load()).blocks[-1]
    assert isinstance(last, Table)
    assert [row[0] for row in last.rows] == ["Name", "Role", "Date", "Signature", "Conditions, reasons"]
    assert all(set(cell) == {"_"} for row in last.rows for cell in row[1:])


def test_small_groups_do_not_leave_the_house(make_run: RunMaker) -> None:
    run = make_run(arms=["baseline", "equivalence"])
    path = run / "tables" / "agreement.parquet"
    table = pd.read_parquet(path)
    table.loc[table["level"] == "everyday", "n_persons"] = 7
    table.to_parquet(path)
    found = load_run(run).agreement
    parts = found[found["grouping"] == "variety"]
    assert (parts["suppressed"] != "").all()
    assert parts[["qwk", "smd", "n_persons", "n"]].isna().all(axis=None)
    assert found.loc[found["grouping"] == "all", "qwk"].notna().all()


def test_suppressed_and_missing_figures_leave_no_hole(load: Callable[..., RunTables]) -> None:
    tables = load()
    lacking = float("nan")
    row = {
        "arm": "baseline", "grouping": "variety", "level": "everyday", "metric": "qwk", "contrast": "",
        "value": lacking, "low": lacking, "high": lacking, "reason": lacking, "n_persons": lacking,
        "suppressed": "few persons",
    }  # fmt: skip
    assert set(row) == set(COLUMNS["evaluation"])
    section = subgroups_section(replace(tables, evaluation=pd.DataFrame([row])))
    assert section is not None
    cells = [
        cell for block in section.blocks if isinstance(block, Table) for cells in block.rows for cell in cells
    ]
    assert "too few" in cells and not any("nan" in cell.lower() for cell in cells)


def test_narrow_scores_are_named_beside_small_effects(load: Callable[..., RunTables]) -> None:
    narrow = dict(answers(load(name="a", sd_ratio=0.5)))[QUESTIONS[1]]
    assert "0.50 times as wide as the human ones, which alone makes DIF look smaller" in narrow
    assert "look smaller" not in dict(answers(load(name="b")))[QUESTIONS[1]]
