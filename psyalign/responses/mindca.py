"""Import of MIND-CA: children's answers to eleven mindreading items, scored twice.

Kovatchev, Smith, Lee, Grumley Traynor, Luque Aguilera and Devine (2020). "What is on your
mind?" Automated Scoring of Mindreading in Childhood and Early Adolescence. COLING 2020,
6217-6228. Data: https://github.com/venelink/mindreading-coling, CC BY 4.0.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from psyalign.foundation.files import write_json, write_text
from psyalign.foundation.hashing import hash_file
from psyalign.responses.checks import check_filled, check_identifiers
from psyalign.responses.sheet import Sheet, read_sheet

__all__ = ["CITATION", "ITEM_IDS", "import_mindca"]

CITATION = (
    "Kovatchev, V., Smith, P., Lee, M., Grumley Traynor, I., Luque Aguilera, I., & Devine, R. T. (2020). "
    '"What is on your mind?" Automated Scoring of Mindreading in Childhood and Early Adolescence. '
    "Proceedings of COLING 2020, 6217-6228."
)
SOURCE = "https://github.com/venelink/mindreading-coling (Data/raw and Data/relabel)"
LICENCE = "CC BY 4.0"

COLUMNS = ("child_id", "item", "answer", "score_original", "score_relabel", "age", "gender")
RATERS = {"score_original": "original", "score_relabel": "corrected"}
ITEM_IDS = {
    **{f"SFQuestion_{number}_Text": f"sf{number}" for number in range(1, 7)},
    **{
        f"SS_{name}_Text": f"ss-{name.lower()}"
        for name in ("Brian", "Burglar", "Peabody", "Prisoner", "Simon")
    },
}
GENDERS = {"0": "girl", "1": "boy"}
MISSING = "-99"
# The children were 7 to 14; 119 and 120 in the source are typing errors that nobody can mend.
AGES = range(5, 19)

RULES = {
    "blank_answers": "Rows with a blank answer are left out: a missing answer has no row.",
    "identical_rows": "Of rows that agree in child, item, answer and scores the first is kept.",
    "conflicting_rows": "Rows that agree in child and item but not in answer or scores are all left out.",
    "missing_scores": "A missing score (empty or -99) gives no rating; the answer is kept.",
    "missing_age": "Children whose age is missing (empty or -99) have an empty age.",
    "implausible_age": "Children whose age is below 5 or above 18 (such as 119, 120) have an empty age.",
    "conflicting_age": "Children with more than one age have an empty age.",
    "missing_gender": "Children whose gender is missing (empty or -99) have an empty gender.",
    "conflicting_gender": "Children with more than one gender have an empty gender.",
}


def import_mindca(csv: Path, out: Path) -> dict[str, object]:
    """Turn a local copy of the MIND-CA table into the tables of a study.

    Writes responses.csv, ratings.csv (raters "original", the first scoring, and "corrected",
    the later correction pass), persons.csv (age, gender "girl", "boy" or empty) and
    source.json into `out`; files of these names are replaced.

    Parameters
    ----------
    csv : Path
        Table with columns child_id, item, answer, score_original, score_relabel, age, gender.
    out : Path
        Folder; made if it does not exist.

    Returns
    -------
    dict
        "persons", "items", "responses", "missing_responses", "ratings", "changed_scores"
        (answers whose two scores differ), "quirks" (for each rule: the rule and the number of
        rows or children it met, 0 included) and "files" (paths written).

    Raises
    ------
    DataError
        The table lacks a column or holds an unknown item, score or gender.
    """
    sheet = read_sheet(csv, COLUMNS, verbatim="answer")
    check_filled(sheet, ("child_id", "item"))
    check_identifiers(sheet, ("child_id",))
    _check_codes(sheet)
    quirks: dict[str, int] = {}
    answers = _answers(sheet.table, quirks)
    ratings = _ratings(answers, quirks)
    persons = _persons(answers, quirks)
    responses = answers[["child_id", "item", "answer"]].rename(
        columns={"child_id": "person", "answer": "response"}
    )
    tables = {"responses.csv": responses, "ratings.csv": ratings, "persons.csv": persons}
    for name, table in tables.items():
        # not write_csv: an answer that starts with "-" must come back as it was
        write_text(out / name, table.to_csv(index=False, lineterminator="\n"))
    source = {"title": "MIND-CA", "citation": CITATION, "source": SOURCE, "licence": LICENCE}
    summary = {
        "persons": len(persons),
        "items": int(responses["item"].nunique()),
        "responses": len(responses),
        "missing_responses": len(persons) * int(responses["item"].nunique()) - len(responses),
        "ratings": len(ratings),
        "changed_scores": _changed(ratings),
        "quirks": {name: {"rule": rule, "count": quirks[name]} for name, rule in RULES.items()},
    }
    write_json(out / "source.json", {**source, "sha256": hash_file(csv), "file": csv.name, **summary})
    return {**summary, "files": [str(out / name) for name in (*tables, "source.json")]}


def _check_codes(sheet: Sheet) -> None:
    sheet.refuse(
        ~sheet.table["item"].isin(list(ITEM_IDS)),
        "Item '{value}' is not one of MIND-CA's eleven.",
        f"The items are: {', '.join(ITEM_IDS)}.",
        "item",
    )
    for column in RATERS:
        sheet.refuse(
            ~_code(sheet.table[column]).isin(["0", "1", "2", ""]),
            "The score '{value}' is none of 0, 1, 2.",
            "Take the table from its source again.",
            column,
        )
    sheet.refuse(
        ~_code(sheet.table["gender"]).isin([*GENDERS, ""]),
        "The gender '{value}' is none of 0 (girl), 1 (boy), -99 (missing).",
        "Take the table from its source again.",
        "gender",
    )


def _code(column: pd.Series) -> pd.Series:
    """Codes as text without a decimal part, "" where missing."""
    text = column.fillna("").str.replace(r"\.0+$", "", regex=True)
    return text.mask(text == MISSING, "").astype("str")


def _answers(table: pd.DataFrame, quirks: dict[str, int]) -> pd.DataFrame:
    """Rows that are kept, with the bank's item ids and cleaned codes."""
    table = table[list(COLUMNS)].copy()
    table["answer"] = table["answer"].fillna("")
    for column in ("score_original", "score_relabel", "age", "gender"):
        table[column] = _code(table[column])
    blank = table["answer"].str.strip() == ""
    quirks["blank_answers"] = int(blank.sum())
    table = table[~blank]
    identical = table.duplicated(["child_id", "item", "answer", *RATERS])
    quirks["identical_rows"] = int(identical.sum())
    table = table[~identical]
    conflicting = table.duplicated(["child_id", "item"], keep=False)
    quirks["conflicting_rows"] = int(conflicting.sum())
    table = table[~conflicting]
    return table.assign(item=table["item"].map(ITEM_IDS)).reset_index(drop=True)


def _ratings(answers: pd.DataFrame, quirks: dict[str, int]) -> pd.DataFrame:
    long = answers.melt(
        id_vars=["child_id", "item"], value_vars=list(RATERS), var_name="rater", value_name="score"
    )
    missing = long["score"] == ""
    quirks["missing_scores"] = int(missing.sum())
    long = long[~missing].rename(columns={"child_id": "person"})
    return long.assign(rater=long["rater"].map(RATERS), score=long["score"].astype("int64"))


def _persons(answers: pd.DataFrame, quirks: dict[str, int]) -> pd.DataFrame:
    ages = _one_value(answers, "age", quirks)
    number = pd.to_numeric(ages, errors="coerce")
    implausible = (ages != "") & ~number.isin(list(AGES))
    quirks["implausible_age"] = int(implausible.sum())
    genders = _one_value(answers, "gender", quirks)
    persons = pd.DataFrame({"age": ages.mask(implausible, ""), "gender": genders.replace(GENDERS)})
    return persons.rename_axis("person").reset_index()


def _one_value(answers: pd.DataFrame, column: str, quirks: dict[str, int]) -> pd.Series:
    """The value of each child, "" where there is none or more than one; counts both."""
    known = answers[answers[column] != ""]
    values = known.groupby("child_id", sort=False)[column].agg(["first", "nunique"])
    children = pd.Index(answers["child_id"].unique(), name="child_id")
    conflicting = values["nunique"] > 1
    quirks[f"conflicting_{column}"] = int(conflicting.sum())
    quirks[f"missing_{column}"] = len(children) - len(values)
    return values["first"].mask(conflicting, "").reindex(children).fillna("")


def _changed(ratings: pd.DataFrame) -> int:
    wide = ratings.pivot(index=["person", "item"], columns="rater", values="score").dropna()
    return int((wide["original"] != wide["corrected"]).sum()) if len(wide.columns) == len(RATERS) else 0
