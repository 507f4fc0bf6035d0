"""The page over HTTP: blind, escaped, no text in addresses, forms from elsewhere refused, usable by keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from starlette.testclient import TestClient

from psyalign.collect import Collection, Material
from psyalign.collect.app import make_app

from .conftest import SECRET
from .simulated_raters import Form

Start = Callable[..., Collection]


@contextmanager
def client(made: Collection, rater: str = "ann") -> Iterator[TestClient]:
    app = make_app(made.store, made.keys, made.material, ["testserver"])
    with TestClient(app, follow_redirects=True) as browser:
        assert browser.get(made.paths()[rater]).status_code == 200
        yield browser


def test_a_rater_works_through_to_the_thanks(start: Start) -> None:
    made = start(kinds=("rating", "score_preference", "response_preference", "equivalence"))
    with client(made) as browser:
        page, count = browser.get("/").text, 0
        while (form := Form.of(page)) is not None:
            answer = form.answers[count % len(form.answers)]
            page = browser.post("/answer", data={**form.fields, "answer": answer, "seconds": "2.5"}).text
            count += 1
            assert count < 200
        assert "Thank you, ann" in page
        assert f"{count} judgements, all saved" in page
    rows = made.store.rows()
    assert len(rows) == count
    assert all(row["active_seconds"] == 2.5 and row["seconds"] is not None for row in rows)
    assert any(row["answer"] == "cannot" for row in rows)


def test_text_is_escaped_and_headers_are_strict(start: Start) -> None:
    with client(start(kinds=("rating",), anchors=0)) as browser:
        answer = browser.get("/")
    assert f"&lt;b&gt;{SECRET}" in answer.text
    assert f"<b>{SECRET}" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]*src=)|style=|onclick", answer.text)


def test_the_page_is_blind(start: Start, material: Material) -> None:
    """No person, response id, variety, other rater, study title, or expected answer is on it."""
    kinds = ("rating", "score_preference", "response_preference", "equivalence")
    with client(start(kinds=kinds)) as browser:
        for _ in range(12):
            page = browser.get("/").text
            form = Form.of(page)
            assert form is not None
            assert not re.search(r"p\d\d\||bob|cem|exemplar\|", page)
            assert material.study not in page
            browser.post("/answer", data={**form.fields, "answer": form.answers[0]})


def test_the_cookie_is_closed_and_the_token_leaves_the_address(start: Start) -> None:
    made = start()
    app = make_app(made.store, made.keys, made.material)
    with TestClient(app) as browser:
        cookie = browser.get(made.paths()["ann"]).headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie
        assert made.keys.rater("ann") not in browser.get("/").text


def test_strangers_and_foreign_forms_are_refused(start: Start) -> None:
    made = start(kinds=("rating",))
    app = make_app(made.store, made.keys, made.material)
    with TestClient(app) as stranger:
        assert stranger.get("/").status_code == 403
        assert stranger.post("/answer", data={}).status_code == 403
        assert stranger.get("/r/0123").status_code == 404
        assert stranger.get("/manage/0123").status_code == 404
        assert stranger.get("/static/../app.py").status_code == 404
        assert stranger.get("/answer").status_code == 405
    with client(made) as browser:
        form = Form.of(browser.get("/").text)
        assert form is not None
        good = {**form.fields, "answer": "1"}
        for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
            assert browser.post("/answer", data=good, headers=headers).status_code == 403
        assert browser.post("/answer", data={**good, "form": "0"}).status_code == 403
        for wrong in ({"answer": "9"}, {"answer": ""}, {"assignment": "99"}, {"version": "x"}):
            assert browser.post("/answer", data={**good, **wrong}).status_code == 400
        assert browser.post("/answer", data={**good, "comment": "x" * 70_000}).status_code == 413
        assert browser.get("/", headers={"host": "evil.example"}).status_code == 400
        assert made.store.rows() == []
        headers = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
        assert browser.post("/answer", data=good, headers=headers).status_code == 200
    assert len(made.store.rows()) == 1


def test_undo_and_a_form_from_the_browsers_history(start: Start) -> None:
    made = start(kinds=("rating",), anchors=0)
    with client(made) as browser:
        first = browser.get("/").text
        form = Form.of(first)
        assert form is not None and "/undo" not in first
        after = browser.post("/answer", data={**form.fields, "answer": "0", "comment": " odd\n"}).text
        assert made.store.rows()[0]["comment"] == "odd"
        late = browser.post("/answer", data={**form.fields, "answer": "1"})
        assert "already answered" in late.text
        assert [row["answer"] for row in made.store.rows()] == ["0"]
        judgement = re.search(r'name="judgement" value="(\d+)"', after)
        assert judgement is not None
        undo = {"form": form.fields["form"], "judgement": judgement[1]}
        again = Form.of(browser.post("/undo", data=undo).text)
        assert again is not None
        assert again.fields["assignment"] == form.fields["assignment"]
        assert made.store.rows() == []


def test_the_managers_page_has_counts_and_no_text(start: Start) -> None:
    made = start(kinds=("rating",))
    with client(made) as browser:
        form = Form.of(browser.get("/").text)
        assert form is not None
        browser.post("/answer", data={**form.fields, "answer": "1"})
        page = browser.get(made.paths()[""]).text
    assert SECRET not in page
    assert re.search(r'<th scope="row">ann</th><td class="n">1</td>', page)
    assert "Study" in page


def test_all_that_a_page_loads_is_served_here_and_allowed(start: Start) -> None:
    with client(start(kinds=("rating",))) as browser:
        answer = browser.get("/")
        loaded = re.findall(r'<(?:link|script|img)[^>]* (?:href|src)="([^"]*)"', answer.text)
        kinds = {name: browser.get(name).headers["content-type"].split(";")[0] for name in loaded}
    assert kinds == {
        "/static/collect.css": "text/css",
        "/static/collect.js": "text/javascript",
        "/static/favicon.svg": "image/svg+xml",
    }
    policy = answer.headers["content-security-policy"].split("; ")
    assert {"style-src 'self'", "script-src 'self'", "img-src 'self'"} <= set(policy)


def test_our_bugs_do_not_quote_responses(
    start: Start, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = start()

    def broken(*_: object) -> None:
        raise ValueError(SECRET)

    app = make_app(made.store, made.keys, made.material)
    with TestClient(app, raise_server_exceptions=False) as browser:
        browser.get(made.paths()["ann"])
        monkeypatch.setattr("psyalign.collect.app.ask", broken)
        answer = browser.get("/")
    assert answer.status_code == 500
    assert SECRET not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    said = capsys.readouterr()
    assert "ValueError" in said.err
    assert SECRET not in said.err + said.out


def test_every_key_is_on_one_button_and_every_control_has_a_name(start: Start) -> None:
    kinds = ("rating", "score_preference", "response_preference", "equivalence")
    with client(start(kinds=kinds)) as browser:
        page, seen = browser.get("/").text, set()
        while (form := Form.of(page)) is not None:
            keys = re.findall(r'data-key="(.)"', page)
            assert len(set(keys)) == len(keys)
            assert {"c"} <= set(keys)
            assert '<html lang="en">' in page and "<h1" in page and "<main" in page
            assert page.count("<textarea") == page.count('<label for="comment"')
            seen.add(len(form.answers))
            page = browser.post("/answer", data={**form.fields, "answer": form.answers[0]}).text
        assert seen == {
            3,
            4,
            6,
        }  # two, three (and "equal", or three points) and five answers, and "cannot judge"
