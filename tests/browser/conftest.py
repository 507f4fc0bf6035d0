"""Pages of every kind, written once, and a headless Chromium that looks at them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from psyalign.dif.counts.points import ItemCounts
from psyalign.report import build_report
from psyalign.report.comparison import Plan, compare_runs, write_comparison
from psyalign.report.evaluation import Asked, Columns, ScoreRange, measure, read_given, write_evaluation
from psyalign.report.figures.dif_plots import DifPlots, write_dif_plots
from tests.report.comparison.conftest import write_two_runs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EXAMPLE = Path(__file__).parents[2] / "reports" / "example-workplace-sjt" / "run"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
# Chromium drops keys that are pressed before a page's first frame is on the screen.
PAINTED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def chromium_program() -> str:
    """The system's Chromium; what is missing for it is said when the tests are skipped."""
    pytest.importorskip("playwright.sync_api", reason="needs playwright (the dev extra)")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("needs chromium on the PATH")
    return program


@pytest.fixture(scope="session")
def chromium(chromium_program: str) -> Iterator[Browser]:
    """It runs, headless."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium_program)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    package: Any = pytest.importorskip(
        "axe_playwright_python.base", reason="needs axe-playwright-python (the dev extra)"
    )
    return str(package.AXE_SCRIPT)


def violations(page: Page, axe: str, rules: list[str] | None = None) -> list[tuple[str, str]]:
    """What axe-core finds on a page: rule and the first element; by these rules only, if any are named."""
    run = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": RULES}
    page.evaluate(axe)
    options = {"runOnly": run, "resultTypes": ["violations"]}
    found = page.evaluate("options => axe.run(document, options)", options)
    assert len(found["passes"]) > (0 if rules else 15)  # it has looked
    return [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]]


def _run(folder: Path) -> Path:
    """The report of a whole run with seven arms and feedback: the committed example, built anew."""
    return build_report(EXAMPLE, folder, ["html"])


def _evaluation(folder: Path) -> Path:
    """An evaluation of simulated scores with two human scores, groups, persons and items."""
    rng = np.random.default_rng(1)
    true = np.repeat(rng.normal(size=200), 4)
    item = np.tile(np.arange(4), 200)
    group = np.repeat(rng.choice(["girl", "boy"], 200), 4)

    def rated(sd: float) -> np.ndarray:
        return np.clip(np.rint(2 + true + rng.normal(0, sd, 800)), 0, 4)

    scores = pd.DataFrame(
        {
            "person": np.repeat([f"p{number}" for number in range(200)], 4),
            "item": [f"item {number}" for number in item],
            "system": 2 + 0.9 * true + rng.normal(0, 0.4, 800) - 0.8 * ((group == "girl") & (item == 2)),
            "human": rated(0.4),
            "human2": rated(0.4),
            "gender": group,
            "origin": "simulated",
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "scores.csv"
    scores.to_csv(source, index=False)
    columns = Columns(humans=("human", "human2"), groups=("gender",), person="person", item="item")
    found = measure(read_given(source, columns, ScoreRange()), Asked(bootstrap=200))
    return write_evaluation(found, folder, source=source, title="An engine on trial", formats=["html"])


def _drawings(folder: Path) -> Path:
    """The page of a DIF analysis with every kind of drawing, of simulated effects."""
    rng = np.random.default_rng(1)
    items = [f"A long title of an item, number {number}" for number in range(7)]

    def effects() -> pd.DataFrame:
        es = rng.normal(0, 0.2, len(items))
        classes = np.select([np.abs(es) > 0.25, np.abs(es) > 0.17], ["CC", "BB"], "AA")
        return pd.DataFrame({"item": items, "es": es, "es_se": 0.08, "es_class": classes, "reason": ""})

    sets = {name: effects() for name in ("human", "before", "after")}
    steps = [
        {"item": name, "step": step, "dsf_log_or": rng.normal(), "dsf_se": 0.2}
        for name in items
        for step in (1, 2, 3)
    ]
    steps[1] |= {"dsf_log_or": np.nan, "dsf_se": np.nan}
    n = rng.poisson(np.linspace(1, 6, 9)[:, None, None], (9, 2, 4)).astype(float)
    change = sets["after"]["es"] - sets["before"]["es"]
    tested = pd.DataFrame({"item": items, "change": change, "p": 0.01, "p_adjusted": 0.07})
    plots = DifPlots(
        effects=sets,
        counts={items[0]: ItemCounts(n, np.arange(9.0), np.arange(4.0))},
        steps=pd.DataFrame(steps),
        common=dict.fromkeys(items, 0.2),
        change=tested.assign(status="new_direction"),
        groups=("standard", "everyday"),
        origin="Simulated",
        title="DIF of simulated scores",
    )
    return write_dif_plots(folder, plots)[-1]


def _comparison(folder: Path) -> Path:
    """Two simulated runs compared, of the same persons and of settings that differ."""
    runs = write_two_runs(folder)
    manifest = runs[1] / "manifest.json"
    value = json.loads(manifest.read_text(encoding="utf-8"))
    value["settings"]["scorer"]["lora"]["rank"] = 4
    manifest.write_text(json.dumps(value), encoding="utf-8")
    return write_comparison(compare_runs(*runs, Plan(bootstrap=200)), folder / "out", ["html"])


PAGES: dict[str, Callable[[Path], Path]] = {
    "run": _run,
    "evaluation": _evaluation,
    "comparison": _comparison,
    "drawings": _drawings,
}


@pytest.fixture(scope="session", params=sorted(PAGES))
def page_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of psyalign's, one kind after the other."""
    name: str = request.param
    return PAGES[name](tmp_path_factory.mktemp(name))
