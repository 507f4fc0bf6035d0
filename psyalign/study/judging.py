"""The tables of a study file about what is judged and told: [dif], [gates], [report]."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, ValidatorFunctionWrapHandler, WrapValidator

from psyalign.study.fields import (
    Positive,
    Probability,
    Table,
    Texts,
    rule_error,
)
from psyalign.study.learning import Arm
from psyalign.study.rules import no_study_method

__all__ = ["Dif", "DifMethod", "Gates", "Report"]

# Those of `psyalign.dif.METHODS` (a test holds the two lists together) that fit scores of several
# points and the human total as matching variable; `rules.NOT_IN_STUDIES` says why the others do not.
DifMethod = Literal[
    "mantel", "smd", "ordinal", "liu_agresti", "gmh", "location_scale", "adjacent", "standardisation"
]


def _refuse_method(name: object) -> object:
    """Say why an existing DIF method is not for studies, before its name is called unknown."""
    problem = no_study_method(name)
    if problem is not None:
        raise rule_error(problem)
    return name


class Dif(Table):
    """[dif]: tests, matching, correction for many tests, and the thresholds of the effect-size classes.

    `methods` on means (mantel, smd, standardisation) take the arms' expected scores, those on score
    points (all others) their most probable ones. POLYSIB is left out: it matches on the rest score
    of the scores under test, which alignment moves. The defaults .17 and .25 are the convention for
    SMD divided by the item's SD (METHODS.md, section 1); there is no official policy for polytomous
    items, so they are settings. `min_group` stops nothing: smaller audit groups get a warning.
    `wording_probes` limits how many other wordings of audit answers every arm scores for the
    wording effect (0: all).
    """

    methods: Annotated[
        tuple[Annotated[DifMethod, BeforeValidator(_refuse_method)], ...], Field(strict=False)
    ] = ("mantel", "smd", "ordinal")
    matching: Literal["criterion_total"] = "criterion_total"
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05  # of one-sided tests, too
    correction: Literal["holm", "BH", "none"] = "holm"
    bootstrap: Annotated[int, Field(ge=1, le=100_000)] = 1000
    min_group: Annotated[int, Field(ge=4)] = 20
    wording_probes: Annotated[int, Field(ge=0)] = 0
    es_moderate: Positive = 0.17
    es_large: Positive = 0.25


def _or_off(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """`false` turns a gate off; anything else is held to the key's own type and range."""
    return False if value is False else handler(value)


# A threshold, or false. (As a union, pydantic would tell of every mistake twice.)
Off = (WrapValidator(_or_off), PlainSerializer(lambda value: value))
GateShare = Annotated[Probability, *Off]
GateSize = Annotated[Positive, *Off]


class Gates(Table):
    """[gates]: what the arm called "after" is asked to meet; `false` turns a gate off.

    With the table in the study, ``--gate`` ends with exit code 1 if a gate is missed; without it the
    report shows the gates at their defaults and nothing fails. The point estimate decides, as in the
    sources; the report says where the interval reaches to the other side.

    `qwk`, `r` (at least), `degradation` of QWK and r from human–human agreement, `smd` of all and
    `smd_group` of every group (|SMD| at most, pooled SD): Williamson, Xi & Breyer (2012). `exact` and
    `adjacent` (at least): RSMTool's flags. `es_class`: the worst effect-size class that an item may be in.
    `wording`: the largest |wording effect| in SDs of the human scores. `noninferiority`: by how much less
    QWK and r may be than the baseline's; met if that is shown. These three are conventions of psyalign.
    `impact_ratio` (four-fifths rule, EEOC 1978) needs `cut`: a person passes whose mean expected score over
    the items is at least `cut` score points. With fewer than `min_persons` a gate is not assessable.
    `raters` names two or more raters whose scores of the same response are independent and of one kind,
    the criterion rater first; empty: all raters if the criterion is adjudicated, else none.
    """

    qwk: GateShare = 0.70
    r: GateShare = 0.70
    exact: GateShare = 0.50
    adjacent: GateShare = 0.95
    degradation: GateShare = 0.10
    smd: GateSize = 0.15
    smd_group: GateSize = 0.10
    es_class: Literal["AA", "BB", False] = "BB"
    wording: GateSize = 0.10
    noninferiority: GateSize = 0.05
    impact_ratio: GateShare = 0.80
    cut: Positive | None = None
    min_persons: Annotated[int, Field(ge=2)] = 30
    raters: Texts = ()

    @property
    def thresholds(self) -> dict[str, float | str | Literal[False]]:
        """What is asked, by gate; False where a gate is off."""
        settings = ("cut", "min_persons", "raters")
        return {name: getattr(self, name) for name in type(self).model_fields if name not in settings}


class Report(Table):
    """[report]: which arm is called "after", and whether response text may leave the house.

    An empty `primary_arm` becomes "equivalence" if that is among the arms, else the last aligned arm.
    `use` says what the scores are to be used for, and `users` who uses them: the report prints both
    in the words of the study, and says so where they are empty.
    """

    primary_arm: Literal[Arm, ""] = ""
    use: str = ""
    users: str = ""
    show_text: bool = False
