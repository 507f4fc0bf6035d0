"""The file: judgements are added once, undone by a row of their own, and exported as records."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from psyalign.collect import Collection, Material, Settings, Store, begin, export_records, overview
from psyalign.collect.question import Texts, answer_of, ask
from psyalign.collect.tasks import CANNOT
from psyalign.feedback import check_graph
from psyalign.foundation.errors import DataError, UsageError

Start = Callable[..., Collection]
POINTS = {"five": range(5), "three": range(3)}


def test_the_same_form_twice_is_one_judgement(start: Start) -> None:
    store = start(kinds=("rating",)).store
    now = store.next_task("ann")
    assert now is not None
    assert store.judge("ann", now.assignment, now.version, "1")
    assert store.judge("ann", now.assignment, now.version, "1")
    assert not store.judge("ann", now.assignment, now.version, "2")
    assert not store.judge("ann", now.assignment, now.version + 1, "2")
    assert [row["answer"] for row in store.rows()] == ["1"]


def test_undo_adds_a_row_and_asks_again(start: Start) -> None:
    store = start(kinds=("rating",)).store
    now = store.next_task("ann")
    assert now is not None
    store.judge("ann", now.assignment, now.version, "1")
    last = store.last_judgement("ann")
    assert last is not None
    assert store.undo("ann", last)
    assert not store.undo("ann", last)
    again = store.next_task("ann")
    assert again == replace(now, version=2)
    assert store.judge("ann", now.assignment, 0, "1")  # the old form, sent again: it was that answer …
    assert store.rows() == []  # … and stays undone
    store.judge("ann", now.assignment, 2, "0")
    assert [row["answer"] for row in store.rows()] == ["0"]
    with sqlite3.connect(store.path) as connection:
        answers = [row[0] for row in connection.execute("SELECT answer FROM judgements ORDER BY id")]
        assert answers == ["1", "undone", "0"]
        for statement in ("UPDATE judgements SET answer = '2'", "DELETE FROM judgements"):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)
    assert store.undone() == {"ann": 1}


def test_nobody_answers_for_another(start: Start) -> None:
    store = start(kinds=("rating",)).store
    now = store.next_task("ann")
    assert now is not None
    with pytest.raises(UsageError):
        store.judge("bob", now.assignment, 0, "1")
    assert not store.undo("bob", 1)


def test_at_once_each_single_response_goes_to_one_rater(start: Start) -> None:
    store = start(kinds=("rating",), max_responses=24, overlap=0, anchors=0, repeats=0.0).store

    def run(rater: str) -> list[str]:
        own, found = Store(store.path), []  # as three processes would
        while (now := own.next_task(rater)) is not None:
            own.judge(rater, now.assignment, now.version, "1")
            found.append(now.task.id)
        own.close()
        return found

    with ThreadPoolExecutor(3) as pool:
        parts = list(pool.map(run, ["ann", "bob", "cem"]))
    assert [len(part) for part in parts] == [8, 8, 8]
    assert len({name for part in parts for name in part}) == 24


def test_the_file_holds_no_text_and_no_token(start: Start) -> None:
    made = start()
    made.store.next_task("ann")
    held = b"".join(path.read_bytes() for path in made.store.path.parent.glob("main.sqlite*"))
    assert b"private sentence" not in held
    assert made.keys.rater("ann").encode() not in held
    assert made.store.path.stat().st_mode & 0o077 == 0
    assert made.store.path.with_suffix(".key").stat().st_mode & 0o077 == 0


def test_going_on_keeps_links_and_refuses_other_settings_or_texts(start: Start, material: Material) -> None:
    made = start(kinds=("rating",), overlap=3)
    path = made.store.path
    again = begin(path, material, Settings(), [], [])
    assert again.paths() == made.paths()
    with pytest.raises(UsageError, match="overlap 3"):
        begin(path, material, Settings(overlap=4), ["overlap"], [])
    changed = replace(material, texts=material.texts.assign(response="other"))
    with pytest.raises(DataError, match="have changed"):
        begin(path, changed, Settings(), [], [])


@pytest.mark.parametrize("raters", ["", "ann,,bob", "ann,ann", "<b>"])
def test_raters_that_cannot_be(start: Start, raters: str) -> None:
    with pytest.raises(UsageError):
        start(raters)


def test_there_is_no_collection(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such collection"):
        Store(tmp_path / "none.sqlite").about()
    assert not (tmp_path / "none.sqlite").exists()


def test_buttons_mean_the_same_in_either_order(start: Start, material: Material) -> None:
    """Press the button with what is meant: stored answers do not depend on the order, which is random."""
    kinds = ("score_preference", "response_preference")
    store = start("ann", kinds=kinds, max_responses=24, anchors=0, repeats=0.0).store
    texts, orders = Texts(material, store.plan()[1].values()), []
    while (now := store.next_task("ann")) is not None:
        question = ask(now, "ann", 5, material.items, texts)
        if now.task.kind == "score_preference":
            sent = next(c.value for c in question.choices if c.label.startswith(f"Score {now.task.high}"))
            wanted = str(now.task.high)
        else:
            sent, wanted = str(1 + question.responses.index(texts[now.task.response_b])), "b"
        assert answer_of(now, "ann", 5, sent, question.item) == wanted
        orders.append(question.shown_as)
        store.judge("ann", now.assignment, now.version, wanted)
    share = orders.count("swapped") / len(orders)
    assert len(orders) > 60
    assert 0.3 < share < 0.7


def answer_all(store: Store, wish: Callable[[str, dict[str, object]], str]) -> None:
    """Raters answer in turns until none of them is asked anything: what one refuses comes to another."""
    left = ["ann", "bob", "cem"]
    while left:
        rater = left.pop(0)
        if (now := store.next_task(rater)) is not None:
            task = {name: getattr(now.task, name) for name in ("kind", "low", "high", "response_a", "item")}
            store.judge(rater, now.assignment, now.version, wish(rater, task))
            left = ["ann", "bob", "cem"]


def truth(rater: str, task: dict[str, object]) -> str:
    kind = task["kind"]
    if kind == "score_preference":
        return str(task["high"])
    return {"response_preference": "tie", "equivalence": "different", "rating": "2"}[str(kind)]


def test_records_are_what_raters_said(start: Start, material: Material) -> None:
    kinds = ("score_preference", "response_preference", "equivalence", "rating")
    store = start(kinds=kinds).store
    answer_all(store, truth)
    found = export_records(store, POINTS)
    ids = material.texts[["response_id", "item"]]
    check_graph(found.records, POINTS, ids).require_connected("export")
    by_kind = {row["kind"]: row for row in found.counts}
    assert set(by_kind) == set(kinds)
    anchors = sum(row["anchors"] for row in found.counts)
    repeats = sum(row["repeats"] for row in found.counts)
    assert anchors == 3 * 2 * 3  # raters, of each of the kinds that have anchors
    assert repeats > 3
    assert len(found.records) + anchors == len(store.rows())
    assert sum(r.source == "page, repeat" for r in found.records) == repeats
    assert all(r.preferred == r.rejected + 1 for r in found.records if r.kind == "score_preference")
    assert {r.preferred for r in found.records if r.kind == "response_preference"} == {"tie"}
    assert {r.same for r in found.records if r.kind == "equivalence"} == {False}
    assert len(export_records(store, POINTS, repeats=False).records) == len(found.records) - repeats


def test_responses_that_are_not_compared_through_are_left_out_and_counted(start: Start) -> None:
    store = start(kinds=("score_preference",), overlap=0, anchors=0, repeats=0.0).store

    def wish(rater: str, task: dict[str, object]) -> str:
        return CANNOT if task["low"] == 0 and task["item"] == "five" else truth(rater, task)

    answer_all(store, wish)
    found = export_records(store, POINTS)
    assert {record.item for record in found.records} == {"three"}
    (counts,) = found.counts
    assert counts["records"] == 12  # six responses, two pairs each
    assert counts["cannot"] == 6 * 3  # each refused response went to all three
    assert counts["unconnected"] == 6 * 3 * 3
    assert len(export_records(store, POINTS, incomplete=True).records) == 12 + 54


def test_overview_counts_consistency_anchors_and_agreement(start: Start) -> None:
    store = start(kinds=("rating",), overlap=12, anchors=2, repeats=0.2).store
    answer_all(store, lambda rater, task: "0" if rater == "cem" else "2")
    found = overview(store)
    rows = {row["rater"]: row for row in found.raters}
    assert all(
        row["consistent"] == 1 and row["anchors"] == 2 and row["repeats"] >= 2 for row in rows.values()
    )
    (kind,) = found.kinds
    assert (kind["tasks"], kind["judged"], kind["compared"]) == (12, 12, 36)
    assert kind["agreement"] == pytest.approx(1 / 3)  # ann and bob of the three pairs
