"""The report as a whole: it builds, it is deterministic, self-contained, escaped and free of holes."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from psyalign.foundation.errors import RunError
from psyalign.report import build_report

RunMaker = Callable[..., Path]
RunWriter = Callable[..., Path]
FEW = ["baseline", "equivalence"]  # fewer arms, fewer drawings to wait for
EVIL = "<script>alert(1)</script>"
VOID = {"meta", "br", "img", "hr", "input", "link"}


class Page(HTMLParser):
    """Collects tags, ids, links and visible text, and checks that tags nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.links += [value or "" for key, value in attrs if key in ("href", "src")]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def built(write_run: RunWriter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return build_report(write_run(folder / "run"), folder / "out")


def test_page_opens_with_the_verdict_and_holds_every_section(built: Path) -> None:
    page = Page(built.read_text(encoding="utf-8"))
    sections = [
        "verdict", "study", "purpose", "items", "data", "raters", "model-card", "plan", "agreement", "dif",
        "wording", "arms", "distributions", "training", "limits", "crosswalk", "provenance", "files",
    ]  # fmt: skip
    assert [name for name in page.ids if name in sections] == sections
    assert page.text.index("DIF reduced on variety") < page.text.index("Every difference in this report")
    assert "mean effect size −0.16 before, −0.02 after" in page.text
    assert len(page.ids) == len(set(page.ids))


def test_page_asks_for_nothing_outside_itself(built: Path) -> None:
    text = built.read_text(encoding="utf-8")
    page = Page(text)
    assert all(link.startswith("#") for link in page.links)
    assert not {"script", "link", "iframe", "object", "img"} & set(page.tags)
    assert "@import" not in text
    assert all(address.startswith("#") for address in re.findall(r"url\(([^)]*)\)", text))


def test_every_reference_inside_the_page_has_its_target(built: Path) -> None:
    text = built.read_text(encoding="utf-8")
    page = Page(text)
    targets = {link[1:] for link in page.links} | set(re.findall(r"url\(#([^)]*)\)", text))
    assert targets <= set(page.ids)


def test_same_run_gives_same_bytes(built: Path, tmp_path: Path) -> None:
    first = built.parent
    build_report(first.parent / "run", tmp_path)
    names = sorted(path.relative_to(first) for path in first.rglob("*.*"))
    assert len(names) > 30
    for name in names:
        assert (first / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_no_hole_and_no_promise_in_the_text(built: Path) -> None:
    page = Page(built.read_text(encoding="utf-8"))
    assert not re.search(r"\b(nan|none|nat|inf|null)\b", page.text, re.IGNORECASE)
    assert not re.search(r"\b(debias\w*|unbiased|solved)\b", page.text, re.IGNORECASE)


def test_page_and_drawings_stay_light(built: Path) -> None:
    assert built.stat().st_size < 300_000
    assert all(path.stat().st_size < 60_000 for path in built.parent.glob("figures/*.svg"))


def test_markup_and_mathematics_in_data_stay_text(make_run: RunMaker, tmp_path: Path) -> None:
    groups = {EVIL: {"reference": "<b>one</b>", "focal": "two & $x_1$"}}
    run = make_run(
        arms=FEW,
        groups=groups,
        titles=[EVIL, "costs $5 or $\\frac{1}$", "bell \x07 & “quotes”", "Ünïcödé 日本"],
    )
    text = build_report(run, tmp_path / "out").read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags and "b" not in page.tags
    assert EVIL in page.text and "costs $5 or $\\frac{1}$" in page.text
    for path in (tmp_path / "out" / "figures").iterdir():
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        assert not [element for element in root.iter() if element.tag.endswith("script")]


def test_formula_in_an_item_id_is_defused_in_csv_and_kept_in_json(make_run: RunMaker, tmp_path: Path) -> None:
    evil = '=HYPERLINK("http://example.org")'
    build_report(make_run(arms=FEW, titles=["One", "Two"], item_ids=[evil, "two"]), tmp_path / "out")
    for name in ("items", "dif_items", "dif_changes"):
        with (tmp_path / "out" / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            cells = {row["item"] for row in csv.DictReader(file)}
        assert "'" + evil in cells and evil not in cells
    records = json.loads((tmp_path / "out" / "tables" / "items.json").read_text(encoding="utf-8"))
    assert records[0]["item"] == evil


def test_origin_is_shouted_in_banner_captions_drawings_and_tables(built: Path) -> None:
    page = Page(built.read_text(encoding="utf-8"))
    assert page.text.index("Simulated.") < page.text.index("Verdict")
    captions = re.findall(r"(?:Table|Figure) \d+\. ", page.text)
    marked = page.text.count("[Simulated]")
    assert marked >= len(captions) - 1  # the list of files is no data
    for path in built.parent.glob("figures/*.svg"):
        assert ">Simulated<" in path.read_text(encoding="utf-8")
    for path in built.parent.glob("tables/*.csv"):
        assert "origin" in path.read_text(encoding="utf-8").splitlines()[0]


def test_planted_bias_is_named_and_a_run_without_wording_and_reward_builds(
    make_run: RunMaker, tmp_path: Path
) -> None:
    run = make_run(origin="real answers, planted bias", arms=FEW, drop=("wording", "reward"))
    page = Page(build_report(run, tmp_path / "out").read_text(encoding="utf-8"))
    assert "[Real answers, planted bias]" in page.text
    assert "the bias that was measured here was planted, not found" in page.text
    assert "wording" not in page.ids
    assert "This run has no reward model." in page.text


def test_two_groupings_of_real_data_have_their_own_drawings_and_no_notice(
    make_run: RunMaker, tmp_path: Path
) -> None:
    groups = {
        "variety": {"reference": "standard", "focal": "everyday"},
        "gender": {"reference": "boy", "focal": "girl"},
    }
    path = build_report(make_run(groups=groups, origin="real", arms=FEW), tmp_path / "out")
    page = Page(path.read_text(encoding="utf-8"))
    names = {figure.stem for figure in (tmp_path / "out" / "figures").iterdir()}
    assert {"dif-forest-variety", "dif-forest-gender", "tradeoff-gender", "distributions-gender"} <= names
    assert len(page.ids) == len(set(page.ids))
    assert "imulated" not in page.text


@pytest.mark.parametrize("name", ["agreement", "dif_items", "dif_changes", "dif_summary", "arms", "split"])
def test_missing_table_is_one_clear_error(make_run: RunMaker, tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match=f"no table '{name}'") as caught:
        build_report(make_run(drop=(name,)), tmp_path / "out")
    assert f"{name}.parquet" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_missing_column_is_one_clear_error(make_run: RunMaker, tmp_path: Path) -> None:
    run = make_run()
    path = run / "tables" / "arms.parquet"
    pd.read_parquet(path).drop(columns="mean_kl").to_parquet(path)
    with pytest.raises(RunError, match="'mean_kl' is missing in table 'arms'"):
        build_report(run, tmp_path / "out")


def test_simulated_table_cannot_pass_for_a_real_one(make_run: RunMaker, tmp_path: Path) -> None:
    run = make_run(origin="real")
    path = run / "tables" / "wording.parquet"
    pd.read_parquet(path).assign(origin="simulated").to_parquet(path)
    with pytest.raises(RunError, match="origin 'simulated', the manifest says 'real'"):
        build_report(run, tmp_path / "out")


def test_after_arm_must_be_in_the_run(make_run: RunMaker, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="'ppo' is not in the run"):
        build_report(make_run(primary_arm="ppo", arms=["baseline", "refit"]), tmp_path / "out")


def test_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run"):
        build_report(tmp_path, tmp_path / "out")


def test_broken_manifest(make_run: RunMaker, tmp_path: Path) -> None:
    run = make_run()
    (run / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match="manifest lacks 'study'"):
        build_report(run, tmp_path / "out")


def test_run_with_the_baseline_alone(make_run: RunMaker, tmp_path: Path) -> None:
    path = build_report(make_run(arms=["baseline"], primary_arm=""), tmp_path / "out")
    page = Page(path.read_text(encoding="utf-8"))
    assert "This run has no aligned arm" in page.text
    assert not re.search(r"\b(nan|none)\b", page.text, re.IGNORECASE)
