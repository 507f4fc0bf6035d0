"""Groups side by side: their figures, RSMTool's tests, bias without the raters' error; small groups "
"hidden."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from psyalign.agreement import dsm, fairness, human_consistency, pair_metrics, suppress_small
from psyalign.report.evaluation.given import Given

__all__ = ["Hidden", "grouped", "hidden_levels", "shown_only"]

KEYS = ("grouping", "level", "metric", "contrast", "score", "focal", "reference", "method")


@dataclass(frozen=True)
class Hidden:
    """Levels that are not shown, as (grouping, level), and the table of sizes that says why."""

    levels: frozenset[tuple[str, str]]
    sizes: pd.DataFrame
    minimum: int

    def shown(self, given: Given, grouping: str) -> tuple[str, ...]:
        """Levels of a grouping that are shown, the reference first if it is."""
        return tuple(level for level in given.levels[grouping] if (grouping, level) not in self.levels)


def hidden_levels(given: Given, minimum: int) -> Hidden:
    """Levels of fewer persons than `minimum`, and those that would give them away (`suppress_small`)."""
    rows = []
    for grouping, levels in given.levels.items():
        for level in levels:
            part = given.rows[given.rows[grouping] == level]
            rows.append((grouping, level, part["person"].nunique(), len(part)))
    sizes = pd.DataFrame(rows, columns=["grouping", "level", "n_persons", "n_responses"])
    sizes = (
        suppress_small(sizes, n="n_persons", minimum=minimum) if len(sizes) else sizes.assign(suppressed="")
    )
    out = sizes[sizes["suppressed"] != ""]
    sizes = pd.concat([sizes, _unknown(given)], ignore_index=True)
    return Hidden(frozenset(zip(out["grouping"], out["level"], strict=True)), sizes, minimum)


def _unknown(given: Given) -> pd.DataFrame:
    """Persons without a value, level "": they are no group, and are always shown."""
    rows = []
    for grouping in given.levels:
        part = given.rows[given.rows[grouping].isna()]
        if len(part):
            rows.append((grouping, "", part["person"].nunique(), len(part), ""))
    return pd.DataFrame(rows, columns=["grouping", "level", "n_persons", "n_responses", "suppressed"])


def shown_only(table: pd.DataFrame, hidden: Hidden) -> pd.DataFrame:
    """The table with the numbers of hidden levels blanked, and of differences from a hidden level."""
    if not hidden.levels or table.empty:
        return table
    keys = list(zip(table["grouping"], table["level"], strict=True))
    blank = pd.Series([key in hidden.levels for key in keys], index=table.index)
    if "contrast" in table:
        first = hidden.sizes.groupby("grouping")["level"].first()
        away = pd.Series(
            [(g, first.get(g, "")) in hidden.levels for g in table["grouping"]], index=table.index
        )
        blank |= away & (table["contrast"] == "difference")
    out = table.copy()
    for name in out.columns.difference(list(KEYS)):
        if pd.api.types.is_numeric_dtype(out[name]) or pd.api.types.is_bool_dtype(out[name]):
            out[name] = out[name].astype(float).mask(blank)
    if "reason" in out:
        out["reason"] = out["reason"].mask(blank, "too few persons to be shown")
    return out


def grouped(given: Given, hidden: Hidden) -> dict[str, pd.DataFrame]:
    """Tables by_group, fairness, fairness_estimates, and bias where there is a second human score."""
    by_group = [row for grouping in given.levels for row in _figures(given, grouping)]
    tests, estimates, bias = [], [], []
    for grouping, levels in given.levels.items():
        found = fairness(
            given.rows["human"], given.rows[given.forms[1]], given.rows[grouping], base=levels[0]
        )
        tests.append(found.table.assign(grouping=grouping))
        estimates.append(found.estimates.assign(grouping=grouping))
        shown = hidden.shown(given, grouping)
        if len(given.ratings) > 1 and len(shown) > 1:
            bias.append(_bias(given, grouping, shown))
    tables = {
        "by_group": shown_only(pd.DataFrame(by_group), hidden),
        "fairness": _first(pd.concat(tests, ignore_index=True)),
        "fairness_estimates": _first(shown_only(pd.concat(estimates, ignore_index=True), hidden)),
    }
    return tables | ({"bias": _first(pd.concat(bias, ignore_index=True))} if bias else {})


def _first(table: pd.DataFrame) -> pd.DataFrame:
    return table[["grouping", *(name for name in table.columns if name != "grouping")]]


def _figures(given: Given, grouping: str) -> list[dict[str, object]]:
    """Each level by form of the score, and the second human (score "human"), as RSMTool has them by group."""
    rows, out = given.rows, []
    second = given.ratings[1] if len(given.ratings) > 1 else None
    whole = {form: pair_metrics(rows["human"], rows[form]) for form in given.forms}
    for level in given.levels[grouping]:
        part = rows[rows[grouping] == level]
        name = {"grouping": grouping, "level": level, "n_persons": part["person"].nunique()}
        for form in given.forms:
            unit = {key: whole[form][key] for key in ("human_mean", "human_sd", "score_mean", "score_sd")}
            figures = pair_metrics(
                part["human"], part[form], human_sd=unit["human_sd"], score_sd=unit["score_sd"]
            )
            out.append({**name, "score": form, **figures, "dsm": dsm(part["human"], part[form], **unit)})
        if second is not None:
            twice = rows[rows[second].notna()]
            pair = pair_metrics(twice["human"], twice[second])
            unit = {key: pair[key] for key in ("human_mean", "human_sd", "score_mean", "score_sd")}
            moved = dsm(part["human"], part[second], **unit)
            out.append(
                {**name, "score": "human", **human_consistency(part["human"], part[second]), "dsm": moved}
            )
    return out


def _bias(given: Given, grouping: str, shown: tuple[str, ...]) -> pd.DataFrame:
    """Machine minus human by group, given the human *true* score, beside the naive figure."""
    from psyalign.dif.rater_bias import ALL_ITEMS, rater_error

    rows = given.rows
    frame = pd.DataFrame(
        {
            "person": rows["person"],
            "item": "item" if given.items < 2 else "item " + rows["item"].astype("str"),
            "group": rows[grouping].where(rows[grouping].isin(shown)),
            "machine": rows[given.forms[1]],
            "human": rows["human"],
            "human2": rows[given.ratings[1]],
        }
    )
    if given.items < 2 and frame.duplicated(["person", "item"]).any():
        frame["item"] = "item " + rows["item"].astype("str")
    table = rater_error(frame, groups=shown).table
    table = table[table["item"] == ALL_ITEMS].drop(columns="item")
    return table.assign(grouping=grouping, reference=shown[0])
