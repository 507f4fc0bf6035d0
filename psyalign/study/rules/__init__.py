"""Rules between keys of a study file: pure functions from a study to the problems in it.

One file for each part of the study file; `arms.py` says which arms read which settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psyalign.study.problem import Problem
from psyalign.study.rules.align import align_rules, arm_rules
from psyalign.study.rules.arms import ALIGN_OPTIONS, REWARDED, learns_scores, reads_beta, reads_option
from psyalign.study.rules.choice import choice_rules
from psyalign.study.rules.data import data_rules, group_rules, plant_rules, split_rules
from psyalign.study.rules.feedback import equivalence_rules, feedback_rules, reward_rules
from psyalign.study.rules.judge import judge_rules
from psyalign.study.rules.judging import NOT_IN_STUDIES, dif_rules, gate_rules, no_study_method, report_rules

if TYPE_CHECKING:
    from psyalign.study.schema import Study

__all__ = [
    "ALIGN_OPTIONS",
    "NOT_IN_STUDIES",
    "REWARDED",
    "learns_scores",
    "no_study_method",
    "problems",
    "reads_beta",
    "reads_option",
]

# In the order in which the tables stand in a study file: the first problem is told in full.
RULES = (
    data_rules,
    plant_rules,
    split_rules,
    group_rules,
    feedback_rules,
    equivalence_rules,
    reward_rules,
    arm_rules,
    align_rules,
    choice_rules,
    dif_rules,
    gate_rules,
    report_rules,
    judge_rules,
)


def problems(study: Study) -> list[Problem]:
    """All contradictions between the keys of `study`, in the order of the file."""
    return [problem for rule in RULES for problem in rule(study)]
