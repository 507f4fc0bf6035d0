"""The judge behind an endpoint: what is sent, retries, refusals, and where text and key do not go."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from psyalign.foundation.errors import Interrupted, ModelError, StudyError
from psyalign.judge import EndpointJudge, Prompt

SECRET = "a private sentence nobody may log"
PROMPT = Prompt("You judge.", ("The item.", f"<answer>{SECRET}</answer>", "A or B?"))


def judge(url: str, **options: Any) -> EndpointJudge:
    return EndpointJudge(url, "some-model", **{"pause": lambda _: None, "timeout": 5.0, **options})


def test_labels_are_taken_from_log_probabilities(serve: Any, completion: Any) -> None:
    endpoint = serve(lambda sent: (200, completion("B", {" A": -2.0, "B": -0.2, "A": -1.5, "x": -9.0})))
    found = judge(endpoint.url).choose(PROMPT, ("A", "B"))
    assert found.label == "B" and found.logprobs == (-1.5, -0.2)
    sent = endpoint.requests[0]
    assert sent["temperature"] == 0 and sent["max_tokens"] == 1 and sent["logprobs"] is True
    assert [turn["role"] for turn in sent["messages"]] == ["system", "user"]
    assert sent["messages"][1]["content"] == PROMPT.text and sent["model"] == "some-model"
    assert "Authorization" not in endpoint.headers[0]


def test_a_label_that_is_not_listed_gets_the_least_listed(serve: Any, completion: Any) -> None:
    endpoint = serve(lambda sent: (200, completion("A", {"A": -0.1, "I": -3.0, "The": -4.5})))
    assert judge(endpoint.url).choose(PROMPT, ("A", "B")).logprobs == (-0.1, -4.5)


@pytest.mark.parametrize("refuses", [True, False])
def test_without_log_probabilities_the_text_is_read(serve: Any, completion: Any, refuses: bool) -> None:
    def brain(sent: dict[str, Any]) -> tuple[int, Any]:
        if "logprobs" in sent and refuses:
            return 400, {"error": SECRET}
        return 200, completion("I choose B." if "logprobs" not in sent else "B")

    endpoint = serve(brain)
    one = judge(endpoint.url)
    for _ in range(2):
        found = one.choose(PROMPT, ("A", "B"))
        assert (found.label, found.logprobs) == ("B", None)
    assert len(endpoint.requests) == 3  # log-probabilities are asked for once


@pytest.mark.parametrize(
    ("text", "label"),
    [
        *[("A and B", ""), ("neither", ""), ("BA", ""), ("A, B", ""), ("Apple", ""), ("A 1.5", "A")],
        *[("(A)", "A"), ("A: so\nB: not so", "A"), ("B.\nA would be", "B"), (" (B) not A", "B")],
    ],
)
def test_text_that_names_no_label_or_two_is_no_answer(
    serve: Any, completion: Any, text: str, label: str
) -> None:
    endpoint = serve(lambda sent: (200, completion(text)))
    assert judge(endpoint.url).choose(PROMPT, ("A", "B")).label == label


def test_a_busy_endpoint_is_asked_again_with_growing_pauses(serve: Any, completion: Any) -> None:
    answers = [503, 429, 200]
    endpoint = serve(lambda sent: (answers.pop(0), completion("fine")))
    pauses: list[float] = []
    assert judge(endpoint.url, pause=pauses.append).write(PROMPT, 5) == "fine"
    assert pauses == [1.0, 2.0] and not answers


def test_an_endpoint_that_stays_away_stops_the_command_resumably(serve: Any) -> None:
    endpoint = serve(lambda sent: (503, {"error": SECRET}))
    with pytest.raises(Interrupted, match="did not answer") as caught:
        judge(endpoint.url, retries=2).write(PROMPT, 5)
    assert len(endpoint.requests) == 3 and "HTTP status 503; asked 3 times" in str(caught.value)
    assert SECRET not in str(caught.value)
    with pytest.raises(Interrupted, match="ConnectionRefusedError"):
        judge("http://127.0.0.1:9/v1", retries=0).write(PROMPT, 5)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, {"error": SECRET}, "refused the request .HTTP status 401.*Check the key"),
        (404, {"error": SECRET}, "refused the request .HTTP status 404.*Check base_url .* the model's name"),
        (302, b"", "refused the request .HTTP status 302"),  # a redirect would take the text to another host
        (200, b"<html>", "not that of an OpenAI-compatible chat endpoint.*Check base_url"),
        (200, [SECRET], "not that of an OpenAI-compatible chat endpoint"),
        (200, {"choices": []}, "not that of an OpenAI-compatible chat endpoint"),
    ],
)
def test_answers_that_cannot_be_used_are_refused_without_quoting(
    serve: Any, status: int, body: Any, said: str
) -> None:
    endpoint = serve(lambda sent: (status, body))
    with pytest.raises(ModelError, match=f"(?s){said}") as caught:
        judge(endpoint.url).write(PROMPT, 5)
    assert SECRET not in str(caught.value) and len(endpoint.requests) == 1


def test_the_key_is_sent_and_never_told(serve: Any, completion: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-hidden")
    endpoint = serve(lambda sent: (401, {}))
    one = judge(endpoint.url, api_key_env="JUDGE_KEY")
    with pytest.raises(ModelError) as caught:
        one.write(PROMPT, 5)
    assert endpoint.headers[0]["Authorization"] == "Bearer sk-hidden"
    assert "sk-hidden" not in str(caught.value) and "sk-hidden" not in one.identity
    monkeypatch.delenv("JUDGE_KEY")
    with pytest.raises(ModelError, match="'JUDGE_KEY' is not set"):
        judge(endpoint.url, api_key_env="JUDGE_KEY")


@pytest.mark.parametrize("host", ["judge.example.org", "192.168.0.7", "127.0.0.1.example.org", "[::2]"])
def test_text_does_not_leave_this_machine_unless_the_study_says_so(host: str) -> None:
    with pytest.raises(StudyError, match="would receive the text") as caught:
        judge(f"https://{host}/v1")
    assert "allow_text_to_leave" in str(caught.value)
    judge(f"https://{host}/v1", allow_text_to_leave=True)


def test_a_key_does_not_travel_in_clear_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-hidden")
    with pytest.raises(StudyError, match="clear text"):
        judge("http://judge.example.org/v1", allow_text_to_leave=True, api_key_env="JUDGE_KEY")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/v1", "127.0.0.1:8000/v1", "http:///v1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(StudyError, match="address"):
        judge(url)


def test_a_model_served_on_loopback_judges_as_it_does_at_home(
    serve: Callable[..., Any], completion: Any, smollm2: Any
) -> None:
    """The local model behind the OpenAI protocol: labels and margins are those without the server."""

    def brain(sent: dict[str, Any]) -> tuple[int, Any]:
        prompt = Prompt(sent["messages"][0]["content"], (sent["messages"][1]["content"],))
        if "logprobs" in sent:
            said = smollm2.choose(prompt, ("A", "B"))
            return 200, completion(said.label, dict(zip("AB", said.logprobs, strict=True)))
        return 200, completion(smollm2.write(prompt, sent["max_tokens"]))

    prompt = Prompt("You judge.", ("Which is a fruit?\nA: apple\nB: brick\nReply with A or B only.",))
    there = judge(serve(brain).url, timeout=300.0)
    assert there.write(prompt, 4) == smollm2.write(prompt, 4)
    at_home, served = smollm2.choose(prompt, ("A", "B")), there.choose(prompt, ("A", "B"))
    assert served == at_home and not math.isnan(served.logprobs[0])
