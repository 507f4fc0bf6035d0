"""The DIF methods that a study file takes are psyalign's: `study` may not import `dif`, so it lists them."""

from __future__ import annotations

from typing import get_args

from psyalign.dif import METHODS
from psyalign.study import Dif
from psyalign.study.judging import DifMethod
from psyalign.study.rules import NOT_IN_STUDIES


def test_every_method_of_dif_is_taken_or_refused_with_a_reason() -> None:
    taken, refused = set(get_args(DifMethod)), set(NOT_IN_STUDIES)
    assert taken | refused == set(METHODS)
    assert not taken & refused


def test_refused_for_their_strata_are_those_that_match_on_the_rest_score() -> None:
    of_rest = {name for name, method in METHODS.items() if method.strata == "rest"}
    assert of_rest == {name for name, why in NOT_IN_STUDIES.items() if "rest score" in why}


def test_all_of_them_at_once_and_the_default() -> None:
    every = list(get_args(DifMethod))
    assert list(Dif.model_validate({"methods": every}).methods) == every
    assert Dif().methods == ("mantel", "smd", "ordinal")
