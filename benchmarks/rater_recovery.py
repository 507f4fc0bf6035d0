"""How often severe, careless and leaning raters are found, and how often nobody is taken for one.

Eight raters whose severities have SD .8 judge the same responses (abilities of SD 1.5; two items, five and
four score points): so many ratings each, and as many comparisons of two responses. All is simulated. "At
the page" a rater works through the rating page's forms over HTTP; elsewhere the same raters answer the
same questions without it, and for every seed at the page it is checked that both give the same records.

- Careless: with that probability an answer is a random button. Found: the report's rule, a
  discrimination whose 95% interval lies below 1, the raters' geometric mean.
- Leaning: so many logits harder on one variety. Found: p < .05 of `rater_groups`, of one rater alone
  or adjusted by Holm for the number of raters.

Intervals are 95%: binomial (Wilson) of shares, t over seeds of correlations. The eight raters of a seed
share responses and a mean; the seeds' shares of flags vary about as much as if they were independent.

    .venv/bin/python benchmarks/rater_recovery.py             # half an hour on one core
    .venv/bin/python benchmarks/rater_recovery.py --keep rows.csv [--seeds 100] [--page-seeds 10]

`--keep` holds a row for each rater; what it has is not simulated again, so the same command goes on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from psyalign.collect import export_records
from psyalign.feedback import Record
from psyalign.feedback.raters import fit_davidson, fit_raters, judgement_tables, rater_groups
from psyalign.feedback.raters.consistency import wilson

sys.path.append(str(Path(__file__).parents[1] / "tests" / "collect"))
import simulated_raters as panel_of

ASKED = ("rating", "response_preference")
REPEATS = 0.1
FIRST_CARELESS, LEANING = 2, "r05"
Z = 1.959964
LEVEL = 0.05
KNOWN, FITTED = ["rater", "truth", "random", "leans"], ["severity", "discrimination", "upper", "eta"]
FLAGS = ["p_pairs", "holm_pairs", "p_scores", "holm_scores"]
DEGREES, BIASES = (0.2, 0.4, 0.6, 0.8, 1.0), (0.25, 0.5, 1.0, 2.0)


class Condition(NamedTuple):
    """n: ratings, and comparisons, of each rater; gap: logits between the varieties' abilities.

    The first `many` of the raters from r02 on are careless with probability `careless`; r05 leans by
    `leaning` logits.
    """

    n: int
    gap: float = 0.0
    careless: float = 0.0
    many: int = 0
    leaning: float = 0.0
    page: bool = False


AT_PAGE_NULL = Condition(24, page=True)
AT_PAGE = [Condition(24, careless=degree, many=1, leaning=1.0, page=True) for degree in DEGREES]
NULL = [
    *(Condition(n) for n in (24, 48, 96)),
    *(Condition(48, 1.0, float(many > 0), many) for many in (0, 1)),
]
CARELESS = [Condition(n, careless=degree, many=1) for n in (24, 48, 96) for degree in DEGREES]
CROWD = [Condition(48, careless=0.8, many=many) for many in (2, 4)]
BIASED = [Condition(n, leaning=size) for n in (24, 48, 96) for size in BIASES]


def main() -> None:
    """Simulate what is missing, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=100, help="seeds a condition without the page")
    parser.add_argument("--page-seeds", type=int, default=10, help="of each degree of carelessness")
    parser.add_argument("--keep", type=Path, help="CSV file of what has been simulated")
    given = parser.parse_args()
    rows = _simulated(given.seeds, given.page_seeds, given.keep)
    print(f"Simulated; {given.seeds} seeds a condition, twice as many where nobody leans; 95% intervals.")
    for heading, part in (
        ("At the page", _at_page),
        ("Nobody leans: share flagged", _nobody),
        ("Power: the rater who leans is flagged", _power),
        ("Severity and carelessness", _careless),
    ):
        print(f"\n## {heading}\n")
        for line in part(rows):
            print(line)


def _simulated(seeds: int, page_seeds: int, keep: Path | None) -> pd.DataFrame:
    """One row a rater; seeds in the outer loop, so that an interrupted run is even."""
    wanted = {
        AT_PAGE_NULL: 2 * page_seeds,
        **dict.fromkeys(AT_PAGE, page_seeds),
        **dict.fromkeys(NULL, 2 * seeds),
        **dict.fromkeys([*CARELESS, *CROWD, *BIASED], seeds),
    }
    found = pd.read_csv(keep) if keep is not None and keep.is_file() else pd.DataFrame()
    names = [*Condition._fields, "seed"]
    done = {tuple(row) for row in found[names].itertuples(index=False)} if len(found) else set()
    parts = [found]
    for seed in range(max(wanted.values())):
        for condition, number in wanted.items():
            if seed >= number or (*condition, seed) in done:
                continue
            part = _one(condition, seed).assign(**condition._asdict(), seed=seed)
            parts.append(part)
            if keep is not None:
                part.to_csv(keep, mode="a", header=not keep.is_file(), index=False)
    rows = pd.concat([part for part in parts if len(part)], ignore_index=True)
    return rows[rows["seed"] < [wanted.get(Condition(*row), 0) for row in _conditions(rows)]]


def _conditions(rows: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    return rows[list(Condition._fields)].itertuples(index=False, name=None)


def _one(condition: Condition, seed: int) -> pd.DataFrame:
    names = [f"r{FIRST_CARELESS + at:02}" for at in range(condition.many)]
    careless = dict.fromkeys(names, condition.careless)
    leaning = {LEANING: condition.leaning} if condition.leaning else {}
    panel = panel_of.made_panel(
        seed, persons=max(30, condition.n // 2 + 2), gap=condition.gap, careless=careless, leaning=leaning
    )
    settings = panel_of.made_settings(ASKED, condition.n, REPEATS if condition.page else 0.0)
    if condition.page:
        records = _at_the_page(panel, settings)
    else:
        records = panel_of.answer_directly(panel, panel_of.asked_of_all(panel, settings))
    judgements, comparisons, _ = judgement_tables(records)
    table = pd.DataFrame({"truth": panel.severity}).assign(
        random=pd.Series(careless), leans=pd.Series(leaning, dtype=float)
    )
    table = table.fillna(0.0)
    if not (condition.leaning and not condition.page):
        fit = fit_raters(judgements, panel_of.POINTS, discrimination=True).raters.set_index("rater")
        table["severity"], table["discrimination"] = fit["severity"], fit["discrimination"]
        table["upper"] = fit["discrimination"] * np.exp(Z * fit["discrimination_se"])
        table["eta"] = fit_davidson(comparisons, discrimination=True).raters.set_index("rater")["eta"]
    if condition in NULL or condition.leaning or condition.page:
        groups = rater_groups(judgements, comparisons, panel_of.POINTS, {"variety": panel.sides})
        for kind, part in groups.groupby("judgements"):
            own = part.set_index("rater")
            table[f"p_{kind}"], table[f"holm_{kind}"] = own["p"], own["p_adjusted"]
    # all columns, whichever were computed: rows of all conditions go into one file
    return table.reset_index(names="rater").reindex(columns=[*KNOWN, *FITTED, *FLAGS])


def _at_the_page(panel: panel_of.Panel, settings: Any) -> list[Record]:
    with tempfile.TemporaryDirectory() as folder:
        made = panel_of.made_collection(Path(folder), panel, settings)
        given = panel_of.answer_at_page(made, panel)
        every = {name: range(points) for name, points in panel_of.POINTS.items()}
        records = export_records(made.store, every).records
        asked = list(panel_of.asked_at_page(made))
        made.store.close()
    assert given == len(records), "a judgement was lost at the page"
    assert records == panel_of.answer_directly(panel, asked), "page and table differ"
    return records


def _at_page(rows: pd.DataFrame) -> Iterator[str]:
    page = rows[rows["page"]]
    seeds = len(page[["careless", "seed"]].drop_duplicates())
    biased, null = page[page["leaning"] > 0], page[page["leaning"] == 0]
    panels = page["seed"].nunique()
    yield f"{seeds} collections of 8 raters, by {panels} panels of raters; {seeds} times the records"
    yield "were those that the same raters give without the page.\n"
    yield from _head("what", "found")
    yield _row("nobody careless or leaning: r of true and estimated severity", _r(null))
    yield _row("nobody careless or leaning: taken for careless", _share(null["upper"] < 1))
    for degree, part in biased[biased["random"] > 0].groupby("random"):
        yield _row(f"careless with probability {degree}: found", _share(part["upper"] < 1))
    careful = biased[biased["random"] == 0]
    yield _row("others in those collections: taken for careless", _share(careful["upper"] < 1))
    for kind in ("scores", "pairs"):
        yield _row(f"nobody leans, {kind}: p < .05", _share(null[f"p_{kind}"] < LEVEL))
        yield _row(
            f"nobody leans, {kind}: anybody flagged after Holm",
            _anybody(null[f"holm_{kind}"] < LEVEL, null["seed"]),
        )
        leans = biased[biased["leans"] > 0]
        yield _row(f"one logit harder on a variety, {kind}: p < .05", _share(leans[f"p_{kind}"] < LEVEL))
        others = biased[biased["leans"] == 0]
        yield _row(f"the others in those collections, {kind}: p < .05", _share(others[f"p_{kind}"] < LEVEL))


def _nobody(rows: pd.DataFrame) -> Iterator[str]:
    columns = [f"{kind}: {what}" for kind in ("scores", "pairs") for what in ("p < .05", "anybody, Holm")]
    yield from _head("judgements a rater", "gap (logits)", "raters", *columns)
    for condition in NULL:
        part = _of(rows, condition)
        whom = {"all careful": part}
        if condition.many:
            whom = {"7 careful": part[part["random"] == 0], "1 random": part[part["random"] > 0]}
        for name, own in whom.items():
            cells = []
            for kind in ("scores", "pairs"):
                flags = own[f"holm_{kind}"] < LEVEL
                cells += [_share(own[f"p_{kind}"] < LEVEL), _anybody(flags, own["seed"])]
            yield _row(condition.n, condition.gap, name, *cells)


def _power(rows: pd.DataFrame) -> Iterator[str]:
    whats = ("p < .05", "Holm", "others, p < .05")
    columns = [f"{kind}: {what}" for kind in ("scores", "pairs") for what in whats]
    yield from _head("judgements a rater", "leaning (logits)", *columns)
    for condition in BIASED:
        part = _of(rows, condition)
        leans, others = part[part["leans"] > 0], part[part["leans"] == 0]
        cells = []
        for kind in ("scores", "pairs"):
            cells += [_share(leans[f"{name}_{kind}"] < LEVEL) for name in ("p", "holm")]
            cells.append(_share(others[f"p_{kind}"] < LEVEL))
        yield _row(condition.n, condition.leaning, *cells)


def _careless(rows: pd.DataFrame) -> Iterator[str]:
    columns = [
        "found",
        "others taken for careless",
        "lowest discrimination",
        "mean η (true)",
        "r of severity",
    ]
    yield from _head("judgements a rater", "careless raters", "probability", *columns)
    for condition in [*NULL[:3], *CARELESS, *CROWD]:
        part = _of(rows, condition)
        random, others = part[part["random"] > 0], part[part["random"] == 0]
        lowest = part.loc[part.groupby("seed")["discrimination"].idxmin(), ["seed", "random"]]
        cells = ["–", _share(others["upper"] < 1), "–", "–"]
        if condition.many:
            cells[0] = _share(random["upper"] < 1)
            cells[2] = _share(lowest["random"] > 0)
            cells[3] = f"{_plain(random['eta'].mean())} ({_plain(1 - condition.careless / 2)})"
        yield _row(condition.n, condition.many, condition.careless, *cells, _r(part))


def _of(rows: pd.DataFrame, condition: Condition) -> pd.DataFrame:
    return rows[[Condition(*row) == condition for row in _conditions(rows)]]


def _r(rows: pd.DataFrame) -> str:
    """Mean over seeds, its t interval, and the share of seeds at .9 or above; careless raters left out."""
    careful = rows[rows["random"] == 0]
    found = np.array(
        [
            np.corrcoef(part["truth"], part["severity"])[0, 1]
            for _, part in careful.groupby([*Condition._fields, "seed"])
        ]
    )
    half = stats.t.ppf(0.975, len(found) - 1) * found.std(ddof=1) / np.sqrt(len(found))
    low, high = (_plain(found.mean() + sign * half, 3) for sign in (-1, 1))
    return f"{_plain(found.mean(), 3)} [{low}, {high}]; {np.mean(found >= 0.9):.0%} ≥ .9"


def _share(which: pd.Series) -> str:
    """A share with its binomial (Wilson) interval."""
    if not len(which):
        return "–"
    low, high = wilson(int(which.sum()), len(which))
    return f"{_plain(which.mean(), 3)} [{_plain(low, 3)}, {_plain(high, 3)}]"


def _anybody(which: pd.Series, seeds: pd.Series) -> str:
    return _share(which.groupby(seeds).any())


def _plain(value: float, digits: int = 2) -> str:
    """.05 rather than 0.05."""
    text = f"{value:.{digits}f}"
    return text[1:] if text.startswith("0.") else text


def _head(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield _row(*("---:" for _ in names))


def _row(*values: object) -> str:
    return "| " + " | ".join(str(value) for value in values) + " |"


if __name__ == "__main__":
    main()
