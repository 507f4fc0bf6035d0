"""The study file: what is asked, of which data, with which scorer, arms and tests."""

from psyalign.study.cautions import cautions
from psyalign.study.checks import check_study, require_files, require_study
from psyalign.study.judge import JudgeTable, is_loopback
from psyalign.study.judging import Dif, Gates, Report
from psyalign.study.learning import ALIGNED_ARMS, Align, Arm, Choice, Feedback, Lora, Reward, Scorer
from psyalign.study.load import load_study
from psyalign.study.plan import PlanRow, plan
from psyalign.study.resolve import resolved, resolved_toml
from psyalign.study.schema import Data, Group, Items, Plant, Simulation, Split, Study, StudyTable

__all__ = [
    "ALIGNED_ARMS",
    "Align",
    "Arm",
    "Choice",
    "Data",
    "Dif",
    "Feedback",
    "Gates",
    "Group",
    "Items",
    "JudgeTable",
    "Lora",
    "PlanRow",
    "Plant",
    "Report",
    "Reward",
    "Scorer",
    "Simulation",
    "Split",
    "Study",
    "StudyTable",
    "cautions",
    "check_study",
    "is_loopback",
    "load_study",
    "plan",
    "require_files",
    "require_study",
    "resolved",
    "resolved_toml",
]
