"""`psyalign feedback`: raters at a page, how far they are, and what they said as records."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from psyalign.cli.collections import asked_responses, collection_file
from psyalign.cli.feedback_import import FormatName, export_elsewhere, import_feedback_file, show_transfer
from psyalign.cli.feedback_judge import judge_feedback
from psyalign.cli.feedback_raters import rater_statistics
from psyalign.cli.feedback_worth import judgements_worth
from psyalign.cli.output import paint, show_table
from psyalign.cli.study import AsJson, StudyPath, study_file

if TYPE_CHECKING:
    from psyalign.study import Study

__all__ = ["app"]

app = typer.Typer(
    help="Collect feedback from raters on a local web page, and export it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)

RATER_COLUMNS = (
    *("rater", "judged", "of", "cannot", "undone", "comments", "seconds", "fast", "repeats", "consistent"),
    *("repeat_kappa", "anchors", "correct"),
)

Name = Annotated[
    str, typer.Option("--name", help="Name of the collection: a file under the study's collect/.")
]


@app.command()
def collect(
    study: StudyPath,
    raters: Annotated[
        str,
        typer.Option(
            "--raters",
            help="Names, with commas between them; each gets a link. A collection that is there may leave it "
            "out; naming others changes who has a part.",
        ),
    ] = "",
    kinds: Annotated[
        str | None,
        typer.Option(
            "--kinds",
            help="Questions, with commas: score_preference, response_preference, equivalence, rating. "
            "[default: score_preference,equivalence]",
            show_default=False,
        ),
    ] = None,
    max_responses: Annotated[
        int | None,
        typer.Option(
            "--max-responses",
            help="Most responses, or pairs of responses, of each kind. [default: max_responses of the "
            "study's feedback]",
            show_default=False,
        ),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(
            "--overlap",
            help="Responses or pairs of each kind that all raters judge. [default: 10]",
            show_default=False,
        ),
    ] = None,
    repeats: Annotated[
        float | None,
        typer.Option(
            "--repeats",
            help="Share of a rater's judgements that is asked again later. [default: 0.05]",
            show_default=False,
        ),
    ] = None,
    anchors: Annotated[
        int | None,
        typer.Option(
            "--anchors",
            help="Scored exemplars of each kind that are planted for all raters. [default: 5]",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            "--run", help="A run of the study: ask first where its baseline is unsure.", show_default=False
        ),
    ] = None,
    ask: Annotated[
        Path | None,
        typer.Option(
            "--ask",
            help="CSV file with a column response_id: ask about these responses alone, the first ones first; "
            "`psyalign feedback worth --out` writes one.",
            show_default=False,
        ),
    ] = None,
    name: Name = "main",
    host: Annotated[str, typer.Option("--host", help="Address to serve on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to serve on; 0: any free one.")] = 8765,
) -> None:
    """Serve the rating page and print a link for each rater; the same command goes on after a stop."""
    from psyalign.collect import LOOPBACK, Settings, begin, listen, serve
    from psyalign.pipeline.collection import feedback_material

    settings_file = _load(study)
    given: dict[str, Any] = {
        "kinds": None if kinds is None else tuple(part.strip() for part in kinds.split(",")),
        "max_responses": max_responses,
        "overlap": overlap,
        "repeats": repeats,
        "anchors": anchors,
        "run": run,
        "ask": None if ask is None else asked_responses(ask),
    }
    asked_for = {key: value for key, value in given.items() if value is not None}
    settings = Settings(**{"max_responses": settings_file.feedback.max_responses, **asked_for})
    path = collection_file(settings_file, name)
    material = feedback_material(settings_file, settings.run)
    names = raters.split(",") if raters else []
    collection = begin(path, material, settings, list(asked_for), names)
    with listen(host, port) as listening:
        _print_links(collection.paths(), host, listening)
        if host not in LOOPBACK:
            _warn_open()
        try:
            serve(collection, listening)
        except KeyboardInterrupt:
            print("Stopped. Every judgement is saved; the same command goes on.", file=sys.stderr)


@app.command()
def status(study: StudyPath, name: Name = "main", as_json: AsJson = False) -> None:
    """Show how far each rater is, how consistent, and how far raters agree."""
    from psyalign.collect import Store, overview

    found = overview(Store(collection_file(_load(study), name)))
    if as_json:
        rows = [{"table": "raters", **row} for row in found.raters]
        show_table([*rows, *({"table": "kinds", **row} for row in found.kinds)], as_json=True)
        return
    show_table(found.raters, title="Raters", columns=RATER_COLUMNS)
    print()
    show_table(found.kinds, title="Questions")


@app.command()
def export(
    study: StudyPath,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="File: JSON Lines (trl: or Parquet). For label-studio and argilla: a new folder.",
        ),
    ],
    name: Name = "main",
    form: FormatName = "psyalign",
    records: Annotated[
        Path | None,
        typer.Option("--records", help="Export these feedback records (JSON Lines), not a collection's."),
    ] = None,
    repeats: Annotated[
        bool,
        typer.Option("--repeats/--no-repeats", help="Keep second answers, with the source 'page, repeat'."),
    ] = True,
    incomplete: Annotated[
        bool,
        typer.Option(
            "--incomplete", help="Keep responses of which not all neighbouring scores are compared yet."
        ),
    ] = False,
    questions: Annotated[
        bool,
        typer.Option(
            "--questions",
            help="label-studio, argilla: the collection's questions without answers, to be asked there.",
        ),
    ] = False,
    conversational: Annotated[
        bool, typer.Option("--conversational", help="trl: lists of messages instead of strings.")
    ] = False,
    plain_ids: Annotated[
        bool,
        typer.Option(
            "--plain-ids",
            help="Name responses by their ids, which can tell person and wording, not by codes.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write judgements as feedback records, or in another tool's format, with the responses' texts."""
    from psyalign.collect import Export, Store, export_records, open_questions
    from psyalign.feedback import read_records, write_records
    from psyalign.foundation.errors import UsageError
    from psyalign.pipeline import load_study_bank

    settings = _load(study)
    points = {item.id: item.scores for item in load_study_bank(settings).items.values()}
    store = Store(collection_file(settings, name))
    if records is not None and questions:
        raise UsageError("Give either --records or --questions.", where="--questions")
    if records is not None or questions:
        found = Export([] if records is None else read_records(records), [])
    else:
        found = export_records(store, points, repeats=repeats, incomplete=incomplete)
    if form == "psyalign" and records is None and not questions:
        write_records(out, found.records)
        title = f"{len(found.records)} records in {out}; left out: cannot, anchors, unconnected"
        show_table(found.counts, as_json=as_json, title=title)
        return
    asked = open_questions(store) if questions else []
    done = export_elsewhere(
        settings,
        out,
        form,
        found.records,
        questions=asked,
        plain_ids=plain_ids,
        conversational=conversational,
    )
    title = f"{len(done.records) or len(asked)} {'questions' if questions else 'records'} in {out}"
    show_transfer(done, as_json=as_json, title=title, counts=found.counts)


app.command("import")(import_feedback_file)
app.command("judge")(judge_feedback)
app.command("raters")(rater_statistics)
app.command("worth")(judgements_worth)


def _load(path: Path) -> Study:
    from psyalign.study import load_study

    return load_study(study_file(path))


def _print_links(paths: dict[str, str], host: str, listening: socket.socket) -> None:
    shown = socket.gethostname() if host in ("0.0.0.0", "::") else host
    place = f"http://{f'[{shown}]' if ':' in shown else shown}:{listening.getsockname()[1]}"
    width = max(len(name) for name in [*paths, "overview"])
    for name, path in paths.items():
        label = f"{name or 'overview':<{width}}"
        print(f"{paint(label, 'bold', sys.stdout)}  {place}{path}")
    print("Ctrl-C stops the page; answers are saved as they come.", flush=True)


def _warn_open() -> None:
    said = (
        "Others on the network can reach this page. The links are its only lock, and without HTTPS in "
        "front of it answers travel in clear text."
    )
    print(f"{paint('warning', 'yellow', sys.stderr)}: {said}", file=sys.stderr)
