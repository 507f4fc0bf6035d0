"""A judge behind an OpenAI-compatible endpoint: vLLM, llama.cpp, Ollama, a vendor's."""

from __future__ import annotations

import http.client
import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from psyalign.foundation.errors import Interrupted, ModelError, StudyError
from psyalign.judge.engine import Choice, Prompt, most_probable
from psyalign.study import is_loopback

__all__ = ["EndpointJudge"]

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_PAUSE = 30.0
MOST_LOGPROBS = 20


class EndpointJudge:
    """A model asked through ``POST <base_url>/chat/completions``, temperature 0.

    The endpoint receives response text. Redirects are not followed and proxies of the environment are not
    used, so that the text goes to the named host and nowhere else. Neither the key nor the body of an answer
    is ever in an error.

    Parameters
    ----------
    base_url : str
        Up to and with the version, such as ``http://127.0.0.1:8000/v1``.
    model : str
        The model's name there.
    api_key_env : str
        Environment variable that holds the key; "" for none.
    allow_text_to_leave : bool
        Needed for a host that is not this machine.
    timeout : float
        Seconds that one request may take.
    retries : int
        How often a request is sent again when the endpoint is busy, fails or cannot be reached; the pause
        doubles from 1 s to 30 s, or is what the endpoint asks for.
    pause : callable
        Waits so many seconds.

    Raises
    ------
    StudyError
        The address is none, text may not leave, or the key would travel without TLS.
    ModelError
        The key's variable is not set.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key_env: str = "",
        allow_text_to_leave: bool = False,
        timeout: float = 60.0,
        retries: int = 3,
        pause: Callable[[float], None] = time.sleep,
    ):
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise StudyError(
                "The judge's address is not one of http or https.",
                where="[judge] base_url",
                mend='Write, say, base_url = "http://127.0.0.1:8000/v1".',
            )
        local = is_loopback(base_url)
        if not local and not allow_text_to_leave:
            raise StudyError(
                f"The judge at '{parts.hostname}' would receive the text of responses.",
                where="[judge] base_url",
                mend="Set allow_text_to_leave = true in [judge] if those who responded agreed to it.",
            )
        if api_key_env and not local and parts.scheme == "http":
            raise StudyError(
                "The API key would travel in clear text.", where="[judge] base_url", mend="Use https."
            )
        self.name = model
        self.identity = f"endpoint:{base_url}:{model}"
        self._parts, self._model = parts, model
        self._path = f"{parts.path.rstrip('/')}/chat/completions"
        self._key = _key(api_key_env)
        self._timeout, self._retries, self._pause = timeout, retries, pause
        self._logprobs = True

    def choose(self, prompt: Prompt, labels: Sequence[str]) -> Choice:
        """The label with the largest log-probability as first token; without those, the one in the text.

        A label that is not among the tokens which the endpoint lists gets the least log-probability listed:
        its own is at most that, so that a margin is never overstated.
        """
        if self._logprobs:
            extra = {"max_tokens": 1, "logprobs": True, "top_logprobs": MOST_LOGPROBS}
            answer = self._ask(prompt, extra, optional=True)
            listed = None if answer is None else _listed(answer)
            if listed:
                return _chosen(labels, listed)
            self._logprobs = False  # it does not offer them: not asked for again
        return Choice(_label_in(_text(self._ask(prompt, {"max_tokens": 8}) or {}, self._path), labels), None)

    def write(self, prompt: Prompt, max_tokens: int) -> str:
        """The answer's text."""
        return _text(self._ask(prompt, {"max_tokens": max_tokens}) or {}, self._path).strip()

    def _ask(
        self, prompt: Prompt, extra: Mapping[str, Any], *, optional: bool = False
    ) -> dict[str, Any] | None:
        """The endpoint's answer; None where it refuses a request that is `optional`."""
        body = json.dumps(
            {
                "model": self._model,
                "messages": [
                    {"role": "system", "content": prompt.system},
                    {"role": "user", "content": prompt.text},
                ],
                "temperature": 0,
                **extra,
            }
        ).encode()
        said = "no answer"
        for attempt in range(self._retries + 1):
            wait = min(2.0**attempt, LONGEST_PAUSE)
            try:
                status, headers, content = self._post(body)
            except (OSError, http.client.HTTPException) as problem:
                said = type(problem).__name__
            else:
                if status == 200:
                    return _parsed(content, self._where)
                said = f"HTTP status {status}"
                if optional and status in (400, 422, 500, 501):
                    return None
                if status not in AGAIN:
                    raise self._refused(status)
                wait = _wanted(headers, wait)
            if attempt < self._retries:
                self._pause(wait)
        raise Interrupted(
            f"The judge's endpoint did not answer ({said}; asked {self._retries + 1} times).",
            where=self._where,
            mend="Start it or wait; the same command goes on after the last answer.",
        )

    def _post(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        secure = self._parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(str(self._parts.hostname), self._parts.port, timeout=self._timeout)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            connection.request("POST", self._path, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers.items()), answer.read()
        finally:
            connection.close()

    @property
    def _where(self) -> str:
        # without user name and password, which an address may hold
        host = f"{self._parts.hostname}:{self._parts.port}" if self._parts.port else self._parts.hostname
        return f"{self._parts.scheme}://{host}{self._path}"

    def _refused(self, status: int) -> ModelError:
        mends = {
            401: "Check the key in the variable that [judge] api_key_env names.",
            403: "Check the key in the variable that [judge] api_key_env names.",
            404: "Check base_url (it mostly ends in /v1) and the model's name.",
        }
        return ModelError(
            f"The judge's endpoint refused the request (HTTP status {status}).",
            where=self._where,
            mend=mends.get(status, "Check base_url and model in [judge]; the endpoint's own log says more."),
        )


def _key(variable: str) -> str:
    if not variable:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ModelError(
            f"The environment variable '{variable}' is not set.",
            where="[judge] api_key_env",
            mend=f"Set {variable} to the endpoint's key.",
        )
    return key


def _wanted(headers: Mapping[str, str], wait: float) -> float:
    """The pause that the endpoint asks for in seconds, if it does, and if it is bearable."""
    asked = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    return min(float(asked), LONGEST_PAUSE) if re.fullmatch(r"\d+", asked) else wait


def _parsed(content: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _not_compatible(where)
    return value


def _not_compatible(where: str) -> ModelError:
    return ModelError(
        "The endpoint's answer is not that of an OpenAI-compatible chat endpoint.",
        where=where,
        mend="Check base_url: it mostly ends in /v1.",
    )


def _text(answer: Mapping[str, Any], where: str) -> str:
    try:
        content = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        raise _not_compatible(where) from None
    return content if isinstance(content, str) else ""


def _listed(answer: Mapping[str, Any]) -> dict[str, float] | None:
    """Log-probabilities of the first token's alternatives, by token without white space."""
    try:
        top = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        found: dict[str, float] = {}
        for entry in top:
            token, value = str(entry["token"]).strip(), float(entry["logprob"])
            found[token] = max(value, found.get(token, value))
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return found


def _chosen(labels: Sequence[str], listed: Mapping[str, float]) -> Choice:
    if not any(label in listed for label in labels):
        return Choice("", None)
    least = min(listed.values())
    values = tuple(listed.get(label, least) for label in labels)
    return Choice(most_probable(labels, values), values)


def _label_in(text: str, labels: Sequence[str]) -> str:
    """The label that the text begins with, as a list or a sentence does, else the only one that it names.

    "A: so, not B" begins with A; "A and B" begins with neither. Labels are words of their own; "" where the
    text names none, or several.
    """
    for label in labels:
        if re.match(rf"\s*\(?{re.escape(label)}\s*(?:[:)]|\.(?!\d)|\n|\Z)", text):
            return label
    found = {label for label in labels if re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text)}
    return found.pop() if len(found) == 1 else ""
