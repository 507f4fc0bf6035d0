"""Who and what was read, what was missing, what was left out and why; and the rubrics of the items."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from psyalign.dif import matching_strata, total_score
from psyalign.foundation.tables import read_table
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.audit import Audit
from psyalign.pipeline.stages.data import group_of, read_persons, read_scores, read_texts
from psyalign.pipeline.stages.judgements import score_feedback
from psyalign.pipeline.stages.score_needs import has_rewards
from psyalign.responses import final_scores

__all__ = ["flow_table", "rubric_table"]

# step, unit, what, grouping, level, n, of (−1: not a part of anything), why
Row = tuple[str, str, str, str, str, int, int, str]
COLUMNS = ("step", "unit", "what", "grouping", "level", "n", "of", "why")
NONE = -1
UNANSWERED = "nothing was put in their place; the total of such a person is prorated from the other items"


def flow_table(run: Run, audit: Audit) -> pd.DataFrame:
    """What was read, missing and left out on the way from the data to the tables.

    Returns
    -------
    DataFrame
        Columns step ("read", "missing", "left out"), unit ("persons", "responses", "ratings", "raters"),
        what, grouping and level ("all", or a group), n, of (whole that n is a part of; missing where it
        is none), why. Rows of nothing missing are kept: that nothing was missing is a finding.
    """
    rows = [*_read(run), *_unanswered(run), *_unscored(run, audit), *_training(run), *_groups(run, audit)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.assign(of=table["of"].where(table["of"] != NONE).astype(float))


def rubric_table(run: Run) -> pd.DataFrame:
    """Score points of every item: item, score, label, description; no exemplar, as those are responses."""
    rows = [
        (item.id, point.score, point.label, point.description)
        for item in run.bank.items.values()
        for point in item.rubric
    ]
    return pd.DataFrame(rows, columns=["item", "score", "label", "description"])


def _row(step: str, unit: str, what: str, n: int, of: int = NONE, why: str = "") -> Row:
    return step, unit, what, "all", "all", int(n), int(of), why


def _read(run: Run) -> Iterator[Row]:
    texts, ratings = read_texts(run), read_table(run.path("data", "ratings.parquet"))
    yield _row("read", "persons", "with at least one response", texts["person"].nunique())
    yield _row("read", "responses", "one for each person and item answered", int(texts["primary"].sum()))
    others = int((~texts["primary"]).sum())
    if others:
        what = "other wordings of these, for feedback and the wording effect"
        yield _row("read", "responses", what, others)
    yield _row("read", "ratings", "scores that raters gave these responses", len(ratings))
    yield _row("read", "raters", "named in the ratings", ratings["rater"].nunique())


def _unanswered(run: Run) -> Iterator[Row]:
    """Persons × items without a response: of all, and by group, as groups may leave out more or less."""
    persons, texts = read_persons(run), read_texts(run, primary=True)
    answered = texts.groupby("person").size().reindex(persons["person"]).fillna(0)
    items = len(run.bank.items)
    short = int((answered < items).sum())
    yield _row("missing", "persons", "with one item or more unanswered", short, len(persons), UNANSWERED)
    what = "person × item, not answered"
    whole = len(persons) * items
    yield _row("missing", "responses", what, whole - int(answered.sum()), whole, UNANSWERED)
    for attribute, group in run.study.groups.items():
        for level in (group.reference, group.focal):
            there = answered[(persons[attribute] == level).to_numpy()]
            whole = len(there) * items
            missing = whole - int(there.sum())
            yield ("missing", "responses", what, attribute, level, missing, whole, UNANSWERED)


def _unscored(run: Run, audit: Audit) -> Iterator[Row]:
    texts = read_texts(run, primary=True)
    train = int((texts["split"] == "train").sum())
    ratings = read_table(run.path("data", "ratings.parquet"))
    known = final_scores(ratings, run.study.data.operational or None)[["person", "item"]]
    scored = len(texts[texts["split"] == "train"].merge(known, on=["person", "item"]))
    why = "without an operational score there is nothing to learn"
    yield _row("left out", "responses", "train persons’, unscored", train - scored, train, why)
    kept = len(read_scores(run, "operational", "train"))
    why = "beyond [split] max_train_responses, drawn by hash"
    yield _row("left out", "responses", "train persons’, too many", scored - kept, train, why)
    total = int((texts["split"] == "audit").sum())
    used = len(audit.human)
    why = "without a criterion score there is nothing to compare with"
    yield _row("left out", "responses", "audit persons’, not judged", total - used, total, why)


def _training(run: Run) -> Iterator[Row]:
    cut, used = run.facts("sft")["truncated"], run.facts("sft")["responses"]
    why = "longer than [scorer] max_tokens; what was within was used"
    yield _row("left out", "responses", "cut in fine-tuning", cut, used, why)
    whole = int((read_texts(run, primary=True)["split"] == "feedback").sum())
    asked = score_feedback(run)[0]["response_id"].nunique() if has_rewards(run) else 0
    why = "no rater’s score feedback on them, or beyond [feedback] max_responses"
    what = "feedback persons’, without score feedback"
    yield _row("left out", "responses", what, whole - asked, whole, why)


def _groups(run: Run, audit: Audit) -> Iterator[Row]:
    """Audit persons that the DIF analyses of an attribute could not use."""
    total = total_score(audit.human)
    for attribute in run.study.groups:
        group = group_of(run, attribute, audit.persons)
        whole, neither = len(group), int(group.isna().sum())
        why = "in neither group; they count in what is reported on everyone"
        yield ("left out", "persons", "of DIF: group", attribute, "all", neither, whole, why)
        known = group.dropna()
        without = int(total.reindex(known.index).isna().sum())
        why = "too few scored items for a total to be matched on"
        yield ("left out", "persons", "of DIF: total", attribute, "all", without, whole, why)
        lost = round((1 - matching_strata(audit.human, known).share_used) * (len(known) - without))
        why = "no person of the other group has a total like theirs"
        yield ("left out", "persons", "of DIF: no match", attribute, "all", lost, whole, why)
