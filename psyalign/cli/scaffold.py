"""The files of a new study, filled in from the user's own tables as far as these tell."""

from __future__ import annotations

import json
import os
from importlib import resources
from pathlib import Path
from string import Template

from psyalign.cli.own_tables import OwnTables
from psyalign.foundation.errors import UsageError
from psyalign.foundation.files import write_text

__all__ = ["scaffold"]

EXAMPLE_ITEM = "missed-handover"
EXAMPLE_MAX_SCORE = 2
GITIGNORE = "# responses of persons\n/data/\n/runs/\n"

TEMPLATE_TABLES = {
    "responses": "person,item,response\n"
    "p001,missed-handover,Replace these two rows with your data.\n"
    "p002,missed-handover,One row per person and item.\n",
    "ratings": "person,item,rater,score\np001,missed-handover,rater1,0\np002,missed-handover,rater1,2\n",
}


def scaffold(folder: Path, name: str, tables: OwnTables) -> list[Path]:
    """Write a new study into `folder`: study.toml, items, tables, README.

    Parameters
    ----------
    folder : Path
        New or empty.
    name : str
        The study's name: small letters, digits and hyphens.
    tables : OwnTables
        Tables that exist already are named in study.toml, not copied. Their items become item files
        to fill in, and the values of the attribute become the groups.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    UsageError
        The folder is not empty.
    DataError
        A given table is missing, or lacks a column that it needs.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            "A study needs a new or empty folder.",
            where=str(folder),
            mend="Name another folder, or empty it.",
        )
    values = {"name": name, "title": name.replace("-", " ").capitalize(), "folder": folder.as_posix()}
    files = {
        "study.toml": _fill("study.toml", values | _study_values(folder, tables)),
        "README.md": _fill("README.md", values | _steps(tables)),
        ".gitignore": GITIGNORE,
        "items/bank.toml": _fill("bank.toml", values),
        **_items(tables),
        **_template_tables(tables),
    }
    for file, text in files.items():
        write_text(folder / file, text)
    (folder / "reports").mkdir(exist_ok=True)  # keeps the study's reports beside it
    return [folder / file for file in files]


def _fill(template: str, values: dict[str, str]) -> str:
    return Template(_template(template)).substitute(values)


def _template(name: str) -> str:
    return (resources.files("psyalign.cli") / "templates" / name).read_text(encoding="utf-8")


def _study_values(folder: Path, tables: OwnTables) -> dict[str, str]:
    group = tables.group()
    place = _location(folder, tables.persons, "persons")
    persons = f"persons = {place}      # columns person and one per attribute"
    if tables.responses is not None and tables.persons is None:
        persons = '# persons = "data/persons.csv"      # if the attributes stand in a table of their own'
    raters = tables.raters()
    return {
        "responses": _location(folder, tables.responses, "responses"),
        "ratings": _location(folder, tables.ratings, "ratings"),
        "persons_line": persons,
        "raters_comment": f"# Raters in your ratings: {', '.join(raters)}." if raters else "#",
        "group_key": _text(group.attribute),
        "group_text": _text(group.attribute),
        "group_comment": f"# {group.comment}",
        "reference": _text(group.reference),
        "focal": _text(group.focal),
    }


def _location(folder: Path, table: Path | None, kind: str) -> str:
    """The path of a table as study.toml writes it: relative to the study where that is possible."""
    if table is None:
        return _text(f"data/{kind}.csv")
    try:
        return _text(Path(os.path.relpath(table.resolve(), folder.resolve())).as_posix())
    except ValueError:  # another drive
        return _text(table.resolve().as_posix())


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # JSON's strings are TOML's basic strings


def _items(tables: OwnTables) -> dict[str, str]:
    """The example item; with own data also a file to fill in for each item, and the example set apart."""
    example = _template("item.toml")
    own = tables.items()
    if not own:
        return {f"items/{EXAMPLE_ITEM}.toml": example}
    stubs = {f"items/{item}.toml": _stub(item, own[item]) for item in own}
    return {**stubs, f"items/example/{EXAMPLE_ITEM}.toml": example}  # subfolders of a bank are not read


def _stub(item: str, max_score: int | None) -> str:
    scores = range((EXAMPLE_MAX_SCORE if max_score is None else max_score) + 1)
    lines = [
        f"# To fill in; example/{EXAMPLE_ITEM}.toml shows how.",
        f"id = {_text(item)}",
        'version = "0.1"',
        f"title = {_text(item)}",
        'construct = "to be filled in"',
        'scenario = "To be filled in."',
        'prompt = "To be filled in?"',
    ]
    for score in scores:
        lines += ["", "[[rubric]]", f"score = {score}", f'label = "score point {score}"']
        lines += [f'description = "To be filled in: what a response of score {score} shows."']
    lines += ["", "# [[exemplar]]", "# score = 0", '# response = ""', '# rationale = ""', ""]
    return "\n".join(lines)


def _template_tables(tables: OwnTables) -> dict[str, str]:
    if tables.responses is not None:
        missing = {"ratings": TEMPLATE_TABLES["ratings"]} if tables.ratings is None else {}
    else:
        group = tables.group()
        persons = f"person,{group.attribute}\np001,{group.reference}\np002,{group.focal}\n"
        missing = {**TEMPLATE_TABLES, "persons": persons}
    return {f"data/{kind}.csv": text for kind, text in missing.items()}


def _steps(tables: OwnTables) -> dict[str, str]:
    if tables.responses is None:
        return {
            "items_step": f"Copy `items/{EXAMPLE_ITEM}.toml` for each of your items; delete the example.",
            "data_step": "Replace the rows of the tables in `data/`, or let study.toml name your own files.",
        }
    ratings = "" if tables.ratings else " Replace the rows of `data/ratings.csv` with your scores."
    return {
        "items_step": "Fill in the item files in `items/` (one per item of your data); "
        f"`items/example/{EXAMPLE_ITEM}.toml` shows a complete one.",
        "data_step": f"study.toml names your tables where they are; they were not copied.{ratings}",
    }
