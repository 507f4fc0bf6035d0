"""The section on what alignment cost: what it says, what it does not claim, and runs that lack its tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from psyalign.report import build_report
from psyalign.report.schema import COLUMNS, DIAGNOSTICS

RunMaker = Callable[..., Path]
ARMS = ["baseline", "ppo", "equivalence"]
SAID = re.compile(r"\b(nan|none|inf|null|debias\w*|unbiased|solved|prove[sd]?)\b", re.IGNORECASE)


def tables(*, alarm: bool = False, best: float = 0.5, end: bool = False) -> dict[str, pd.DataFrame]:
    """The five tables of a coherent run; `best` is the β with the best gold."""
    beta = 0.1
    grid = [np.inf, 1.0, 0.5, 0.25, beta, 0.05]
    rows = []
    for persons, sign in (("held_out", 1.0), ("learned_from", 2.0)):
        for place, each in enumerate(grid):
            saved = sign * 0.02 * place - (0.006 * place**2 if persons == "held_out" else 0)
            rows.append(step("sweep", persons, "", each, 0.05 * place, 0.2 * place, saved))
            rows[-1] |= {"study_beta": each == beta, "best_beta": persons == "held_out" and each == best}
    for place, arm in enumerate(ARMS):
        rows.append(step("arm", "audit", arm, np.nan, 0.08 * place, 0.25 * place, 0.01 * place))
    return {
        "over_optimisation": pd.DataFrame(rows, columns=list(COLUMNS["over_optimisation"])),
        "beta_choice": pd.DataFrame(
            [[best, 0.25, 1.0, 0.0, beta, 0.03, 0.028, 0.009, 0.047, 40, 429, end]],
            columns=list(COLUMNS["beta_choice"]),
        ),
        "alignment_tax": tax(),
        "alignment_kl": movement(),
        "reward_hacking": hacking(alarm=alarm),
    }


def step(
    kind: str, persons: str, arm: str, beta: float, kl: float, reward: float, saved: float
) -> dict[str, Any]:
    return {
        "kind": kind, "persons": persons, "arm": arm, "beta": beta, "n_persons": 40, "n": 429, "kl": kl,
        "reward": 3 + reward, "qwk": 0.8 + saved, "r": 0.83, "rps": 0.16 - saved, "rmse": 0.45,
        "reward_change": reward, "qwk_change": saved, "rps_change": -saved, "rps_change_low": -saved - 0.02,
        "rps_change_high": -saved + 0.02, "study_beta": False, "best_beta": False,
    }  # fmt: skip


def tax() -> pd.DataFrame:
    changes = {"qwk": (0.03, 0.01, 0.05), "rps": (-0.02, -0.03, -0.01), "slope": (-0.06, -0.08, -0.04)}
    rows = []
    for arm in ARMS:
        for metric in ("qwk", "rps", "ece", "slope"):
            worse = (0.09, 0.07, 0.1) if arm == "ppo" else (-0.01, -0.02, 0.01)
            change = changes.get(metric, worse) if arm != "baseline" else (np.nan,) * 3
            rows.append([arm, metric, 0.5, 0.45, 0.55, *change])
    return pd.DataFrame(rows, columns=list(COLUMNS["alignment_tax"]))


def movement() -> pd.DataFrame:
    levels = [("all", "all"), *(("item", f"item-{n}") for n in (1, 2)), ("variety", "everyday")]
    rows = [
        [arm, *level, 240, 0.1 * place, 0.4, 0.05, 3.1, 0.2 * place, 0.3, 0.11, 0.15, 0.9, 0.3]
        for place, arm in enumerate(ARMS)
        for level in levels
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS["alignment_kl"]))


def hacking(*, alarm: bool) -> pd.DataFrame:
    rows: list[list[Any]] = [
        ["reward_model", "held_out_gold", "", 0.02, 0.01, 0.03, *[np.nan] * 3, False, "No."]
    ]
    for arm in ("reward_model", "ppo", "equivalence"):
        hit = alarm and arm == "ppo"
        why = "Given item and human score, the expected score goes with the length of the response."
        rows.append([arm, "score_dependence", "length", 0.12, 0.08, 0.16, 0.07, 0.05, 0.09, hit, why])
        if arm != "reward_model":
            rows.append([arm, "chosen", "", -0.2, -0.3, 0.1, *[np.nan] * 3, False, "Not shown."])
            rows.append(
                [arm, "reward_dependence", "length", 0.1, 0.0, 0.2, 0.0, -0.1, 0.1, False, "Described."]
            )
    return pd.DataFrame(rows, columns=list(COLUMNS["reward_hacking"]))


@pytest.fixture
def section(make_run: RunMaker, tmp_path: Path) -> Callable[..., str]:
    """The visible text of the section in the report of a run with these tables."""

    def build(found: dict[str, pd.DataFrame], *, origin: str = "simulated", **options: Any) -> str:
        run = make_run(arms=ARMS, origin=origin, **options)
        for name, table in found.items():
            table.assign(origin=origin).to_parquet(run / "tables" / f"{name}.parquet", index=False)
        page = build_report(run, tmp_path / "out").read_text(encoding="utf-8")
        inside = re.search(r'<section[^>]*id="alignment".*?</section>', page, re.DOTALL)
        if inside is None:
            return ""
        text = re.sub(r"<svg.*?</svg>", " ", inside.group(), flags=re.DOTALL)
        return " ".join(re.sub(r"<[^>]+>", " ", text).split())

    return build


def test_section_says_what_the_tables_hold(section: Callable[..., str]) -> None:
    text = section(tables())
    assert text.startswith("What alignment cost and whether the reward was gamed")
    assert "Audit persons are not used to choose anything" in text
    assert "β = 0.5. In 95% of the draws of persons the best β lies from 0.25 to 1." in text
    assert "it saves 0.028 [0.009, 0.047] in RPS against the reference scorer, so a gain is shown" in text
    assert "nothing in this run made use of it" in text
    assert "No detector gave an alarm." in text and "No alarm is no proof either" in text
    assert text.count("[Simulated]") == 6, "every caption"
    assert not SAID.search(text)


def test_tax_names_what_is_shown_to_be_worse_and_nothing_else(section: Callable[..., str]) -> None:
    text = section(tables())
    assert re.search(r"PPO .*?\[\.070, \.100\] .*? Calibration error Equivalence", text)
    assert re.search(r"Equivalence .*? nothing", text)


def test_alarms_stand_in_words_and_at_their_number(section: Callable[..., str]) -> None:
    text = section(tables(alarm=True))
    assert "PPO. Given item and human score, the expected score goes with" in text
    assert "+.070 [.050, .090] alarm" in text
    assert text.count(" alarm ") < 12 and "No detector gave an alarm" not in text


def test_with_too_few_draws_nothing_is_judged(section: Callable[..., str]) -> None:
    text = section(tables(alarm=True), draws=50)
    assert "so that no alarm below should be relied on, nor its absence" in text
    assert "not judged" in text and "a gain is shown" not in text


@pytest.mark.parametrize(
    ("best", "end", "said"),
    [
        (np.inf, True, "here, no strength of following the reward helps"),
        (0.05, True, "the end of the sweep: it may be lower still beyond"),
    ],
)
def test_best_beta_at_the_ends(section: Callable[..., str], best: float, end: bool, said: str) -> None:
    text = section(tables(best=best, end=end))
    assert said in text and not SAID.search(text)


def test_drawing_is_light_marked_and_has_its_words_as_alternative_text(
    section: Callable[..., str], tmp_path: Path
) -> None:
    section(tables())
    path = tmp_path / "out" / "figures" / "over-optimisation.svg"
    text = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    described = next(element.text for element in root if element.tag.endswith("desc"))
    assert described is not None
    for part in ("study’s β: KL 0.200", "best gold: KL 0.100", "end of the sweep", "PPO: KL 0.080"):
        assert part in described
    assert root.get("role") == "img" and ">Simulated<" in text and len(text) < 60_000


@pytest.mark.parametrize("left_out", DIAGNOSTICS)
def test_a_run_that_lacks_a_table_is_reported_without_it(
    section: Callable[..., str], tmp_path: Path, left_out: str
) -> None:
    found = tables()
    del found[left_out]
    text = section(found, origin="real")
    assert text and not SAID.search(text) and "imulated" not in text
    assert not (tmp_path / "out" / "tables" / f"{left_out}.csv").exists()  # a table without rows is no file


def test_a_run_of_before_has_no_such_section(section: Callable[..., str], tmp_path: Path) -> None:
    assert section({}) == ""
    assert not (tmp_path / "out" / "figures" / "over-optimisation.svg").exists()


def test_an_arm_that_no_drawing_knows_has_a_mark_of_its_own(section: Callable[..., str]) -> None:
    found = tables()
    found["reward_hacking"]["arm"] = found["reward_hacking"]["arm"].replace("ppo", "closed_form")
    assert "closed_form" in section(found)
