"""Scoring new responses with an arm of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from psyalign.foundation.errors import DataError, RunError
from psyalign.pipeline import score_responses

Finished = Any  # the fixture's class, in conftest.py


@pytest.fixture(scope="module")
def audit(unbroken: Finished) -> pd.DataFrame:
    """The texts that the run scored, in its order; other wordings as if other persons had written them."""
    texts = unbroken.table("data", "texts")
    texts = texts[texts["split"] == "audit"]
    person = texts["person"].where(texts["primary"], texts["person"] + "~")
    return texts.assign(person=person)[["person", "item", "response"]].reset_index(drop=True)


@pytest.fixture(scope="module")
def new(audit: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of new responses."""
    path = tmp_path_factory.mktemp("new") / "new.csv"
    audit.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def scored(unbroken: Finished, new: Path) -> pd.DataFrame:
    out = new.with_name("scores.csv")
    score_responses(unbroken.folder, "dpo+equivalence", new, out)
    return pd.read_csv(out)


def test_same_scores_as_in_the_run(unbroken: Finished, audit: pd.DataFrame, scored: pd.DataFrame) -> None:
    """To the last digit: the texts are the same, so the batches are."""
    kept = unbroken.table("scores", "dpo+equivalence", "scores")
    assert scored["person"].tolist() == audit["person"].tolist()
    assert scored["modal"].tolist() == kept["modal"].tolist()
    np.testing.assert_allclose(scored["expected"], kept["expected"], rtol=1e-14)
    for point in range(5):
        np.testing.assert_allclose(scored[f"p{point}"], np.exp(kept[f"l{point}"]), rtol=1e-14)


def test_other_arms_give_other_scores(
    unbroken: Finished, new: Path, scored: pd.DataFrame, tmp_path: Path
) -> None:
    score_responses(unbroken.folder, "baseline", new, tmp_path / "baseline.csv")
    baseline = pd.read_csv(tmp_path / "baseline.csv")
    assert set(baseline["arm"]) == {"baseline"} and set(scored["arm"]) == {"dpo+equivalence"}
    assert not np.allclose(baseline["expected"], scored["expected"], atol=1e-5)


def test_file_has_scores_and_no_text(scored: pd.DataFrame, new: Path) -> None:
    points = [f"p{point}" for point in range(5)]
    assert list(scored.columns) == ["person", "item", "modal", "expected", *points, "arm"]
    written = new.with_name("scores.csv").read_text(encoding="utf-8")
    assert not any(text in written for text in pd.read_csv(new)["response"])


def test_a_formula_as_a_person_is_defused(unbroken: Finished, audit: pd.DataFrame, tmp_path: Path) -> None:
    audit.iloc[[0]].assign(person="=HYPERLINK(A1)").to_csv(tmp_path / "new.csv", index=False)
    score_responses(unbroken.folder, "baseline", tmp_path / "new.csv", tmp_path / "out.csv")
    assert pd.read_csv(tmp_path / "out.csv")["person"].tolist() == ["'=HYPERLINK(A1)"]


@pytest.mark.parametrize("arm", ["equivalance", "human", "", ".", "../reward", "../sft", "sft"])
def test_unknown_arm(unbroken: Finished, new: Path, tmp_path: Path, arm: str) -> None:
    with pytest.raises(RunError, match="no scorer for the arm") as caught:
        score_responses(unbroken.folder, arm, new, tmp_path / "out.csv")
    assert caught.value.exit_code == 2
    assert "baseline, ceiling, dpo, dpo+equivalence, equivalence" in str(caught.value)
    assert not (tmp_path / "out.csv").exists()


def test_no_run(new: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no scorer for the arm") as caught:
        score_responses(tmp_path, "baseline", new, tmp_path / "out.csv")
    assert "STUDY/runs/RUN" in str(caught.value)


def test_unknown_item(unbroken: Finished, new: Path, tmp_path: Path) -> None:
    table = pd.read_csv(new)
    table.loc[0, "item"] = "late-reprot"
    table.to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(DataError, match="late-reprot") as caught:
        score_responses(unbroken.folder, "baseline", tmp_path / "bad.csv", tmp_path / "out.csv")
    assert "Did you mean 'late-report'?" in str(caught.value)
