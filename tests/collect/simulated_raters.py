"""Simulated raters who answer at the rating page, or the same questions without it: both say the same.

Abilities, severities, slips and leanings are made up and known; nothing here is a finding. Tests of the page,
`benchmarks/rater_recovery.py` and `benchmarks/feedback_sources_page.py` share this file; it imports nothing
from its own folder.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from starlette.testclient import TestClient

from psyalign.collect import Collection, Material, Settings, begin
from psyalign.collect.app import make_app
from psyalign.collect.export import SOURCE, SOURCE_REPEAT
from psyalign.collect.plan import make_plan
from psyalign.collect.tasks import Task
from psyalign.feedback import Rating, Record, ResponsePreference, ScorePreference
from psyalign.foundation.seeds import generator, unit_interval
from psyalign.items import Exemplar, Item, RubricPoint

POINTS = {"five": 5, "four": 4}
STEPS = 1.2  # logits, the outermost thresholds
ABILITY_SD, SEVERITY_SD = 1.5, 0.8
TIES = 0.5  # Davidson's ν
TIE = "tie"


def made_item(name: str, points: int) -> Item:
    """An item of so many score points, two exemplars each."""
    rubric = tuple(RubricPoint(s, f"label {s}", f"Description {s}.") for s in range(points))
    exemplars = tuple(
        Exemplar(s, f"Exemplar {name} {s} {twin}", "Because.") for s in range(points) for twin in "ab"
    )
    return Item(name, "1", f"Item {name}", "care", f"It happens {name}.", "What now?", rubric, exemplars)


@dataclass
class Form:
    """The question's form on a page: its hidden fields and the values of its buttons."""

    fields: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, page: str) -> Form | None:
        """The form of a page; None where there is none."""
        found = re.search(r'<form method="post" action="/answer".*?</form>', page, re.S)
        if found is None:
            return None
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', found[0])
        return cls(
            dict(hidden), [unescape(v) for v in re.findall(r'name="answer" value="([^"]*)"', found[0])]
        )


class Question(NamedTuple):
    """What is asked, however it is shown: responses and score points sorted; a rating offers all points."""

    kind: str
    item: str
    responses: tuple[str, ...]
    scores: tuple[int, ...] = ()

    @classmethod
    def of_task(cls, task: Task) -> Question:
        """The question that a collection's task asks."""
        responses = tuple(sorted(name for name in (task.response_a, task.response_b) if name))
        if task.kind == "score_preference":
            return cls(task.kind, task.item, responses, (int(task.low or 0), int(task.high or 0)))
        return cls(
            task.kind, task.item, responses, tuple(range(POINTS[task.item])) if task.kind == "rating" else ()
        )


@dataclass(frozen=True)
class Panel:
    """Raters and responses of which everything is known, in logits.

    Attributes
    ----------
    seed : int
        Fixes every answer: it depends on the rater, the question and how often that was asked before, not
        on when or in which order of its buttons.
    ability : mapping of str to float
        Of responses; the person's number tells the variety, see `side`.
    severity : mapping of str to float
        Of raters.
    careless : mapping of str to float
        Probability that a rater's answer is a random button; 0 for raters it lacks.
    leaning : mapping of str to float
        How much harder a rater is on variety "y" than on "x".
    """

    seed: int
    ability: Mapping[str, float] = field(repr=False)
    severity: Mapping[str, float]
    careless: Mapping[str, float] = field(default_factory=dict)
    leaning: Mapping[str, float] = field(default_factory=dict)

    @property
    def sides(self) -> dict[str, float]:
        """Response → 0.5 for variety "y", the focal one, −0.5 for "x"."""
        return {name: side(name) for name in self.ability}

    def chances(self, rater: str, question: Question) -> dict[str, float]:
        """Answer → probability: a score point, the preferred response, or "tie"."""
        worths = [
            self.ability[name] - self.severity[rater] - self.leaning.get(rater, 0.0) * side(name)
            for name in question.responses
        ]
        if question.kind == "response_preference":
            half = (worths[0] - worths[1]) / 2
            names = [*question.responses, TIE]
            likes = np.array([half, -half, np.log(TIES)])
        else:
            points = np.arange(POINTS[question.item])
            steps = np.linspace(-STEPS, STEPS, len(points) - 1)
            names = [str(score) for score in question.scores]
            likes = (points * worths[0] - np.concatenate([[0], np.cumsum(steps)]))[list(question.scores)]
        chance = np.exp(likes - likes.max())
        random = self.careless.get(rater, 0.0)
        chance = (1 - random) * chance / chance.sum() + random / len(chance)
        return dict(zip(names, chance.tolist(), strict=True))

    def answer(self, rater: str, question: Question, turn: int) -> str:
        """What the rater says when asked for the `turn`-th time, counted from 0."""
        chances = self.chances(rater, question)
        left = unit_interval(self.seed, rater, *question, turn)
        for name, chance in chances.items():
            left -= chance
            if left < 0:
                return name
        return name


def side(response: str) -> float:
    """0.5 for a response in variety "y", −0.5 for "x"."""
    return 0.5 if int(response[1:].split("|", maxsplit=1)[0]) % 2 else -0.5


def made_panel(seed: int, *, raters: int = 8, persons: int = 30, gap: float = 0.0, **known: Any) -> Panel:
    """Drawn abilities and severities; variety "y" is `gap` logits less able. `known`: see `Panel`."""
    rng = generator(seed, "simulated raters")
    ability = {
        f"p{n:03}|{item}": float(rng.normal(0, ABILITY_SD)) - gap * (n % 2)
        for n in range(persons)
        for item in POINTS
    }
    severity = {f"r{at:02}": float(rng.normal(0, SEVERITY_SD)) for at in range(raters)}
    return Panel(seed, ability, severity, **known)


def made_material(panel: Panel) -> Material:
    """What a collection about the panel's responses is made of."""
    rows = []
    for name in panel.ability:
        person, item = name.split("|")
        wording = "y" if side(name) > 0 else "x"
        rows.append((name, person, item, wording, f"answer {int(person[1:])} to {item}", True))
    texts = pd.DataFrame(rows, columns=["response_id", "person", "item", "wording", "response", "primary"])
    varieties = dict(zip(texts["response_id"], texts["wording"], strict=True))
    items = {name: made_item(name, points) for name, points in POINTS.items()}
    return Material("Bank", "", "Study", "", 5, items, texts, varieties, {}, {})


def made_settings(kinds: Sequence[str], subjects: int, repeats: float) -> Settings:
    """So many responses, or pairs of them, of each kind; all raters judge them all."""
    return Settings(kinds=tuple(kinds), max_responses=subjects, overlap=subjects, repeats=repeats, anchors=0)


def made_collection(folder: Path, panel: Panel, settings: Settings) -> Collection:
    """A collection that the panel's raters have begun."""
    named = ["kinds", "max_responses", "overlap", "repeats", "anchors"]
    path = folder / "collect" / "main.sqlite"
    return begin(path, made_material(panel), settings, named, sorted(panel.severity))


def answer_at_page(made: Collection, panel: Panel) -> int:
    """Every rater works through the part over HTTP, a form at a time; returns the number of judgements.

    Raters know no more than the page shows: texts, score points, and which button says what.
    """
    app = make_app(made.store, made.keys, made.material, ["testserver"])
    count = 0
    for rater in panel.severity:
        before: Counter[Question] = Counter()
        with TestClient(app, follow_redirects=True) as browser:
            browser.get(made.paths()[rater])
            page = browser.get("/").text
            while (form := Form.of(page)) is not None:
                question, buttons = _read(page)
                button = buttons[panel.answer(rater, question, before[question])]
                assert button in form.answers
                before[question] += 1
                page = browser.post("/answer", data={**form.fields, "answer": button, "seconds": "9"}).text
                count += 1
    return count


def _read(page: str) -> tuple[Question, dict[str, str]]:
    """The question of a page, and answer → value of the button that says so."""
    shown = [(f"p{int(n):03}|{item}", item) for n, item in re.findall(r"answer (\d+) to (\w+)", page)]
    first, item = shown[0]
    if "Which answer is better?" in page:
        second = shown[1][0]
        question = Question("response_preference", item, tuple(sorted((first, second))))
        return question, {first: "1", second: "2", TIE: "equal"}
    if "fits this answer better?" in page:
        offered = re.findall(r"Score (\d) ·", page[page.index('action="/answer"') :])[:2]
        question = Question("score_preference", item, (first,), tuple(sorted(map(int, offered))))
        return question, {score: str(at) for at, score in enumerate(offered, start=1)}
    scores = tuple(range(POINTS[item]))
    return Question("rating", item, (first,), scores), {str(score): str(score) for score in scores}


def asked_at_page(made: Collection) -> Iterator[tuple[str, Task, int]]:
    """Rater, task and turn of each judgement of a collection, in the order in which they were given."""
    tasks = made.store.plan()[1]
    return ((row["rater"], tasks[row["id"]], row["round"] - 1) for row in made.store.rows())


def asked_of_all(panel: Panel, settings: Settings) -> Iterator[tuple[str, Task, int]]:
    """What a collection with these settings asks of everybody, without repeats."""
    plan = make_plan(made_material(panel), settings)
    return ((rater, task, 0) for rater in panel.severity for block in plan for task in block.tasks)


def answer_directly(panel: Panel, asked: Iterable[tuple[str, Task, int]]) -> list[Record]:
    """The records that the panel's answers make, without a page."""
    found: list[Record] = []
    for rater, task, turn in asked:
        said = panel.answer(rater, Question.of_task(task), turn)
        source = SOURCE_REPEAT if turn else SOURCE
        if task.kind == "rating":
            found.append(Rating(task.item, task.response_a, int(said), rater, source))
        elif task.kind == "score_preference":
            other = task.low if int(said) == task.high else task.high
            found.append(
                ScorePreference(task.item, task.response_a, int(said), int(other or 0), rater, source)
            )
        else:
            liked = {task.response_a: "a", task.response_b: "b", TIE: "tie"}[said]
            pair = (task.response_a, task.response_b)
            found.append(ResponsePreference(task.item, *pair, liked, rater, source))
    return found
