"""Two real runs, made once: a simulated study with all arms, and one of tables that a user could have."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from psyalign.foundation.tables import read_table
from psyalign.pipeline import run_study
from psyalign.pipeline.stages import align as align_stage
from psyalign.report import build_report
from psyalign.reward import RewardModel
from psyalign.scorer import LoraScorer

SMALL = Path(__file__).parents[1] / "pipeline" / "small.toml"


@dataclass
class Finished:
    """A finished run, what it printed, and what every training was given.

    `seen` maps a training's label to its table of responses; `pairs` an arm to its EquivalencePairs.
    """

    study: Path
    folder: Path
    report: Path
    stderr: str
    seen: dict[str, pd.DataFrame] = field(default_factory=dict)
    pairs: dict[str, Any] = field(default_factory=dict)

    def table(self, *parts: str) -> pd.DataFrame:
        """A Parquet file of the run, named without its ending."""
        path = self.folder.joinpath(*parts)
        return read_table(path.with_name(path.name + ".parquet"))


def finish(study: Path) -> Finished:
    """Run a study in this process and build its report, looking over the shoulder of every training."""
    seen: dict[str, pd.DataFrame] = {}
    pairs: dict[str, Any] = {}
    fit, fit_reward, align = LoraScorer.fit, RewardModel.fit, align_stage.align

    def watched_fit(self: LoraScorer, responses: pd.DataFrame, scores: Any, **options: Any) -> LoraScorer:
        seen[options["label"]] = responses.assign(given=scores)
        return fit(self, responses, scores, **options)

    def watched_reward(self: RewardModel, responses: pd.DataFrame, *rest: Any, **options: Any) -> RewardModel:
        seen["reward"] = responses
        return fit_reward(self, responses, *rest, **options)

    def watched_align(
        scorer: Any, objective: Any, feedback: Any, same: Any, *rest: Any, **options: Any
    ) -> Any:
        label = options["label"]
        if feedback is not None:
            seen[label] = feedback.responses
        if same is not None:
            pairs[label] = same
        return align(scorer, objective, feedback, same, *rest, **options)

    stderr = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(stderr):
        patch.setattr(LoraScorer, "fit", watched_fit)
        patch.setattr(RewardModel, "fit", watched_reward)
        patch.setattr(align_stage, "align", watched_align)
        folder = run_study(study)
        report = build_report(folder, study.parent / "report")
    return Finished(study, folder, report, stderr.getvalue(), seen, pairs)


@pytest.fixture(scope="session")
def small_toml() -> str:
    """The study file of the small simulated study."""
    return SMALL.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def unbroken(small_toml: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """The small simulated study, all eight arms, run without a break. Not to be written to."""
    folder = tmp_path_factory.mktemp("unbroken") / "small"
    folder.mkdir()
    (folder / "study.toml").write_text(small_toml, encoding="utf-8")
    yield finish(folder / "study.toml")


FILED = """
[study]
name = "filed"
seed = 3
[items]
bank = "mindca"
include = ["sf1", "ss-brian"]
[data]
responses = "data/responses.csv"
ratings = "data/ratings.csv"
persons = "data/persons.csv"
operational = "original"
criterion = "corrected"
[split]
train = 0.3
feedback = 0.4
audit = 0.3
stratify = ["gender"]
max_train_responses = 12
[groups.gender]
reference = "boy"
focal = "girl"
[scorer]
epochs = 1
batch_size = 4
learning_rate = 2e-3
[scorer.lora]
rank = 2
[feedback]
source = "second_scoring"
first = "original"
second = "corrected"
max_responses = 10
equivalence = "matched_answers"
max_equivalences = 4
[reward]
epochs = 1
[align]
arms = ["baseline", "dpo+equivalence"]
epochs = 1
batch_size = 4
[dif]
methods = ["mantel", "smd"]
correction = "BH"
bootstrap = 20
min_group = 4
"""

# Invented answers: two wordings of the same content words, so that answers of a girl and a boy match.
SAID = {
    "sf1": (
        ("They wanted to surprise the woman.", "they were wanting to surprise a woman"),
        ("Because the woman is scary", "because she is a scary woman"),
        ("They hid behind the curtain.", "They just hid behind a curtain"),
    ),
    "ss-brian": (
        ("He was only joking about the dog", "He is only joking about a dog."),
        ("Brian lied to the teacher", "brian was lying to his teacher"),
        ("He wants to keep the book", "he is wanting to keep a book"),
    ),
}


def write_filed_study(folder: Path) -> Path:
    """Forty children, some of unknown gender, two scorings that differ for every fourth answer."""
    (folder / "data").mkdir(parents=True)
    responses, ratings, persons = [], [], []
    for number in range(40):
        person = f"c{number:02}"
        persons.append([person, ("girl", "boy")[number % 2] if number % 10 else None, 7 + number % 6])
        for at, (item, answers) in enumerate(SAID.items()):
            if item == "sf1" and number == 11:
                continue  # a child that did not answer
            score = (number // 2 + at) % 3
            responses.append([person, item, answers[score][number % 2]])
            changed = (number + at) % 4 == 0
            ratings.append([person, item, "original", (score + 1) % 3 if changed else score])
            if number % 13:
                ratings.append([person, item, "corrected", score])
    tables = {
        "responses": pd.DataFrame(responses, columns=["person", "item", "response"]),
        "ratings": pd.DataFrame(ratings, columns=["person", "item", "rater", "score"]),
        "persons": pd.DataFrame(persons, columns=["person", "gender", "age"]),
    }
    for name, table in tables.items():
        table.to_csv(folder / "data" / f"{name}.csv", index=False)
    (folder / "study.toml").write_text(FILED, encoding="utf-8")
    return folder / "study.toml"


@pytest.fixture(scope="session")
def filed(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A study of CSV files with a second scoring, two arms. Not to be written to."""
    return finish(write_filed_study(tmp_path_factory.mktemp("filed") / "filed"))
