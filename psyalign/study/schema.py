"""The study file as data: one frozen pydantic model for each of its tables.

Here are the tables about items, data and groups, and the whole; `learning.py` has those about training,
`judging.py` those about DIF, gates and report.

Types and ranges of single keys are declared here; what several keys must fulfil together
stands in `rules/` and is run whenever a `Study` is made. A model never reads a file: whether
paths, raters and attributes exist is the business of `checks.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, model_validator

from psyalign.study.fields import (
    Count,
    Name,
    Probability,
    Share,
    Table,
    Text,
    Texts,
    rule_error,
)
from psyalign.study.judge import JudgeTable
from psyalign.study.judging import Dif, Gates, Report
from psyalign.study.learning import ALIGNED_ARMS, Align, Arm, Choice, Feedback, Reward, Scorer
from psyalign.study.rules import problems

__all__ = ["Data", "Group", "Items", "Plant", "Simulation", "Split", "Study", "StudyTable"]


class StudyTable(Table):
    """[study]: what the study is called and asks, and the seed of everything random in it."""

    name: Name
    title: str = ""
    question: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63)]


class Items(Table):
    """[items]: a shipped bank's name or a folder; `include` narrows it to some items (empty: all)."""

    bank: Text
    include: Texts = ()


class Data(Table):
    """[data]: where the answers and scores come from.

    `operational` and `criterion` name raters; an empty name stands for the adjudicated score over
    all raters. The baseline learns the operational scores; DIF and agreement are judged against,
    and persons matched on, the criterion scores. `wordings` is a table of other wordings of the answers
    (person, item, wording, response), such as `psyalign feedback judge --path wordings` writes.
    """

    source: Literal["files", "simulate"] = "files"
    responses: Text | None = None
    ratings: Text | None = None
    persons: Text | None = None
    wordings: Text | None = None
    operational: str = ""
    criterion: str = ""
    instructions: str = ""


class Simulation(Table):
    """[simulation]: the simulated respondents and raters, read only with ``source = "simulate"``.

    The keys and defaults are those of `psyalign.responses.simulate_sjt`; severity and errors are in
    score points.
    """

    persons: Annotated[int, Field(ge=12)] = 240
    focal_share: Share = 0.5
    penalty: Probability = 0.4
    impact: Annotated[float, Field(ge=-3, le=3)] = 0.0
    severity: Annotated[float, Field(ge=-3, le=3)] = 0.1
    error: Annotated[float, Field(ge=0, le=3)] = 0.4
    panel_error: Annotated[float, Field(ge=0, le=3)] = 0.25


class Plant(Table):
    """[plant]: a known bias put into real answers and scores, so that its removal can be measured.

    With `panel_lower_probability` there is a rater "panel" who shares the penalty, so that what feedback
    from raters with the scorer's own bias does can be measured, too: ``[feedback] rater = "panel"``.
    """

    kind: Literal["wording"] = "wording"
    share: Share = 0.5
    lower_probability: Probability = 0.4
    lower_by: Count = 1
    true_rater: str = ""
    panel_lower_probability: Probability | None = None


class Split(Table):
    """[split]: shares of the persons; `max_train_responses` 0 means no limit."""

    train: Share = 0.6
    feedback: Share = 0.15
    audit: Share = 0.25
    stratify: Texts = ()
    max_train_responses: Annotated[int, Field(ge=0)] = 0

    @property
    def shares(self) -> dict[str, float]:
        """Share of persons for each split, in the order train, feedback, audit."""
        return {"train": self.train, "feedback": self.feedback, "audit": self.audit}


class Group(Table):
    """[groups.<attribute>]: which values of a person attribute are the reference and the focal group."""

    reference: Text
    focal: Text


class Study(Table):
    """A whole study file. Made by `load_study`, which also sets `path`.

    Raises
    ------
    pydantic.ValidationError
        A key is unknown, missing, of the wrong type or out of range, or keys contradict each other.
        `load_study` turns it into one `StudyError`.
    """

    study: StudyTable
    items: Items
    data: Data = Data()
    simulation: Simulation | None = None
    plant: Plant | None = None
    split: Split = Split()
    groups: dict[str, Group]
    scorer: Scorer = Scorer()
    feedback: Feedback = Feedback()
    judge: JudgeTable | None = None
    reward: Reward = Reward()
    align: Align = Align()
    choice: Choice | None = None
    dif: Dif = Dif()
    gates: Gates | None = None
    report: Report = Report()

    _path: Path = PrivateAttr(default=Path("study.toml"))

    @model_validator(mode="after")
    def _settle(self) -> Study:
        """Fill in the defaults that depend on other keys, then hold the rules between keys."""
        # The models are frozen for everyone else; these defaults are part of making the study.
        if not self.study.title:
            self.__dict__["study"] = self.study.model_copy(update={"title": self.study.name})
        if self.data.source == "simulate" and self.simulation is None:
            self.__dict__["simulation"] = Simulation()
        if not self.report.primary_arm:
            self.__dict__["report"] = self.report.model_copy(update={"primary_arm": self._default_after()})
        found = problems(self)
        if found:
            raise rule_error(found[0], more=len(found) - 1)
        return self

    def _default_after(self) -> Literal[Arm, ""]:
        if "equivalence" in self.align.arms:
            return "equivalence"
        aligned = [arm for arm in self.align.arms if arm in ALIGNED_ARMS]
        return aligned[-1] if aligned else ""

    @property
    def weighed_arm(self) -> Arm | None:
        """The arm that [choice] equivalence_weight is chosen by.

        The arm called "after" if it joins equivalence to another objective, else the first one that does.
        """
        joined = [arm for arm in self.align.arms if arm.endswith("+equivalence")]
        if not joined:
            return None
        return next((arm for arm in joined if arm == self.report.primary_arm), joined[0])

    @property
    def path(self) -> Path:
        """The study file."""
        return self._path

    @property
    def folder(self) -> Path:
        """The folder of the study file; the paths in it are relative to this folder."""
        return self._path.parent

    def file(self, name: str) -> Path:
        """A path that the study file names, made relative to the study's folder unless absolute."""
        return self.folder / Path(name).expanduser()

    def placed_at(self, path: Path) -> Study:
        """The same study, known to lie at `path`."""
        study = self.model_copy()
        study._path = path
        return study
