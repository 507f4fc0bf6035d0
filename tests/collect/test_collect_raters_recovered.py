"""Simulated raters answer at the page over HTTP; what is exported tells who is severe, careless or leaning.

Nothing here is a finding: abilities, severities, slips and leanings are made up and known.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from psyalign.collect import Collection, Material, Settings, begin, export_records, judgement_times, overview
from psyalign.collect.app import make_app
from psyalign.feedback.raters import judgement_tables, rater_groups, rater_table

from .conftest import Form, made_item

POINTS = {"five": 5, "four": 4}
PERSONS = 30
SUBJECTS = 24  # responses, or pairs of them, of each kind; all raters judge them all
RATERS = [f"r{at:02}" for at in range(8)]
CARELESS = {"r03": 0.8, "r07": 1.0}  # probability that an answer is a random one
BIASED = {"r05": 2.0}  # logits harder on variety "y"
KINDS = ["ratings", "score_preferences", "response_preferences", "equivalences"]
SEVERITY = dict(zip(RATERS, (-1.3, -0.8, -0.3, 0.0, 0.4, 0.2, 1.2, 0.0), strict=True))


@pytest.fixture(scope="module")
def abilities() -> dict[str, float]:
    rng = np.random.default_rng(11)
    return {f"p{n:03}|{item}": float(rng.normal(0, 1.5)) for n in range(PERSONS) for item in POINTS}


def collection(folder: Path) -> Collection:
    items = {name: made_item(name, points) for name, points in POINTS.items()}
    rows = [
        (f"p{n:03}|{item}", f"p{n:03}", item, "xy"[n % 2], f"answer {n} to {item}", True)
        for n in range(PERSONS)
        for item in POINTS
    ]
    texts = pd.DataFrame(rows, columns=["response_id", "person", "item", "wording", "response", "primary"])
    kinds = dict(zip(texts["response_id"], texts["wording"], strict=True))
    material = Material("Bank", "", "Study", "", 5, items, texts, kinds, {}, {})
    settings = Settings(
        kinds=("rating", "score_preference", "response_preference"),
        max_responses=SUBJECTS,
        overlap=SUBJECTS,
        repeats=0.15,
        anchors=0,
    )
    named = ["kinds", "max_responses", "overlap", "repeats", "anchors"]
    return begin(folder / "collect" / "main.sqlite", material, settings, named, RATERS)


def answer_all(made: Collection, say: Callable[[str, str], str]) -> int:
    """Every rater works through the part, a form at a time; returns the number of judgements."""
    app = make_app(made.store, made.keys, made.material, ["testserver"])
    count = 0
    for rater in RATERS:
        with TestClient(app, follow_redirects=True) as browser:
            browser.get(made.paths()[rater])
            page = browser.get("/").text
            while (form := Form.of(page)) is not None:
                answer = say(rater, page)
                assert answer in form.answers
                page = browser.post("/answer", data={**form.fields, "answer": answer, "seconds": "9"}).text
                count += 1
    return count


def simulated(abilities: dict[str, float]) -> Callable[[str, str], str]:
    """Raters who know no more than the page shows: texts, score points, and the buttons' order."""
    rng = np.random.default_rng(4)

    def worth(rater: str, person: str, item: str) -> float:
        leaning = BIASED.get(rater, 0.0) * (0.5 if int(person) % 2 else -0.5)
        return abilities[f"p{int(person):03}|{item}"] - SEVERITY[rater] - leaning

    def say(rater: str, page: str) -> str:
        shown = re.findall(r"answer (\d+) to (\w+)", page)
        if "Which answer is better?" in page:
            first, second = (worth(rater, *response) for response in shown[:2])
            logits = {"1": (first - second) / 2, "equal": np.log(0.5), "2": (second - first) / 2}
        else:
            points = np.arange(POINTS[shown[0][1]])
            steps = np.linspace(-1.2, 1.2, len(points) - 1)
            likes = points * worth(rater, *shown[0]) - np.concatenate([[0], np.cumsum(steps)])
            offered = re.findall(r"Score (\d) ·", page[page.index('action="/answer"') :])[:2]
            named = (
                enumerate(offered, start=1)
                if "fits this answer better?" in page
                else zip(points, map(str, points), strict=True)
            )
            logits = {str(button): float(likes[int(score)]) for button, score in named}
        chance = np.exp(np.array(list(logits.values())) - max(logits.values()))
        if rng.random() < CARELESS.get(rater, 0.0):
            chance = np.ones(len(logits))
        return str(rng.choice(list(logits), p=chance / chance.sum()))

    return say


@pytest.mark.slow
def test_raters_are_recovered_from_what_they_did_at_the_page(
    tmp_path: Path, abilities: dict[str, float]
) -> None:
    """Eight raters, two careless, one biased; all that is known of them comes back from the export."""
    made = collection(tmp_path)
    given = answer_all(made, simulated(abilities))
    exported = export_records(made.store, {name: range(k) for name, k in POINTS.items()})
    assert given == len(made.store.rows()) == len(exported.records)
    judgements, comparisons, equivalences = judgement_tables(exported.records)
    times = judgement_times(made.store)
    table = rater_table(judgements, comparisons, POINTS, equivalences=equivalences, times=times)
    table = table.set_index("rater")
    careful = [name for name in RATERS if name not in CARELESS]
    truth = pd.Series(SEVERITY)
    assert np.corrcoef(table.loc[careful, "severity"], truth[careful])[0, 1] >= 0.9
    assert np.corrcoef(table["severity"], truth[table.index])[0, 1] >= 0.9
    # careless: less discriminating than typical beyond chance; nobody else is
    upper = table["discrimination"] * np.exp(1.96 * table["discrimination_se"])
    assert set(table.index[upper < 1]) == set(CARELESS)
    for name, worst in (("eta", "idxmin"), ("repeat_kappa", "idxmin"), ("agreement", "idxmin")):
        assert getattr(table[name], worst)() in CARELESS, name
    share = table["contradictory"] / table["score_sets"]
    assert set(share.nlargest(2).index) == set(CARELESS)
    assert (table["timed"] == table[KINDS].sum(axis=1)).all()
    (again,) = (row for row in overview(made.store).raters if row["rater"] == "r07")
    assert again["consistent"] == pytest.approx(table.loc["r07", "consistent"])
    # leaning: the biased rater is harder on "y", nobody else is flagged
    sides = {name: 0.5 if int(name[1:4]) % 2 else -0.5 for name in abilities}
    groups = rater_groups(judgements, comparisons, POINTS, {"variety": sides})
    flagged = groups[(groups["judgements"] == "scores") & (groups["p_adjusted"] < 0.05)]
    assert set(flagged["rater"]) == set(BIASED)
    assert (flagged["effect"] > 0).all()
