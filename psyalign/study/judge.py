"""The table of a study file about a model that judges in raters' place: [judge]."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from psyalign.study.fields import Count, NotNegative, Positive, Table, Text

__all__ = ["JudgeTable", "is_loopback"]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class JudgeTable(Table):
    """[judge]: the language model behind `psyalign feedback judge`; nothing is judged without that command.

    `model` is a local causal LM, as in [scorer] base, or, with `base_url`, a model's name at an
    OpenAI-compatible endpoint (up to and with /v1), which receives response text: on another host than this
    one only with `allow_text_to_leave`. `api_key_env` names the environment variable with its key; `timeout`
    (seconds) and `retries` are for a request. `constitution` is a TOML file of principles and `wordings` one
    of rules for other wordings, relative to the study's folder; without them psyalign's own are used. A
    verdict counts from a mean margin of `min_margin` logits. `max_responses` limits what is judged.
    """

    model: Text = "smollm2"
    base_url: str = ""
    api_key_env: str = ""
    allow_text_to_leave: bool = False
    timeout: Positive = 60.0
    retries: Annotated[int, Field(ge=0, le=20)] = 3
    constitution: Text | None = None
    wordings: Text | None = None
    min_margin: NotNegative = 0.0
    max_responses: Count = 100

    @property
    def text_leaves(self) -> bool:
        """Whether the judge is on another machine, as far as its address tells."""
        return bool(self.base_url) and not is_loopback(self.base_url)


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return (urlsplit(url).hostname or "") in LOOPBACK
    except ValueError:  # brackets that do not close
        return False
