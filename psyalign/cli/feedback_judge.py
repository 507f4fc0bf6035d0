"""`psyalign feedback judge`: a language model in raters' place, its feedback kept apart from people's."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from psyalign.cli.failures import stop_on_sigterm
from psyalign.cli.output import records_of, show_table
from psyalign.cli.study import AsJson, StudyPath, study_file

if TYPE_CHECKING:
    import pandas as pd

    from psyalign.judge import Judge, JudgeSettings
    from psyalign.study import JudgeTable, Study

__all__ = ["judge_feedback"]

FIGURES = ("kind", "rater", "grouping", "level", "n", "agreement", "kappa", "qwk")


def judge_feedback(
    study: StudyPath,
    path: Annotated[
        str,
        typer.Option(
            "--path",
            help="How: rlaif, principles, equivalence, wordings, constitution, contrastive or elaborate.",
        ),
    ],
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge",
            help="A local causal LM, or the address of an OpenAI-compatible endpoint (http://…/v1). "
            "[default: the study's judge, else smollm2]",
            show_default=False,
        ),
    ] = None,
    principles: Annotated[
        Path | None,
        typer.Option(
            "--principles",
            help="TOML file of principles. [default: constitution of the study's judge, else psyalign's own]",
            show_default=False,
        ),
    ] = None,
    wordings: Annotated[
        Path | None,
        typer.Option(
            "--wordings",
            help="TOML file of wordings. [default: wordings of the study's judge, else psyalign's own]",
            show_default=False,
        ),
    ] = None,
    kinds: Annotated[
        str,
        typer.Option("--kinds", help="rlaif, principles: score_preference, response_preference, or both."),
    ] = "score_preference,response_preference",
    max_responses: Annotated[
        int | None,
        typer.Option(
            "--max-responses",
            min=1,
            help="Most responses to judge. [default: the study's judge, else 100]",
            show_default=False,
        ),
    ] = None,
    incomplete: Annotated[
        bool,
        typer.Option(
            "--incomplete", help="Keep responses of which not all neighbouring scores could be compared."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="JSON Lines file for the records; its tables lie beside it. "
            "[default: feedback/ai/<path>.jsonl in the study's folder]",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let a language model judge feedback persons' responses; the same command goes on after a stop."""
    from psyalign.judge import choose_subjects, judge_path, sidecar, write_judged
    from psyalign.pipeline.collection import feedback_material
    from psyalign.study import JudgeTable, load_study

    loaded = load_study(study_file(study))
    table = loaded.judge or JudgeTable()
    settings = _settings(loaded, table, path, principles, wordings, kinds)
    target = out or loaded.folder / "feedback" / "ai" / f"{path}.jsonl"
    material = feedback_material(loaded)  # of feedback persons: nobody else is judged
    most = max_responses or table.max_responses
    subjects = choose_subjects(material.items, material.texts, most, loaded.study.seed)
    with stop_on_sigterm():
        model = _judge(loaded, table, judge)
        found = judge_path(
            path, model, subjects, settings, sidecar(target, "answers.jsonl"), incomplete=incomplete
        )
    agreement = _agreement(loaded, found.records)
    paths = write_judged(found, target, agreement)
    if as_json:
        rows = [{"table": "judged", **row} for row in found.summary]
        show_table([*rows, *({"table": "agreement", **row} for row in records_of(agreement))], as_json=True)
        return
    again = f"; {found.remembered} answers were there before" if found.remembered else ""
    title = f"{len(found.records)} records in {target}, from {found.asked} answers of {model.name}{again}"
    show_table(found.summary, title=title)
    if len(agreement):
        print()
        show_table(records_of(agreement), title="Agreement with people", columns=FIGURES)
    _say_how_to_use(path, paths, loaded, kept=len(found.records))


def _settings(
    study: Study, table: JudgeTable, path: str, principles: Path | None, wordings: Path | None, kinds: str
) -> JudgeSettings:
    from psyalign.foundation.errors import UsageError
    from psyalign.foundation.toml import suggest
    from psyalign.judge import (
        CONSTITUTION,
        PAIR_KINDS,
        PATHS,
        WORDINGS,
        JudgeSettings,
        load_principles,
        load_wordings,
    )

    if path not in PATHS:
        raise UsageError(f"There is no path '{path}'.", where="--path", mend=suggest(path, PATHS))
    asked = tuple(kind.strip() for kind in kinds.split(","))
    for kind in asked:
        if kind not in PAIR_KINDS:
            raise UsageError(f"There is no kind '{kind}'.", where="--kinds", mend=suggest(kind, PAIR_KINDS))
    constitution = study.file(table.constitution) if table.constitution else CONSTITUTION
    rules = study.file(table.wordings) if table.wordings else WORDINGS
    return JudgeSettings(
        load_principles(principles or constitution),
        load_wordings(wordings or rules),
        asked,
        table.min_margin,
    )


def _judge(study: Study, table: JudgeTable, asked: str | None) -> Judge:
    """The judge that the command or the study names; the model of an endpoint is always the study's."""
    from psyalign.judge import EndpointJudge, LocalJudge

    named = asked or table.base_url or table.model
    if "://" not in named:
        return LocalJudge(named, study.folder)
    return EndpointJudge(
        named,
        table.model,
        api_key_env=table.api_key_env,
        allow_text_to_leave=table.allow_text_to_leave,
        timeout=table.timeout,
        retries=table.retries,
    )


def _agreement(study: Study, records: list[Any]) -> pd.DataFrame:
    """Agreement with the study's criterion scores, and with people's equivalences if the study has such."""
    from psyalign.feedback import Equivalence, is_ai, read_records
    from psyalign.judge import judge_agreement
    from psyalign.pipeline import load_study_data
    from psyalign.responses import final_scores, response_id

    _, dataset = load_study_data(study)
    scores = final_scores(dataset.ratings, study.data.criterion or None)
    scores = scores.assign(response_id=response_id(scores["person"], scores["item"]))
    named = study.feedback.records
    human = []
    if named is not None and study.file(named).is_file():
        listed = read_records(study.file(named))
        human = [record for record in listed if isinstance(record, Equivalence) and not is_ai(record)]
    persons = dataset.persons.set_index("person")
    groups = {
        name: dict(zip(scores["response_id"], scores["person"].map(persons[name]).astype("str"), strict=True))
        for name in study.groups
    }
    return judge_agreement([*records, *human], scores, groups)


def _say_how_to_use(path: str, paths: Mapping[str, Path], study: Study, *, kept: int) -> None:
    print(f"Every question, kept or dropped and why: {paths['trail']}", file=sys.stderr)
    if "texts" in paths:
        print(f"Texts, as sensitive as the responses: {paths['texts']}", file=sys.stderr)
    if not kept:
        print("No record was kept: there is nothing to align with.", file=sys.stderr)
        return
    name = paths["records"]
    shown = name.relative_to(study.folder) if name.is_relative_to(study.folder) else name
    text = f'To use the records alone: records = "{shown.as_posix()}" in [feedback]'
    if path == "wordings":
        near = paths["texts"]
        told = near.relative_to(study.folder) if near.is_relative_to(study.folder) else near
        text += f', equivalence = "records", and wordings = "{told.as_posix()}" in [data]'
    print(f"{text}. Look at the agreement with people first.", file=sys.stderr)
