"""Who is asked what: connected graphs, balance, overlap, repeats, anchors, and where answers help most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import networkx
import pytest

from psyalign.collect import Collection, Material, Settings, Store, make_plan
from psyalign.collect.assignment import REPEAT_GAP, Desk, Turn, choose
from psyalign.collect.store import Asked
from psyalign.collect.tasks import CANNOT
from psyalign.foundation.errors import DataError, UsageError

ALL = ("score_preference", "response_preference", "equivalence", "rating")
Start = Callable[..., Collection]


def work(
    store: Store, *raters: str, answer: Callable[[str, Asked], str] | None = None
) -> list[tuple[str, Asked]]:
    """Let raters answer in turns until nobody is asked anything; returns what was asked."""
    asked, left = [], list(raters)
    while left:
        for rater in list(left):
            now = store.next_task(rater)
            if now is None:
                left.remove(rater)
                continue
            given = answer(rater, now) if answer else "1"
            assert store.judge(rater, now.assignment, now.version, given)
            asked.append((rater, now))
    return asked


def test_score_pairs_connect_all_score_points_of_each_response(material: Material) -> None:
    blocks = make_plan(material, Settings(kinds=("score_preference",), max_responses=10, anchors=0))
    assert len(blocks) == 10
    for block in blocks:
        graph = networkx.Graph((task.low, task.high) for task in block.tasks)
        assert networkx.is_tree(graph)
        assert set(graph) == set(material.items[block.item].scores)


def test_compared_responses_of_an_item_connect(material: Material) -> None:
    blocks = make_plan(material, Settings(kinds=("response_preference",), max_responses=10, anchors=0))
    assert len(blocks) == 10
    for item in material.items:
        pairs = [block.tasks[0] for block in blocks if block.item == item]
        assert networkx.is_connected(networkx.Graph((task.response_a, task.response_b) for task in pairs))


def test_equivalence_pairs_prefer_the_same_content_in_another_variety(material: Material) -> None:
    """Persons 2k and 2k + 1 share the word "number<k>" and differ in variety."""
    blocks = make_plan(material, Settings(kinds=("equivalence",), max_responses=6))
    for block in blocks:
        first, second = (int(name[1:3]) for name in (block.tasks[0].response_a, block.tasks[0].response_b))
        assert first // 2 == second // 2


def test_items_and_varieties_are_balanced(material: Material) -> None:
    blocks = make_plan(material, Settings(kinds=("rating",), max_responses=12, anchors=0))
    cells = Counter((block.item, material.variety[block.tasks[0].response_a]) for block in blocks)
    assert set(cells.values()) == {3}


def test_the_plan_is_fixed_by_the_seed_and_no_row_order(material: Material) -> None:
    settings = Settings(kinds=ALL, max_responses=8)
    shuffled = replace(material, texts=material.texts.sample(frac=1, random_state=3))
    assert sorted(b.id for b in make_plan(material, settings)) == sorted(
        b.id for b in make_plan(shuffled, settings)
    )
    other = make_plan(replace(material, seed=6), settings)
    assert {b.id for b in other} != {b.id for b in make_plan(material, settings)}


def test_with_a_run_the_unsure_responses_are_chosen_and_come_first(material: Material) -> None:
    sure = {name: n / 100 for n, name in enumerate(material.texts["response_id"])}
    unsure = replace(material, uncertainty=sure, expected=dict.fromkeys(sure, 1.0))
    blocks = make_plan(unsure, Settings(kinds=("rating",), max_responses=4, overlap=0, anchors=0))
    assert {b.tasks[0].response_a for b in blocks} == {"p10|five", "p11|five", "p10|three", "p11|three"}
    first = choose(Desk(blocks, 1, {}, {}, {}, 0.0, 5), Turn("ann"))
    assert first is not None and first.id == "rating:p11|three"
    disputed = choose(Desk(blocks, 1, {}, {}, {"five": 0.5}, 0.0, 5), Turn("ann"))
    assert disputed is not None and disputed.id == "rating:p11|five"


def test_only_the_responses_that_were_asked_for_and_the_first_first(material: Material) -> None:
    ask = ("p03|three", "p07|five", "p02|three")
    for kind in ("rating", "score_preference"):
        blocks = make_plan(material, Settings(kinds=(kind,), overlap=0, anchors=0, ask=ask))
        assert {task.response_a for block in blocks for task in block.tasks} == set(ask)
        rank = {block.tasks[0].response_a: -block.priority for block in blocks}
        assert sorted(rank, key=lambda name: rank[name]) == list(ask)
    few = make_plan(material, Settings(kinds=("rating",), max_responses=2, overlap=0, anchors=0, ask=ask))
    assert {block.tasks[0].response_a for block in few} == {"p03|three", "p07|five"}
    with pytest.raises(DataError, match="2 of the 3 responses"):
        make_plan(material, Settings(ask=("p03|three", "p99|five", "p03|other")))


def test_everything_is_judged_overlap_by_all_and_parts_are_equal(start: Start) -> None:
    store = start(kinds=ALL).store
    asked = work(store, "ann", "bob", "cem")
    first = [(rater, now.task.id) for rater, now in asked if now.round == 1]
    assert len(set(first)) == len(first)
    blocks, tasks = store.plan()
    assert {task for _, task in first} == set(tasks)
    for block in blocks:
        for task in block.tasks:
            raters = [rater for rater, name in first if name == task.id]
            assert len(raters) == (3 if block.shared else 1)
    single = {block.tasks[0].id: block.kind for block in blocks if not block.shared}
    for kind in ALL:
        parts = Counter(rater for rater, name in first if single.get(name) == kind)
        assert max(parts.values()) - min(parts.values()) == 0, kind


def test_repeats_come_later_and_in_their_share(start: Start) -> None:
    store = start(kinds=("rating",), max_responses=24, overlap=24, anchors=0, repeats=0.25).store
    asked = [now for _, now in work(store, "ann")]
    first = {now.task.id: place for place, now in enumerate(asked) if now.round == 1}
    again = {now.task.id: place for place, now in enumerate(asked) if now.round == 2}
    assert len(first) == 24
    assert len(again) == 6
    gaps = [place - first[name] for name, place in again.items()]
    assert min(gaps) > 3
    assert sum(gap > REPEAT_GAP for gap in gaps) >= 4


def test_anchors_are_spread_and_never_among_the_shown_exemplars(start: Start, material: Material) -> None:
    from psyalign.collect.question import Texts, ask

    store = start(kinds=("rating",), anchors=3, repeats=0.0).store
    asked = [now for _, now in work(store, "ann", "bob", "cem")]
    texts = Texts(material, store.plan()[1].values())
    shown = {e.response for now in asked for e in ask(now, "ann", 5, material.items, texts).exemplars}
    planted = [now for now in asked if now.task.expected]
    assert len(planted) == 9
    assert len(shown) == 2 * (5 + 3) - 3  # nothing else is held back
    assert shown.isdisjoint(texts[now.task.response_a] for now in planted)
    store_rows = [row for row in store.rows() if row["rater"] == "ann"]
    places = [place for place, row in enumerate(store_rows) if row["anchor"]]
    assert min(b - a for a, b in pairwise(places)) > 1


def test_what_one_cannot_judge_another_is_asked(start: Start) -> None:
    store = start("ann,bob", kinds=("rating",), overlap=0, anchors=0, repeats=0.0).store
    now = store.next_task("ann")
    assert now is not None
    store.judge("ann", now.assignment, now.version, CANNOT)
    asked = work(store, "bob", "ann")
    assert ("bob", now.task.id) in [(rater, one.task.id) for rater, one in asked]
    assert ("ann", now.task.id) not in [(rater, one.task.id) for rater, one in asked]


def test_a_rater_who_leaves_frees_what_is_open(start: Start) -> None:
    store = start("ann,bob", kinds=("score_preference",), overlap=0, anchors=0, repeats=0.0).store
    now = store.next_task("bob")
    assert now is not None
    start("ann", kinds=("score_preference",), overlap=0, anchors=0, repeats=0.0)
    answered = {one.task.response_a for _, one in work(store, "ann")}
    assert now.task.response_a in answered
    assert len(answered) == 12


def test_a_rater_may_ask_for_more(start: Start) -> None:
    store = start("ann,bob", kinds=("rating",), overlap=0, anchors=0, repeats=0.0).store
    assert len(work(store, "ann")) == 6
    assert store.more_there("ann")
    store.more("ann")
    assert len(work(store, "ann")) == 6
    assert not store.more_there("ann")


def test_kinds_come_in_runs(start: Start) -> None:
    store = start("ann", kinds=("rating", "equivalence"), anchors=0, repeats=0.0).store
    kinds = [now.task.kind for _, now in work(store, "ann")]
    assert sum(a != b for a, b in pairwise(kinds)) <= 3


@pytest.mark.parametrize(
    "wrong", [{"kinds": ("ratings",)}, {"kinds": ()}, {"repeats": 0.9}, {"overlap": -1}, {"max_responses": 0}]
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Settings(**wrong)  # type: ignore[arg-type]


def test_progress_says_how_many_there_will_be(start: Start) -> None:
    """The estimate at the start is what comes out, but for the rounding of repeats."""
    store = start(kinds=ALL).store
    before = {rater: store.progress(rater).total for rater in ("ann", "bob", "cem")}
    work(store, "ann", "bob", "cem")
    for rater, total in before.items():
        now = store.progress(rater)
        assert now.done == now.total
        assert abs(total - now.done) <= 4
