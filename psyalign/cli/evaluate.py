"""`psyalign evaluate SCORES`: agreement, subgroup and DIF report for scores from any engine, no model."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from psyalign.foundation.errors import GateMissed, UsageError

if TYPE_CHECKING:
    from psyalign.report.evaluation import Measured

__all__ = ["evaluate"]


def evaluate(
    scores: Annotated[
        Path,
        typer.Argument(
            metavar="SCORES",
            help="CSV or Parquet, one row a response: a machine score, human scores, attributes of "
            "the person.",
        ),
    ],
    *,
    system: Annotated[str, typer.Option("--system", help="Column of the machine's scores.")] = "system",
    human: Annotated[str, typer.Option("--human", help="Column of the human scores.")] = "human",
    second_human: Annotated[
        list[str] | None,
        typer.Option(
            "--second-human",
            "--raters",
            show_default=False,
            help="Column of a second human's scores of the same responses, empty where there is "
            "none; several "
            "times, or with commas, for more.",
        ),
    ] = None,
    person: Annotated[
        str | None,
        typer.Option("--person", "--id", help="Column of persons. [default: person, else every row is one]"),
    ] = None,
    item: Annotated[
        str | None, typer.Option("--item", help="Column of items. [default: item, if there is one]")
    ] = None,
    groups: Annotated[
        str | None, typer.Option("--groups", help="Columns of attributes, comma-separated: gender,language.")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option("--reference", help="Reference groups: gender=boy,language=L1. [default: the largest]"),
    ] = None,
    missing: Annotated[
        str | None,
        typer.Option("--missing", help='Values of attributes that mean "not known": -99. Empty cells do.'),
    ] = None,
    low: Annotated[
        float | None, typer.Option("--min", help="Lowest score point. [default: of the human scores]")
    ] = None,
    high: Annotated[
        float | None, typer.Option("--max", help="Highest score point. [default: of the human scores]")
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option("--tolerance", min=0.0, help="Scores are trimmed this far beyond the score points."),
    ] = 0.4998,
    scale: Annotated[
        str,
        typer.Option(
            "--scale",
            help="raw; asis (on the human scale already); or a table of training scores (columns as here, or "
            "RSMTool's prediction and sc1) whose means and SDs scale the machine's.",
        ),
    ] = "raw",
    exclude_zeros: Annotated[
        bool, typer.Option("--exclude-zeros", help="Leave out human scores of 0, as RSMTool does.")
    ] = False,
    cut: Annotated[
        str | None, typer.Option("--cut", help="Cut scores, comma-separated: decisions and impact ratios.")
    ] = None,
    impact: Annotated[
        bool, typer.Option("--impact", help="Bias-audit table of New York City's Local Law 144.")
    ] = False,
    dif: Annotated[
        bool, typer.Option("--dif", help="DIF of the items by group, matched on the human total.")
    ] = False,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", help="Print these only, comma-separated: qwk,r,smd. [default: all]"),
    ] = None,
    suppress: Annotated[
        int, typer.Option("--suppress", min=1, help="Do not show groups of fewer persons; 1: show all.")
    ] = 10,
    bootstrap: Annotated[
        int, typer.Option("--bootstrap", min=0, help="Resamples of persons for intervals; 0: none.")
    ] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="Of the resamples.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for the report. [default: <name of SCORES>-evaluation]", show_default=False
        ),
    ] = None,
    title: Annotated[
        str | None, typer.Option("--title", help="Of the report. [default: names the file]")
    ] = None,
    formats: Annotated[
        str, typer.Option("--formats", help="Documents to write: html, json, docx (Word).")
    ] = "html,json",
    gate: Annotated[bool, typer.Option("--gate", help="Exit with 1 if a gate is missed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object with everything.")] = False,
) -> None:
    """Evaluate scores from any engine against human scores: agreement, true score, groups, impact, DIF.

    Writes report.html, report.json, tables/ and figures/, and prints the overall figures and the gates.
    """
    # read when pyarrow first takes memory: its own pool keeps some 10 MB more than these tables need
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from psyalign.cli.dif.options import names_of
    from psyalign.report.evaluation import Asked, Columns, ScoreRange, measure, read_given, write_evaluation

    attributes = names_of(groups)
    columns = Columns(
        system=system,
        humans=(human, *(name for part in second_human or () for name in names_of(part))),
        groups=attributes,
        person=person,
        item=item,
        reference=_references(reference, attributes),
        missing=names_of(missing),
    )
    bounds = ScoreRange(low, high, tolerance, scale, exclude_zeros)
    asked = Asked(bootstrap, seed, _cuts(cut), impact, dif, suppress, names_of(metrics))
    found = measure(read_given(scores, columns, bounds), asked)
    for note in found.given.notes:
        print(f"note: {note}", file=sys.stderr)
    folder = out or Path(f"{scores.stem}-evaluation")
    heading = title or f"Evaluation of {scores.stem}"
    path = write_evaluation(found, folder, source=scores, title=heading, formats=names_of(formats))
    _show(found, path, heading, as_json=as_json)
    missed = int((found.tables["gates"]["status"] == "missed").sum())
    if gate and missed:
        raise GateMissed(f"{missed} gates are missed.", where=str(path))


def _references(text: str | None, attributes: tuple[str, ...]) -> dict[str, str]:
    """gender=boy,language=L1 as a mapping; a bare value is that of the only attribute."""
    from psyalign.cli.dif.options import names_of

    out = {}
    for part in names_of(text):
        name, equals, value = part.partition("=")
        if not equals and len(attributes) != 1:
            raise UsageError(
                f"Whose reference group is '{part}'?", where="--reference", mend="Write attribute=group."
            )
        out[name.strip() if equals else attributes[0]] = value.strip() if equals else part
    return out


def _cuts(text: str | None) -> tuple[float, ...]:
    from psyalign.cli.dif.options import names_of

    try:
        cuts = tuple(float(part) for part in names_of(text))
    except ValueError:
        raise UsageError("A cut score is a number.", where=f"--cut {text}", mend="Write --cut 3,4.") from None
    return tuple(sorted(set(cuts)))


def _show(found: Measured, path: Path, title: str, *, as_json: bool) -> None:
    from psyalign.cli.output import paint, records_of, text_table

    if as_json:
        from psyalign.report.evaluation.machine_readable import evaluation_json

        print(json.dumps(evaluation_json(found, title), indent=1, ensure_ascii=False, allow_nan=False))
        return
    given = found.given
    origin = f" · {given.origin} data" if given.origin else ""
    head = f"{len(given.rows)} responses of {given.n_persons} persons{origin}"
    print(paint(head, "bold", sys.stdout))
    print(text_table(records_of(found.summary()), ("metric", "value", "low", "high")))
    gates = found.tables["gates"]
    print("\n" + paint("Gates", "bold", sys.stdout))
    columns = ("what", "scope", "value", "low", "high", "asked", "status", "reason")
    said = [name for name in columns if not gates[name].isna().all() and not gates[name].eq("").all()]
    print(text_table(records_of(gates), said))
    print(f"\n{path}")
