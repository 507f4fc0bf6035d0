"""SIMULATED raters at the rating page of a study, who know the true scores; for feedback_sources.py.

They read a page as it comes over HTTP (Starlette's test client) and press its buttons. For a score
preference P(higher score point) = 1 / (1 + exp(-SLOPE (true - severity - midpoint))), with the severities of
RATERS in score points: without severity that is right in 95% of the questions next to the true score.
"The same intention?" is yes for two wordings of one answer, and for answers of two children with equal true
scores and half of their content words in common. At the rate of RATERS an answer is a slip: any button by
chance.
"""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from starlette.testclient import TestClient

from psyalign.collect import Settings, begin
from psyalign.collect.app import make_app
from psyalign.feedback.equivalences import content_words
from psyalign.pipeline import load_study_data
from psyalign.pipeline.collection import feedback_material
from psyalign.responses import final_scores
from psyalign.study import load_study

sys.path.append(str(Path(__file__).parents[1] / "tests" / "collect"))
from simulated_raters import Form

RATERS = {"mild": (-0.25, 0.03), "middling": (0.0, 0.03), "severe": (0.25, 0.08)}  # severity, rate of slips
SLOPE = 6.0
ALIKE = 0.5  # least share of content words


def rate(home: Path, most: int) -> None:
    """Let the raters work through the collection "main" of a study: at most so many responses, and pairs."""
    study = load_study(home / "study.toml")
    material, settings = feedback_material(study), Settings(max_responses=most)
    made = begin(home / "collect" / "main.sqlite", material, settings, ["max_responses"], list(RATERS))
    known = Known(home)
    app = make_app(made.store, made.keys, made.material, ["testserver"])
    for rater, (severity, slips) in RATERS.items():
        rng = np.random.default_rng([study.study.seed, list(RATERS).index(rater)])
        with TestClient(app, follow_redirects=True) as browser:
            browser.get(made.paths()[rater])
            page = browser.get("/").text
            while (form := Form.of(page)) is not None:
                said = known.answer(page, severity, rng)
                buttons = [text for text in form.answers if text in ("same", "different") or text.isdigit()]
                answer = str(rng.choice(buttons)) if rng.random() < slips else said
                page = browser.post("/answer", data=form.fields | {"answer": answer, "seconds": "5"}).text
    made.store.close()


class Known:
    """What a rater knows: of an answer as the page shows it, whose it is and its true score."""

    def __init__(self, home: Path) -> None:
        bank, data = load_study_data(load_study(home / "study.toml"))
        scores = final_scores(data.ratings, "true").set_index(["person", "item"])["score"]
        self.items = {_plain(f"{item.scenario} {item.prompt}"): name for name, item in bank.items.items()}
        self.whose: dict[tuple[str, str], dict[str, int]] = {
            (name, _plain(exemplar.response)): {"": exemplar.score}  # planted among the answers
            for name, item in bank.items.items()
            for exemplar in item.exemplars
        }
        texts = pd.concat([data.responses, data.alternates])[["person", "item", "response"]]
        for person, item, text in texts.itertuples(index=False):
            if (person, item) in scores.index:
                self.whose.setdefault((item, _plain(text)), {})[person] = int(scores[person, item])

    def answer(self, page: str, severity: float, rng: np.random.Generator) -> str:
        """The button that a rater of this severity presses who does not slip."""
        asked = re.search(r'<p>([^<]*)</p>\s*<p class="prompt">([^<]*)</p>', page)
        assert asked is not None
        item = self.items[_plain(html.unescape(f"{asked[1]} {asked[2]}"))]
        texts = [
            _plain(html.unescape(text)) for text in re.findall(r"<blockquote>([^<]*)</blockquote>", page)
        ]
        if len(texts) == 2:
            return "same" if self._same(item, *texts) else "different"
        first, second = (int(score) for score in re.findall(r">Score (\d+) ·", page)[:2])
        beyond = self._score(item, texts[0]) - severity - (first + second) / 2
        higher = rng.random() < 1 / (1 + np.exp(-SLOPE * beyond))
        return "1" if (first > second) == higher else "2"

    def _score(self, item: str, text: str) -> float:
        return float(np.mean(list(self.whose[item, text].values())))

    def _same(self, item: str, first: str, second: str) -> bool:
        if self.whose[item, first].keys() & self.whose[item, second].keys():
            return True
        one, two = content_words(first), content_words(second)
        alike = len(one & two) >= ALIKE * len(one | two)
        return alike and self._score(item, first) == self._score(item, second)


def _plain(text: str) -> str:
    return " ".join(text.split())
