"""The rating page as a Starlette application: plain forms and redirects, no text in addresses or logs."""

from __future__ import annotations

import hmac
import sys
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from psyalign.collect.access import COOKIE, HEADERS, Keys, SafeHeaders, same_site, token_hash
from psyalign.collect.question import Texts, answer_of, ask
from psyalign.collect.store import Store
from psyalign.collect.summary import overview
from psyalign.collect.tasks import Material
from psyalign.foundation.errors import UsageError

__all__ = ["Page", "make_app"]

LARGEST_FORM = 64 * 1024  # bytes
LONGEST_COMMENT = 2000  # characters
MONTH = 30 * 24 * 3600
DAY = 24 * 3600.0
STATIC = {"collect.css": "text/css", "collect.js": "text/javascript", "favicon.svg": "image/svg+xml"}


@dataclass(frozen=True)
class Page:
    """What the handlers share: the collection's file, its keys, and what questions are made of."""

    store: Store
    keys: Keys
    material: Material
    texts: Texts
    templates: Environment

    def answer(self, template: str, status: int = 200, **values: object) -> HTMLResponse:
        """A filled template; everything in it is escaped."""
        shared = {"title": self.material.title, "notice": self.material.notice}
        return HTMLResponse(self.templates.get_template(template).render({**shared, **values}), status)


def make_app(store: Store, keys: Keys, material: Material, hosts: list[str] | None = None) -> Starlette:
    """The application.

    Parameters
    ----------
    store : Store
        A collection that has been begun.
    keys : Keys
        Its tokens.
    material : Material
        Texts and items of its tasks.
    hosts : list of str, optional
        Host names that requests may name; None: any.

    Returns
    -------
    Starlette
    """
    templates = Environment(
        loader=PackageLoader("psyalign.collect", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    middleware = [Middleware(SafeHeaders)]
    if hosts is not None:
        middleware.append(Middleware(TrustedHostMiddleware, allowed_hosts=hosts))
    app = Starlette(
        routes=[
            Route("/", show),
            Route("/answer", take, methods=["POST"]),
            Route("/undo", undo, methods=["POST"]),
            Route("/more", more, methods=["POST"]),
            Route("/r/{token}", welcome),
            Route("/manage/{token}", manage),
            Route("/static/{name}", static),
        ],
        middleware=middleware,
        exception_handlers={HTTPException: refuse, UsageError: refuse_form, Exception: fail},
    )
    app.state.page = Page(store, keys, material, Texts(material, store.plan()[1].values()), templates)
    return app


def _page(request: Request) -> Page:
    page: Page = request.app.state.page
    return page


async def _rater(request: Request) -> tuple[str, str]:
    """Name and token of the rater whose cookie this is."""
    token = request.cookies.get(COOKIE, "")
    name = await run_in_threadpool(_page(request).store.rater_of, token_hash(token))
    if name is None:
        raise HTTPException(403, "Open the link that you were given: this page does not know you yet.")
    return name, token


async def welcome(request: Request) -> Response:
    """A rater's link: take the token out of the address into a cookie; what follows is a click of theirs.

    A redirect would not do: after a click in a mail program browsers hold a strict cookie back from it.
    """
    page, token = _page(request), request.path_params["token"]
    name = await run_in_threadpool(page.store.rater_of, token_hash(token))
    if name is None:
        raise HTTPException(404, "This link is not known here. Ask the study's manager for yours.")
    progress = await run_in_threadpool(page.store.progress, name)
    kinds = list(dict.fromkeys(block.kind for block in page.store.plan()[0]))
    answer = page.answer("welcome.html.jinja", rater=name, progress=progress, kinds=kinds)
    answer.set_cookie(
        COOKIE, token, max_age=MONTH, httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return answer


async def show(request: Request) -> Response:
    """The rater's next question, or thanks."""
    page = _page(request)
    rater, token = await _rater(request)
    late = request.query_params.get("late") == "1"
    values: dict[str, Any] = {"rater": rater, "form": page.keys.form(token), "late": late}

    def look() -> Response:
        asked = page.store.next_task(rater)
        values["progress"] = page.store.progress(rater)
        values["last"] = page.store.last_judgement(rater)
        if asked is None:
            return page.answer("done.html.jinja", more=page.store.more_there(rater), **values)
        page.store.note_shown(rater, asked.assignment)
        question = ask(asked, rater, page.material.seed, page.material.items, page.texts)
        return page.answer("question.html.jinja", question=question, **values)

    return await run_in_threadpool(look)


async def take(request: Request) -> Response:
    """Keep a judgement, then on to the next question. The same form again changes nothing."""
    page = _page(request)
    rater, fields = await _form(request)

    def keep() -> bool:
        asked = page.store.handed(rater, _whole(fields, "assignment"))
        item = page.material.items[asked.task.item]
        answer = answer_of(asked, rater, page.material.seed, fields.get("answer", ""), item)
        question = ask(asked, rater, page.material.seed, page.material.items, page.texts)
        return page.store.judge(
            rater,
            asked.assignment,
            _whole(fields, "version"),
            answer,
            shown_as=question.shown_as,
            comment=fields.get("comment", "").strip()[:LONGEST_COMMENT],
            active_seconds=_seconds(fields.get("seconds", "")),
        )

    kept = await run_in_threadpool(keep)
    return RedirectResponse("/" if kept else "/?late=1", 303)


async def undo(request: Request) -> Response:
    """Take the last judgement back; its question comes again."""
    rater, fields = await _form(request)
    await run_in_threadpool(_page(request).store.undo, rater, _whole(fields, "judgement"))
    return RedirectResponse("/", 303)


async def more(request: Request) -> Response:
    """A rater who is done takes on more."""
    rater, _ = await _form(request)
    await run_in_threadpool(_page(request).store.more, rater)
    return RedirectResponse("/", 303)


async def manage(request: Request) -> Response:
    """The study manager's page: counts, no texts."""
    page = _page(request)
    if not hmac.compare_digest(page.keys.manager().encode(), request.path_params["token"].encode()):
        raise HTTPException(404, "This link is not known here.")
    head: dict[str, Any] = {"title": page.material.study, "notice": page.material.study_notice}
    return page.answer("manage.html.jinja", overview=await run_in_threadpool(overview, page.store), **head)


async def static(request: Request) -> Response:
    """The style sheet, the script and the icon."""
    name = request.path_params["name"]
    if name not in STATIC:
        raise HTTPException(404, "There is no such page.")
    return Response((files("psyalign.collect") / "static" / name).read_bytes(), media_type=STATIC[name])


async def refuse(request: Request, problem: Exception) -> Response:
    """A page that says why not."""
    assert isinstance(problem, HTTPException)
    return _page(request).answer("refused.html.jinja", problem.status_code, message=problem.detail)


async def refuse_form(request: Request, problem: Exception) -> Response:
    """A form that no page of ours has."""
    assert isinstance(problem, UsageError)
    return _page(request).answer("refused.html.jinja", 400, message=problem.message)


async def fail(request: Request, problem: Exception) -> Response:
    """Our bug: named by its type only, because its text may quote a response."""
    print(f"error: This is a bug in psyalign: {type(problem).__name__} while serving.", file=sys.stderr)
    message = "Something went wrong here. Your earlier answers are saved; load the page again."
    answer = _page(request).answer("refused.html.jinja", 500, message=message)
    answer.headers.update(HEADERS)  # this answer is made outside the middleware
    return answer


async def _form(request: Request) -> tuple[str, dict[str, str]]:
    """Rater and fields of a form that came from a page of ours."""
    rater, token = await _rater(request)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise HTTPException(413, "This form is too long.")
    try:
        fields = {name: values[0] for name, values in parse_qs(body.decode(), max_num_fields=20).items()}
    except ValueError:
        raise HTTPException(400, "This form cannot be read.") from None
    if not same_site(request) or not _page(request).keys.form_fits(token, fields.get("form", "")):
        raise HTTPException(
            403, "This form does not come from this page. Go back, load the page and try again."
        )
    return rater, fields


def _whole(fields: dict[str, str], name: str) -> int:
    text = fields.get(name, "")
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise UsageError("This form is not complete.")
    return int(text)


def _seconds(text: str) -> float | None:
    """Time that the page was in view, as the script measured it; None without a script."""
    try:
        value = float(text)
    except ValueError:
        return None
    return round(value, 1) if 0 <= value <= DAY else None
