"""Drawings of DIF: valid SVG with escaped names, alternative text with the numbers, any number of items."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from psyalign.dif.counts.points import ItemCounts
from psyalign.foundation.errors import DataError, UsageError
from psyalign.report.figures.change_arrows import change_arrows
from psyalign.report.figures.dif_forest import dif_forest
from psyalign.report.figures.dif_plots import DifPlots, write_dif_plots
from psyalign.report.figures.item_rows import distinct, effects
from psyalign.report.figures.response_curves import response_curves
from psyalign.report.figures.style import canvas, number_ticks
from psyalign.report.figures.thresholds import threshold_effects
from psyalign.report.numerals import real

SVG = "{http://www.w3.org/2000/svg}"
NASTY = '<script>alert(1)</script> & "$x$" \'\x00 Äpfel'


@pytest.mark.parametrize(
    ("limits", "shown"),
    [((0.0, 1.0), ["0.00", "0.20"]), ((0.0, 0.012), ["0.000", "0.002"]), ((0.0, 0.15), ["0.000", "0.025"])],
)
def test_the_numbers_of_an_axis_tell_its_ticks_apart(limits: tuple[float, float], shown: list[str]) -> None:
    with canvas(2) as (_, (axes,)):
        axes.set_xlim(*limits)
        axes.locator_params(axis="x", nbins=6)
        number_ticks(axes.xaxis, real)
        ticks = axes.get_xticks()
        texts = axes.xaxis.get_major_formatter().format_ticks(list(ticks))
    assert texts[:2] == shown
    assert len(set(texts)) == len(texts)
    assert [float(text) for text in texts] == pytest.approx(list(ticks))


def table(size: int = 4, seed: int = 1) -> pd.DataFrame:
    """Simulated effects; the last item is not estimable."""
    rng = np.random.default_rng(seed)
    es = rng.normal(0, 0.2, size)
    found = pd.DataFrame({"item": [f"item-{number}" for number in range(size)], "es": es, "es_se": 0.08})
    found["es_class"] = np.select([np.abs(es) > 0.25, np.abs(es) > 0.17], ["CC", "BB"], "AA")
    found["reason"] = ""
    found.loc[size - 1, ["es", "es_se"]] = np.nan
    found.loc[size - 1, ["es_class", "reason"]] = ["", "only 3 persons in the focal group"]
    return found


def counts(strata: int = 9, groups: int = 2, seed: int = 1) -> ItemCounts:
    """Simulated counts; the ends of the scale are thin, one stratum is empty."""
    rng = np.random.default_rng(seed)
    n = rng.poisson(np.linspace(1, 6, strata)[:, None, None], (strata, groups, 4)).astype(float)
    n[strata // 2] = 0
    return ItemCounts(n, np.arange(strata, dtype=float), np.arange(4.0))


def steps(items: int = 4) -> pd.DataFrame:
    """Simulated effects of three steps an item; one is missing, one is very uncertain."""
    rng = np.random.default_rng(1)
    rows = [
        {"item": f"item-{item}", "step": step, "dsf_log_or": rng.normal(), "dsf_se": 0.2}
        for item in range(items)
        for step in (1, 2, 3)
    ]
    found = pd.DataFrame(rows)
    found.loc[1, ["dsf_log_or", "dsf_se"]] = np.nan
    found.loc[2, "dsf_se"] = 50.0
    return found


def texts(svg: str) -> list[str]:
    """What is written in the drawing, without the alternative text."""
    return ["".join(element.itertext()) for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def description(svg: str) -> str:
    """The alternative text."""
    return ElementTree.fromstring(svg).findtext(f"{SVG}desc") or ""


def test_forest_shows_value_and_class_of_each_item_and_what_cannot_be_estimated() -> None:
    found = table()
    svg = dif_forest(found, origin="Simulated", focal="girls")
    written = texts(svg)
    for value, klass in zip(found["es"][:3], found["es_class"][:3], strict=True):
        assert f"{value:.2f} {klass}".replace("-", "−") in written
    assert {"not estimable", "Simulated", "item-3"} <= set(written)
    assert "← lower for girls · effect size · higher →" in written
    assert "item-3: not estimable" in description(svg)
    assert ElementTree.fromstring(svg).get("role") == "img"


def test_forest_orders_by_effect_or_as_given() -> None:
    found = table()
    by_effect = [text for text in texts(dif_forest(found)) if text.startswith("item-")]
    assert by_effect == [*found.dropna().sort_values("es")["item"], "item-3"]
    as_given = [text for text in texts(dif_forest(found, sort=False)) if text.startswith("item-")]
    assert as_given == list(found["item"])


def test_forest_of_several_sets_names_them_and_takes_items_that_one_lacks() -> None:
    svg = dif_forest({"human": table(), "before": table(5, seed=2), "after": table(seed=3)})
    assert {"human", "before", "after", "item-4"} <= set(texts(svg))
    with pytest.raises(UsageError, match="one to 5 sets"):
        dif_forest({str(number): table() for number in range(6)})


def test_interval_comes_from_the_table_from_es_se_or_from_se_over_sd() -> None:
    row = {"item": "a", "es": 0.2, "smd": 0.4, "sd": 2.0, "se": 0.2}
    z = 1.959963984540054
    half = effects(pd.DataFrame([row]))["a"].found
    assert half.low == pytest.approx(0.2 - z * 0.1)
    assert effects(pd.DataFrame([row]), effect="smd")["a"].found.high == pytest.approx(0.4 + z * 0.2)
    assert effects(pd.DataFrame([row | {"es_se": 0.05}]))["a"].found.low == pytest.approx(0.2 - z * 0.05)
    assert effects(pd.DataFrame([row | {"low": 0.0, "high": 0.3}]))["a"].found[1:] == (0.0, 0.3)
    indexed = pd.DataFrame([row]).set_index("item")
    assert effects(indexed)["a"].found == half
    with pytest.raises(DataError, match="Column 'es' is missing"):
        effects(pd.DataFrame({"item": ["a"]}))


def test_an_uncertain_item_does_not_squeeze_the_others() -> None:
    found = table().assign(es_se=[0.05, 40.0, 0.05, np.nan])
    ticks = [float(t.replace("−", "-")) for t in texts(dif_forest(found)) if re.fullmatch(r"−?\d\.\d+", t)]
    assert max(ticks) < 1


def test_names_that_differ_only_at_the_end_stay_apart() -> None:
    names = [f"a long name of an item, version {number}" for number in range(30)]
    assert len(set(distinct(names, 22))) == 30
    assert max(map(len, distinct(names, 22))) <= 22
    found = table(30).assign(item=names)
    written = set(texts(dif_forest(found)))
    assert len([text for text in written if text.startswith("a long")]) == 30


@pytest.mark.parametrize("size", [1, 36])
def test_drawings_stay_small_and_are_the_same_every_time(size: int) -> None:
    found = table(size + 1)
    moved = found.assign(es=found["es"] / 2)
    for draw in (
        lambda: dif_forest(found),
        lambda: change_arrows(found, moved),
        lambda: threshold_effects(steps(size)),
    ):
        svg = draw()
        assert len(svg) < 250_000
        assert svg == draw()


def test_arrows_tell_status_and_whether_the_change_may_be_chance() -> None:
    before, after = table(), table(seed=2)
    change = pd.DataFrame(
        {"item": before["item"], "p_adjusted": [0.01, 0.2, 0.04, np.nan],
         "status": ["resolved", "stable_dif", "new_direction", "not_estimable"]}
    )  # fmt: skip
    svg = change_arrows(before, after, change, human=table(seed=3), names=("v1", "v2"), alpha=0.05)
    written = texts(svg)
    assert {"v1", "v2: change p < .05", "p ≥ .05", "human", "resolved", "stable dif"} <= set(written)
    assert "not estimable" in written
    first = f"{before['es'][0]:.2f} v1, {after['es'][0]:.2f} v2".replace("-", "−")
    assert f"item-0: {first}, p of the change .010, resolved" in description(svg)
    assert "p ≥ .05" not in texts(change_arrows(before, after))


def test_response_curves_tell_means_and_counts() -> None:
    found = counts()
    svg = response_curves(found, ("boys", "girls"), item="Item 1", matching="total score", few=6)
    n = found.n.sum(axis=(0, 2))
    assert {f"boys (n = {n[0]:.0f})", f"girls (n = {n[1]:.0f})", "persons", "total score"} <= set(texts(svg))
    size = found.n[8, 0].sum()
    mean = found.n[8, 0] @ found.score / size
    assert f"8: {mean:.2f} (n {size:.0f})" in description(svg)
    assert "4:" not in description(svg)


def test_response_curves_bunch_many_strata_without_losing_persons() -> None:
    found = counts(strata=101)
    svg = response_curves(found)
    assert any("3 neighbouring values a point" in text for text in texts(svg))
    sizes = [int(size) for size in re.findall(r"\(n (\d+)\)", description(svg))]
    assert sum(sizes) == found.n.sum()
    assert len(svg) < 100_000


def test_response_curves_take_model_curves_and_more_groups_and_refuse_resamples() -> None:
    grid = np.linspace(0, 8, 30)
    found = counts(groups=3)
    means = np.stack([grid / 3, grid / 4, grid / 5])
    svg = response_curves(found, ("a", "b", "c"), curves=(grid, means))
    assert svg.count("<path") > response_curves(found, ("a", "b", "c")).count("<path") - 3
    with pytest.raises(UsageError, match="2 names"):
        response_curves(found)
    with pytest.raises(UsageError, match=r"shape \(1, 9, 3, 4\)"):
        response_curves(ItemCounts(found.n[None], found.stratum, found.score), ("a", "b", "c"))


def test_thresholds_mark_what_is_missing_and_draw_the_common_value() -> None:
    svg = threshold_effects(steps(), common=pd.Series({"item-0": 0.3}), reference="boys")
    assert {"not estimable", "common (Liu–Agresti)", "log odds ratio; above 0 favours boys"} <= set(
        texts(svg)
    )
    assert "step 2 –" in description(svg)
    assert "common 0.30" in description(svg)
    with pytest.raises(DataError, match="Column 'dsf_se' is missing"):
        threshold_effects(steps().drop(columns="dsf_se"))


def test_nothing_to_draw_is_a_drawing_that_says_so() -> None:
    assert "no items" in texts(dif_forest(table().iloc[:0]))
    assert "no items" in texts(change_arrows(table().iloc[:0], table().iloc[:0]))
    nobody = ItemCounts(np.zeros((0, 2, 0)), np.zeros(0), np.zeros(0))
    assert "no scores" in texts(response_curves(nobody))
    ElementTree.fromstring(threshold_effects(steps().iloc[:0]))
    alone = ItemCounts(np.ones((1, 2, 1)), np.zeros(1), np.zeros(1))
    ElementTree.fromstring(response_curves(alone))


def everything(**more: object) -> DifPlots:
    """A whole analysis with names that try to break out."""
    ids = [NASTY, "Item 1", "item-1", "../../etc/passwd"]
    sets = {name: table(seed=seed).assign(item=ids) for seed, name in enumerate(("human", "before", "after"))}
    change = pd.DataFrame({"item": ids, "p_adjusted": 0.03, "change": 0.1, "low": 0.0, "high": 0.2})
    found = {item: counts(seed=seed) for seed, item in enumerate(ids)}
    stepped = steps().assign(item=np.repeat(ids, 3))
    return DifPlots(sets, counts=found, steps=stepped, change=change, title=NASTY, **more)  # type: ignore[arg-type]


def test_folder_has_a_file_for_each_drawing_and_a_page_that_is_whole(tmp_path: Path) -> None:
    written = write_dif_plots(tmp_path / "new" / "plots", everything(origin="Simulated"))
    names = [path.name for path in written]
    assert names[:3] == ["forest.svg", "arrows.svg", "thresholds.svg"]
    assert names[-1] == "index.html"
    assert names[4:7] == ["response-item-1.svg", "response-item-1-2.svg", "response-etc-passwd.svg"]
    assert sorted(names) == sorted(path.name for path in (tmp_path / "new" / "plots").iterdir())
    page = written[-1].read_text(encoding="utf-8")
    assert "<script" not in page
    assert "\x00" not in page
    assert "://" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert "Simulated" in page
    assert page.count("<svg") == 7
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for path in written[:-1]:
        assert "<script" not in path.read_text(encoding="utf-8")


def test_only_what_is_given_is_drawn(tmp_path: Path) -> None:
    written = write_dif_plots(tmp_path, DifPlots(table(), groups=("boys", "girls")))
    assert [path.name for path in written] == ["forest.svg", "index.html"]
    page = written[-1].read_text(encoding="utf-8")
    assert "girls minus boys" in page
    assert "item-3: only 3 persons in the focal group" in page


def test_many_groups_are_spread_over_drawings(tmp_path: Path) -> None:
    groups = ("reference", *(f"focal {number}" for number in range(1, 8)))
    effects_by_focal = {group: table(seed=seed) for seed, group in enumerate(groups[1:])}
    plots = DifPlots(effects_by_focal, counts={"item-0": counts(groups=8)}, groups=groups)
    names = [path.name for path in write_dif_plots(tmp_path, plots)]
    assert names == [
        "forest.svg", "forest-2.svg", "response-item-0.svg", "response-item-0--2.svg", "index.html"
    ]  # fmt: skip
    second = texts((tmp_path / "response-item-0--2.svg").read_text(encoding="utf-8"))
    assert [text.split(" (")[0] for text in second if "(n =" in text] == [groups[0], *groups[5:]]
