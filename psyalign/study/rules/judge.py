"""Rules of [judge]: the model that judges beside people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from psyalign.study.problem import Problem

if TYPE_CHECKING:
    from psyalign.study.schema import Study

__all__ = ["judge_rules"]


def judge_rules(study: Study) -> Iterator[Problem]:
    """Text leaves the machine only where the study allows it, and keys go to an endpoint."""
    judge = study.judge
    if judge is None:
        return
    if judge.text_leaves and not judge.allow_text_to_leave:
        yield Problem(
            ("judge", "base_url"),
            "The judge is on another machine, and would receive the text of responses.",
            "Set allow_text_to_leave = true if those who gave the responses agreed to it.",
        )
    if judge.api_key_env and not judge.base_url:
        yield Problem(
            ("judge", "api_key_env"),
            "'api_key_env' has no effect: a local model needs no key.",
            "Drop it, or add base_url.",
        )
