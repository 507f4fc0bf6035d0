"""[choice] in a run: cut off and gone on with, its values used by all arms, and no audit person in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from psyalign.align import optimal_log_probs
from psyalign.align.diagnostics import ranked_probability_score
from psyalign.foundation.errors import DataError, RunError
from psyalign.foundation.tables import read_table, write_parquet
from psyalign.pipeline import run_study
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages import align as align_stage
from psyalign.pipeline.stages import choice as choice_stage
from psyalign.pipeline.stages.matrices import matrix
from psyalign.report import build_report
from psyalign.study import load_study

Change = Callable[..., None]
Perform = Callable[..., Run]

CHOICE = """arms = ["baseline", "closed_form", "ppo+equivalence"]

[choice]
beta = [0.2, 5.0]
equivalence_weight = [2.0, 0.5]
folds = 2
"""


@pytest.fixture
def choosing(small_study: Path, change: Change) -> Path:
    """small.toml with a choice of β and λ, and little else to do."""
    change(small_study, "beta = 0.1\n", "")
    change(small_study, "ppo_inner = 2\n", f"ppo_inner = 2\n{CHOICE}")
    change(small_study, "max_train_responses = 16", "max_train_responses = 4")
    change(small_study, "bootstrap = 50", "bootstrap = 20\nwording_probes = 1")
    return small_study


def events(folder: Path, what: str) -> list[str]:
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return [event["stage"] for event in map(json.loads, lines) if event["event"] == what]


@pytest.mark.slow
def test_a_run_chooses_goes_on_where_it_was_cut_off_and_uses_what_it_chose(
    choosing: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    learned: list[tuple[float, set[str]]] = []
    used: dict[str, tuple[float, float]] = {}
    real = choice_stage.align

    def cut_off(scorer: Any, objective: Any, feedback: Any, pairs: Any, settings: Any, **rest: Any) -> Any:
        if len(learned) == 2:
            learned.append((0.0, set()))
            raise KeyboardInterrupt
        learned.append((settings.equivalence_weight, set(feedback.responses["person"])))
        assert settings.beta == rest["control"].beta
        assert settings.beta in (0.2, 5.0)
        return real(scorer, objective, feedback, pairs, settings, **rest)

    def watched(scorer: Any, objective: Any, feedback: Any, pairs: Any, settings: Any, **rest: Any) -> Any:
        used[rest["label"]] = (settings.beta, settings.equivalence_weight)
        return real(scorer, objective, feedback, pairs, settings, **rest)

    monkeypatch.setattr(choice_stage, "align", cut_off)
    monkeypatch.setattr(align_stage, "align", watched)
    with pytest.raises(KeyboardInterrupt):
        run_study(choosing)
    folder = choosing.parent / "runs" / "main"
    before = events(folder, "finished")
    assert before[-2:] == ["choice/equivalence-2.0-fold-1", "choice/equivalence-2.0-fold-2"]
    run_study(choosing)
    finished = events(folder, "finished")
    assert len(finished) == len(set(finished)), "nothing that was done is done again"
    assert "choice/equivalence" in finished

    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    told, settings = manifest["choice"], manifest["settings"]["align"]
    beta, weight = told["beta"]["value"], told["equivalence_weight"]["value"]
    assert beta in (0.2, 5.0) and weight in (0.5, 2.0)
    assert (settings["beta"], settings["equivalence_weight"]) == (beta, weight)
    assert used == {"ppo+equivalence": (beta, weight)}
    closed = json.loads((folder / "align" / "closed_form" / "closed_form.json").read_text(encoding="utf-8"))
    assert closed["beta"] == beta
    number = told["beta"]["persons"]
    assert (
        told["beta"]["said"]
        == f"β = {beta:g}, chosen by 2-fold cross-validation on {number} feedback persons"
    )

    table = read_table(folder / "tables" / "choice.parquet")
    assert table.groupby("key")["chosen"].sum().tolist() == [1, 1]
    of_beta = table[table["key"] == "beta"].set_index("value")
    assert of_beta.index.tolist() == [np.inf, 5.0, 0.2] and of_beta.loc[beta, "chosen"]
    of_weight = table[table["key"] == "equivalence_weight"].set_index("value")
    assert of_weight.index.tolist() == [0.5, 2.0] and (of_weight["arm"] == "ppo+equivalence").all()
    assert of_weight[["gap", "gap_se", "signed_gap", "rps", "sd_ratio"]].notna().all().all()
    curve = read_table(folder / "tables" / "over_optimisation.parquet")
    assert set(curve.loc[curve["study_beta"].astype(bool), "beta"]) == {beta}
    judged_by_held_out_persons(folder, of_beta, learned)

    page = build_report(folder, tmp_path / "report").read_text(encoding="utf-8")
    assert "How β and λ were chosen" in page and told["equivalence_weight"]["said"] in page
    assert "Audit persons took no part in this." in page
    assert "its β was chosen by cross-validation" in page or "over-optimisation" not in page


def judged_by_held_out_persons(
    folder: Path, of_beta: pd.DataFrame, learned: list[tuple[float, set[str]]]
) -> None:
    """RPS of the table made again from the folds' files; who learned and who was held out do not meet."""
    scores = read_table(folder / "feedback" / "scores.parquet")
    persons = scores["response_id"].str.split("|").str[0]
    split = read_table(folder / "data" / "persons.parquet").set_index("person")["split"]
    assert (split[persons] == "feedback").all()
    (_, first), (_, second) = learned[:2]
    assert first and second and not first & second and first | second == set(persons)
    assert [each for each, _ in learned] == [2.0, 2.0, 0.0, 0.5, 0.5], "0: where it was cut off"
    assert [who for _, who in learned[3:]] == [first, second], "the same folds for every candidate"
    losses: dict[float, list[float]] = {0.2: [], 5.0: []}
    for fold, others in enumerate((first, second)):
        ids = scores.loc[~persons.isin(others), "response_id"]
        human = scores.loc[~persons.isin(others), "score"].to_numpy()
        reference = matrix(folder / "reward" / "reference.parquet", ids)
        rewards = matrix(folder / "choice" / f"reward-fold-{fold + 1}" / "rewards.parquet", ids)
        for beta, values in losses.items():
            best = optimal_log_probs(reference, rewards, beta)
            values.extend(ranked_probability_score(best, human))
    for beta, values in losses.items():
        assert of_beta.loc[beta, "rps"] == pytest.approx(np.mean(values), abs=1e-9)
        assert of_beta.loc[beta, "n"] == len(values) == len(scores)


def test_an_audit_person_in_the_feedback_is_refused_and_so_are_too_many_folds(
    choosing: Path, change: Change, perform: Perform
) -> None:
    """Only data and feedback are made: who takes part is settled before anything is trained."""
    run = perform(choosing, "data", "feedback")
    assert (choice_stage._folds(run).groupby(choice_stage._folds(run)).size() >= 2).all()
    many = replace(run, study=load_study(choosing, ["choice.folds=20"]))
    with pytest.raises(DataError, match="too few for 20 folds"):
        choice_stage._folds(many)
    path = run.path("feedback", "scores.parquet")
    scores, texts = read_table(path), read_table(run.path("data", "texts.parquet"))
    audit = texts.loc[(texts["split"] == "audit") & texts["primary"], "response_id"].iloc[0]
    write_parquet(path, scores.assign(response_id=[audit, *scores["response_id"][1:]]))
    with pytest.raises(RunError, match="outside the feedback split"):
        choice_stage._folds(run)
