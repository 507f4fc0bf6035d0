"""The sections of a report in their order; each builder returns None where a run has nothing for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

from psyalign.report.content import Block, Figure, FigureRow, Section, Table
from psyalign.report.facts import origin_tag
from psyalign.report.load import RunTables
from psyalign.report.sections.agreement import agreement_section
from psyalign.report.sections.ai_feedback import ai_feedback_section
from psyalign.report.sections.alignment import alignment_section
from psyalign.report.sections.arms import arms_section
from psyalign.report.sections.choice import choice_section
from psyalign.report.sections.crosswalk import crosswalk_section
from psyalign.report.sections.decision import decision_section
from psyalign.report.sections.dif import dif_section
from psyalign.report.sections.distributions import distributions_section
from psyalign.report.sections.impact import impact_section
from psyalign.report.sections.items import items_section
from psyalign.report.sections.limits import limits_section
from psyalign.report.sections.model_card import model_card_section
from psyalign.report.sections.plan import plan_section
from psyalign.report.sections.provenance import provenance_section
from psyalign.report.sections.purpose import purpose_section
from psyalign.report.sections.question import question_section
from psyalign.report.sections.raters import raters_section
from psyalign.report.sections.sample import sample_section
from psyalign.report.sections.subgroups import subgroups_section
from psyalign.report.sections.summary import summary_section
from psyalign.report.sections.training import training_section
from psyalign.report.sections.validity import validity_section
from psyalign.report.sections.wording import wording_section

__all__ = ["SECTIONS", "build_sections"]

SECTIONS: tuple[Callable[[RunTables], Section | None], ...] = (
    decision_section,
    summary_section,
    question_section,
    purpose_section,
    items_section,
    sample_section,
    ai_feedback_section,
    raters_section,
    model_card_section,
    plan_section,
    agreement_section,
    validity_section,
    subgroups_section,
    dif_section,
    wording_section,
    impact_section,
    arms_section,
    choice_section,
    alignment_section,
    distributions_section,
    training_section,
    limits_section,
    provenance_section,
)


def build_sections(tables: RunTables) -> list[Section]:
    """All sections, their tables and figures numbered, every caption marked with the data's origin."""
    built = [section for builder in SECTIONS if (section := builder(tables)) is not None]
    built.insert(-1, crosswalk_section(built))  # before the last, which is for making the run again
    tag, table_numbers, figure_numbers = origin_tag(tables), count(1), count(1)

    def numbered(figure: Figure) -> Figure:
        return replace(figure, caption=f"Figure {next(figure_numbers)}. {figure.caption}{tag}")

    def captioned(block: Block) -> Block:
        if isinstance(block, Table):
            return replace(block, caption=f"Table {next(table_numbers)}. {block.caption}{tag}")
        if isinstance(block, Figure):
            return numbered(block)
        if isinstance(block, FigureRow):
            return replace(block, figures=tuple(map(numbered, block.figures)))
        return block

    return [replace(section, blocks=tuple(map(captioned, section.blocks))) for section in built]
