"""The DIF tables of a study: which scores each method takes, what is judged, and what stays missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from psyalign.dif import METHODS, adjust_p, cells, equivalent, matching_strata
from psyalign.foundation.tables import read_table, write_parquet
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.audit import Audit
from psyalign.pipeline.stages.dif import ON_MEANS, dif_tables
from psyalign.report.schema import JUDGED
from psyalign.report.sections.dif import FURTHER
from psyalign.study.judging import DifMethod

Perform = Callable[..., Run]
Tables = dict[str, pd.DataFrame]
N, ITEMS = 240, 6
# A column that each method has and no other.
MARKS = {
    "mantel": "mantel_z", "smd": "smd", "ordinal": "lr_total", "liu_agresti": "la_log_or", "gmh": "gmh_chi2",
    "location_scale": "scale_effect", "adjacent": "adjacent_lr_total", "standardisation": "std_p_dif",
}  # fmt: skip


@pytest.fixture(scope="module")
def audit() -> Audit:
    """Human scores without DIF; a baseline against the focal group on item 0, and an arm near the humans."""
    random = np.random.default_rng(5)
    person = [f"p{number:03d}" for number in range(N)]
    focal = np.arange(N) % 2 == 1
    ability = random.normal(size=N)
    human, arms = [], {"baseline": [], "refit": []}  # type: ignore[var-annotated]
    for number in range(ITEMS):
        true = np.clip(np.round(2 + ability + random.normal(0, 0.7, N)), 0, 4)
        row = {"person": person, "item": f"i{number}"}
        human.append(pd.DataFrame({**row, "score": true}))
        for arm, penalty in (("baseline", 0.9), ("refit", 0.0)):
            score = true - penalty * focal * (number == 0) + random.normal(0, 0.3, N)
            expected = np.clip(score, 0, 4)
            arms[arm].append(
                pd.DataFrame({**row, "expected": expected, "modal": np.round(expected).astype(int)})
            )
    persons = pd.DataFrame({"person": person, "variety": np.where(focal, "everyday", "standard")})
    return Audit(
        pd.concat(human, ignore_index=True),
        {arm: pd.concat(parts, ignore_index=True) for arm, parts in arms.items()},
        persons,
    )


@pytest.fixture
def tables_of(small_study: Path, perform: Perform, audit: Audit) -> Callable[..., Tables]:
    """The tables of a study with these methods."""

    def make(methods: Sequence[str], more: str = "") -> Tables:
        text = small_study.read_text(encoding="utf-8")
        listed = ", ".join(f'"{name}"' for name in methods)
        small_study.write_text(f"{text}methods = [{listed}]\n{more}", encoding="utf-8")
        return dif_tables(perform(small_study), audit, [])

    return make


@pytest.fixture(scope="module")
def matched(audit: Audit) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Group, strata and totals made by hand."""
    group = audit.persons.set_index("person")["variety"].map({"standard": "reference", "everyday": "focal"})
    matching = matching_strata(audit.human, group)
    return group, matching.stratum, matching.total


def test_every_method_takes_the_scores_that_it_needs(
    tables_of: Callable[..., Tables], audit: Audit, matched: tuple[pd.Series, pd.Series, pd.Series]
) -> None:
    group, stratum, total = matched
    found = tables_of(get_args(DifMethod))["dif_items"].set_index(["arm", "item"])
    assert set(MARKS) == set(get_args(DifMethod))
    for name, mark in MARKS.items():
        scores = audit.expected("baseline") if name in ON_MEANS else audit.modal("baseline")
        values = total if METHODS[name].strata == "values" else stratum
        by_hand = METHODS[name].run(cells(scores, group, values)).table[mark]
        np.testing.assert_allclose(found.loc["baseline", mark], by_hand, rtol=1e-9, err_msg=name)
        assert by_hand.notna().all(), name
    assert (found["reason"] == "").all()
    shown = {column for columns, _ in FURTHER.values() for column, _, _ in columns}
    assert shown | set(JUDGED) <= set(found.columns), "what the report prints"
    for _, part in found.groupby("arm"):
        np.testing.assert_allclose(part["p_adjusted"], adjust_p(part["p"], "holm"))


def test_sizes_are_judged_item_by_item(tables_of: Callable[..., Tables]) -> None:
    found = tables_of(["smd"], "es_moderate = 0.2\n")["dif_items"]
    assert set(JUDGED) <= set(found.columns)
    for name in ("human", "baseline", "refit"):
        arm = found[found["arm"] == name].set_index("item")
        assert np.allclose(arm["es_se"], arm["se"] * arm["es"] / arm["smd"])
        again = equivalent(arm["es"], arm["es_se"], bound=0.2)
        assert list(arm["shown"]) == list(again["shown"])
        assert np.allclose(arm["p_equivalence"], again["p_equivalence"])
        assert np.allclose(arm["mde"], (1.959964 + 0.841621) * arm["es_se"])
        assert np.allclose(arm[["eb_p_a", "eb_p_b", "eb_p_c"]].sum(axis=1), 1)
    shown = found.set_index(["arm", "item"])["shown"]
    assert shown["baseline", "i0"] == "present"
    assert set(shown["refit"]) <= {"negligible", "not shown"}


def test_without_the_smd_nothing_is_judged(tables_of: Callable[..., Tables]) -> None:
    found = tables_of(["mantel", "gmh"])["dif_items"]
    assert not set(JUDGED) & set(found.columns)
    assert found["es"].isna().all() and found["smd"].isna().all()
    assert found["mantel_z"].notna().all() and found["gmh_chi2"].notna().all()


@pytest.mark.parametrize(
    ("methods", "p"),
    [
        (["standardisation", "ordinal"], "lr_total_p"),  # the first in the order of METHODS leads
        (["liu_agresti", "mantel"], "mantel_p"),
        (["location_scale"], "scale_p"),
    ],
)
def test_corrected_p_is_of_the_leading_method(
    tables_of: Callable[..., Tables], methods: list[str], p: str
) -> None:
    found = tables_of(methods)["dif_items"]
    np.testing.assert_allclose(found["p_adjusted"], found[f"{p}_adjusted"])
    assert found["p_adjusted"].notna().all()
    assert all(found[MARKS[name]].notna().all() for name in methods)


def test_reasons_of_both_kinds_of_scores_are_kept(
    small_study: Path, perform: Perform, audit: Audit, tmp_path: Path
) -> None:
    """An item on which an arm gives everybody one score: no method can say anything, and each says why."""
    flat = audit.arms["baseline"].copy()
    flat.loc[flat["item"] == "i1", ["expected", "modal"]] = 2
    spoilt = Audit(audit.human, {**audit.arms, "baseline": flat}, audit.persons)
    found = dif_tables(perform(small_study), spoilt, [])["dif_items"].set_index(["arm", "item"])
    row = found.loc[("baseline", "i1")]
    assert not row["estimable"]
    assert row["shown"] == "" and np.isnan(row["p_equivalence"]) and np.isnan(row["eb_es"])
    assert row["reason"].startswith("smd and mantel: ") and "; ordinal: " in row["reason"]
    others = found.loc["baseline"].drop(index="i1")
    assert (others["reason"] == "").all() and (others["shown"] != "").all()
    write_parquet(tmp_path / "items.parquet", found.reset_index())
    assert list(read_table(tmp_path / "items.parquet")["shown"]) == list(found["shown"])
