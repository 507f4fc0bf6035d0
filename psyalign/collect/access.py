"""Who may do what: links, the cookie that takes their place, form tokens, headers."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from psyalign.foundation.errors import UsageError

__all__ = ["COOKIE", "HEADERS", "Keys", "SafeHeaders", "check_names", "same_site", "token_hash"]

COOKIE = "psyalign_rater"
NAME = re.compile(r"\w[\w .-]{0,39}")
HEADERS = {
    # no inline script or style; texts of respondents are only ever text
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Keys:
    """Tokens from one secret in a file beside the collection, so that links stay the same after a restart.

    The collection's own file has hashes of the tokens only: who gets a copy of it cannot answer for a rater.
    """

    def __init__(self, path: Path) -> None:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(32))
                file.flush()
                os.fsync(file.fileno())
        self._secret = path.read_text(encoding="ascii").strip().encode()
        if len(self._secret) != 64:
            raise UsageError(
                "The file of the links' secret is damaged.",
                where=str(path),
                mend="Delete it: links will be new.",
            )

    def rater(self, name: str) -> str:
        """A rater's token, the last part of their link."""
        return self._made("rater", name)

    def manager(self) -> str:
        """The token of the study manager's page."""
        return self._made("manager", "")

    def form(self, token: str) -> str:
        """What forms of the holder of `token` must carry."""
        return self._made("form", token)

    def form_fits(self, token: str, sent: str) -> bool:
        """Whether a form comes from a page of ours."""
        return hmac.compare_digest(self.form(token).encode(), sent.encode())

    def _made(self, purpose: str, name: str) -> str:
        return hmac.new(self._secret, f"{purpose}\x1f{name}".encode(), hashlib.sha256).hexdigest()[:40]


def token_hash(token: str) -> str:
    """SHA-256 of a token, which is what the collection's file keeps."""
    return hashlib.sha256(token.encode()).hexdigest()


def check_names(names: Iterable[str]) -> list[str]:
    """Raters' names, stripped; UsageError if one is empty, odd or there twice."""
    found = [name.strip() for name in names]
    for name in found:
        if not NAME.fullmatch(name):
            raise UsageError(
                f"'{name}' cannot be a rater's name.",
                where="--raters",
                mend="Use letters, digits, '-', '_', '.', with commas between names: --raters ann,bob.",
            )
    if len(set(found)) < len(found):
        raise UsageError("A rater is named twice.", where="--raters", mend="Name each rater once.")
    return found


def same_site(request: Request) -> bool:
    """Whether a form was sent by a page of this server, by what browsers say of it."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or origin == f"{request.url.scheme}://{request.headers.get('host', '')}"


class SafeHeaders:
    """ASGI middleware that puts `HEADERS` on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add the headers when the answer starts."""

        async def send_safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        await self.app(scope, receive, send_safe)
