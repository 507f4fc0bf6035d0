"""Collecting feedback from raters on a local web page: questions, assignment, storage, pages, export."""

from psyalign.collect.export import Export, export_records, open_questions
from psyalign.collect.plan import Settings, make_plan
from psyalign.collect.serve import LOOPBACK, Collection, begin, listen, serve
from psyalign.collect.store import Store
from psyalign.collect.summary import Overview, judgement_times, overview
from psyalign.collect.tasks import KINDS, Block, Material, Task

__all__ = [
    "KINDS",
    "LOOPBACK",
    "Block",
    "Collection",
    "Export",
    "Material",
    "Overview",
    "Settings",
    "Store",
    "Task",
    "begin",
    "export_records",
    "judgement_times",
    "listen",
    "make_plan",
    "open_questions",
    "overview",
    "serve",
]
