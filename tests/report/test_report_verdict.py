"""The verdict says "reduced" only where the paired interval allows it, and names what spoils it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from psyalign.report.facts import Estimate
from psyalign.report.load import RunTables, load_run
from psyalign.report.verdict import _dif_kind, accuracy, refit, shrunk, verdict

RunMaker = Callable[..., Path]


@pytest.fixture
def load(make_run: RunMaker) -> Callable[..., RunTables]:
    return lambda **options: load_run(make_run(**options))


@pytest.mark.parametrize(
    ("before", "after", "change", "expected"),
    [
        (-0.16, -0.02, (0.14, 0.09, 0.19), "reduced"),
        (-0.16, 0.03, (0.19, 0.12, 0.26), "reduced"),  # turned, but far from +.16
        (0.20, 0.05, (-0.15, -0.22, -0.08), "reduced"),
        (-0.16, -0.12, (0.04, -0.01, 0.09), "not_shown"),
        (-0.16, -0.02, (0.14, 0.0, 0.28), "not_shown"),  # touches zero
        (-0.05, -0.15, (-0.10, -0.15, -0.05), "grown"),
        (-0.05, 0.15, (0.20, 0.15, 0.25), "grown"),  # the other way round, and larger
        (
            -0.10,
            0.09,
            (0.19, 0.12, 0.26),
            "reversed",
        ),  # interval reaches a mirror image: +.10 is a change of .20
        (0.10, -0.09, (-0.19, -0.26, -0.12), "reversed"),
        (-0.10, 0.10, (0.20, 0.15, 0.25), "reversed"),
        (None, 0.1, (0.1, 0.05, 0.15), "unknown"),
        (-0.16, -0.02, (0.14, None, None), "unknown"),
    ],
)
def test_dif_is_judged_by_the_paired_interval(
    before: float | None, after: float | None, change: tuple[float | None, ...], expected: str
) -> None:
    assert _dif_kind(before, after, Estimate(*change)) == expected


def test_reduced(load: Callable[..., RunTables]) -> None:
    found = verdict(load())
    assert found.dif.startswith(
        "With the arm “Equivalence” as the scorer after alignment, DIF reduced on variety"
    )
    assert "−0.16 before, −0.02 after; change +0.14, 95% CI [0.09, 0.19]" in found.dif
    assert found.agreement.startswith("Agreement with the human scores rose: QWK .775 before, .801 after")


def test_not_shown(load: Callable[..., RunTables]) -> None:
    found = verdict(load(es={"equivalence": -0.13}))
    assert "there is no evidence that DIF changed on variety" in found.dif
    assert "reduced" not in found.dif


def test_grown(load: Callable[..., RunTables]) -> None:
    found = verdict(load(es={"equivalence": -0.30}))
    assert "DIF grew on variety" in found.dif


def test_direction_changed(load: Callable[..., RunTables]) -> None:
    found = verdict(load(es={"equivalence": 0.15}))
    assert "DIF changed direction on variety" in found.dif
    assert "it is not shown that it became smaller" in found.dif


def test_no_intervals_no_claim(load: Callable[..., RunTables]) -> None:
    nothing = float("nan")
    found = verdict(load(es_change_width=nothing, qwk_change_width=nothing))
    assert "nothing is claimed" in found.dif
    assert "nothing is claimed" in found.agreement


def test_too_few_draws_no_claim(load: Callable[..., RunTables]) -> None:
    # with one draw both ends of the "interval" are that draw, which nearly always excludes zero
    found = verdict(load(draws=1))
    assert "nothing is claimed" in found.dif
    assert "nothing is claimed" in found.agreement


def test_accuracy_lost(load: Callable[..., RunTables]) -> None:
    tables = load(qwk={"equivalence": 0.70})
    assert accuracy(tables, "equivalence").kind == "lost"
    assert verdict(tables).agreement.startswith(
        "Agreement with the human scores fell: QWK .78 before, .70 after"
    )


def test_accuracy_not_shown(load: Callable[..., RunTables]) -> None:
    found = verdict(load(qwk={"equivalence": 0.78}))
    assert found.agreement.startswith("There is no evidence that agreement with the human scores changed")


@pytest.mark.parametrize(
    ("es", "qwk", "kind", "words"),
    [
        (-0.03, 0.80, "as_good", "did as well"),
        (-0.01, 0.81, "better", "came out better"),
        (-0.14, 0.78, "less", "came out behind"),
        (-0.14, 0.82, "mixed", "better in one respect and worse in another"),
        (-0.01, 0.70, "mixed", "better in one respect and worse in another"),
    ],
)
def test_refit_is_set_beside_the_after_arm(
    load: Callable[..., RunTables], es: float, qwk: float, kind: str, words: str
) -> None:
    tables = load(es={"refit": es}, qwk={"refit": qwk})
    assert refit(tables, "equivalence").kind == kind
    assert words in verdict(tables).limits


def test_refit_absent_or_itself(load: Callable[..., RunTables]) -> None:
    assert "no arm refitted" in verdict(load(arms=["baseline", "equivalence"], name="a")).limits
    assert "plain refitting" in verdict(load(primary_arm="refit", name="b")).limits


def test_shrunken_scores_are_named_beside_a_reduction(load: Callable[..., RunTables]) -> None:
    tables = load(sd_ratio=0.7)
    assert shrunk(tables, "equivalence") == 0.7
    assert "spread only 0.70 times as wide" in verdict(tables).limits


def test_nothing_follows_for_real_people_from_simulated_ones(load: Callable[..., RunTables]) -> None:
    assert "nothing follows for real ones" in verdict(load(name="a")).limits
    assert "simulated" not in " ".join(verdict(load(origin="real", name="b")).sentences)


def test_each_grouping_is_judged_alone(load: Callable[..., RunTables]) -> None:
    groups = {
        "variety": {"reference": "standard", "focal": "everyday"},
        "gender": {"reference": "boy", "focal": "girl"},
    }
    tables = load(groups=groups)
    summary = tables.dif_summary
    turned = (summary["grouping"] == "gender") & (summary["arm"] == "equivalence")
    summary.loc[turned, ["change_low"]] = -0.5
    text = verdict(tables).dif
    assert "DIF reduced on variety" in text
    assert "no evidence that DIF changed on gender" in text
