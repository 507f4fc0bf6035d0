"""AI feedback: a judge, local or behind an endpoint, and the ways from its answers to feedback records."""

from psyalign.judge.compare import AGREEMENT_COLUMNS, judge_agreement
from psyalign.judge.endpoint import EndpointJudge
from psyalign.judge.engine import Choice, Judge, Prompt
from psyalign.judge.ledger import Asker
from psyalign.judge.local import LocalJudge
from psyalign.judge.orders import Side, Verdict, settle
from psyalign.judge.paths import PAIR_KINDS, PATHS, JudgeSettings
from psyalign.judge.principles import CONSTITUTION, Principle, load_principles
from psyalign.judge.run import Judged, judge_path, sidecar, write_judged
from psyalign.judge.subjects import Subjects, choose_subjects
from psyalign.judge.trail import Entry
from psyalign.judge.wording_rules import WORDINGS, Wording, load_wordings

__all__ = [
    "AGREEMENT_COLUMNS",
    "CONSTITUTION",
    "PAIR_KINDS",
    "PATHS",
    "WORDINGS",
    "Asker",
    "Choice",
    "EndpointJudge",
    "Entry",
    "Judge",
    "JudgeSettings",
    "Judged",
    "LocalJudge",
    "Principle",
    "Prompt",
    "Side",
    "Subjects",
    "Verdict",
    "Wording",
    "choose_subjects",
    "judge_agreement",
    "judge_path",
    "load_principles",
    "load_wordings",
    "settle",
    "sidecar",
    "write_judged",
]
