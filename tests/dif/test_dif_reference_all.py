"""Every number that R computed (../shared/reference/dif), beside ours or beside the reason why there is none.

`OURS` names a function for each block of each file, which returns our number for each key of the block; what
it leaves out must be in `WITHOUT`. A key in neither fails. Docstrings name the conventions that differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from psyalign.dif import (
    Cells,
    MatchSpec,
    Purification,
    ScoreMatrix,
    adjacent,
    breslow_day,
    compare,
    compare_sets,
    crossing_polysib,
    generalised_mantel,
    gmh,
    liu_agresti,
    logistic,
    mantel,
    mantel_haenszel,
    ordinal,
    polysib,
    purify,
    smd,
    standardisation,
)
from psyalign.dif.methods.adjacent import fit_adjacent
from psyalign.dif.methods.nested import nested_fits

EXACT, ITERATED = 1e-8, 1e-6
THIN = MatchSpec(bins="thin")
LEVEL = 0.05

# Keys without a number of ours, and why.
WITHOUT = {
    r"poly/(dataset|items|group|focal|reference|matching|conventions)": "what the data are",
    r"poly/versions/.*": "what R was",
    r"poly/OBS_deciles/breaks": "our own deciles give the whole block; test_deciles compares them",
    r"poly/LA_boot_se_log_psi": "a bootstrap of few resamples, for orientation (its README)",
    r"poly/difORD_.*/ll_m[01]": "R returned nothing",
    r"dich/(dataset|items|group|focal|reference|source)": "what the data are",
    r"dich/.*_external_match/match": "what the match is",
    r"dich/SIBTEST_nudif/se": "difR has none",
    r"paired/(note|items/\d/(item|true_bias_(before|after)))": "what the data are",
}


class Ours(NamedTuple):
    """Our value; tolerance relative to R's, and absolute where R printed few digits or lost some."""

    value: Any
    rtol: float = EXACT
    atol: float = 0.0


Found = dict[str, Ours]


@dataclass(frozen=True)
class Data:
    """One reference data set."""

    table: pd.DataFrame
    values: Mapping[str, Any]

    @property
    def items(self) -> list[str]:
        return list(self.values["items"])

    @property
    def matrix(self) -> ScoreMatrix:
        group = self.table["group"].map({0: "reference", 1: "focal"})
        return ScoreMatrix.from_wide(self.table[self.items], group, external=self.table["external"])

    def numbers(self, flagged: pd.Series) -> list[int]:
        """Items as R counts them."""
        return [number for number, item in enumerate(self.items, 1) if flagged[item]]


@pytest.fixture
def data(reference):
    return lambda name: Data(*reference(name))


# Blocks of poly.json

OBSERVED = {
    "OBS_score": THIN,
    "OBS_restscore": MatchSpec("rest", bins="thin"),
    "OBS_deciles": MatchSpec(bins="equal", n_bins=10),
}
CLASSES = {"AA": 1, "BB": 2, "CC": 3}


def observed(data: Data, block: str) -> Found:
    counts = data.matrix.count(OBSERVED[block])
    m, s, la, g = (method(counts).table for method in (mantel, smd, liu_agresti, gmh))
    multinomial = smd(counts, variance="multinomial").table
    scores, group = data.table[data.items], data.table["group"]
    # our unit is the SD over both groups; any other is given
    within = np.sqrt(
        scores.groupby(group).var().mul(group.value_counts() - 1, axis=0).sum() / (len(group) - 2)
    )
    by_within = smd(counts, sd=within).table
    np.testing.assert_allclose(generalised_mantel(counts).table["gm_chi2"], m["mantel_chi2"], rtol=1e-12)
    return {
        "mantel_z": Ours(m["mantel_z"]),
        "mantel_chi2": Ours(m["mantel_chi2"]),
        "mantel_p": Ours(m["mantel_p"]),
        "smd": Ours(s["smd"]),
        "se_smd_hypergeom": Ours(s["se"]),
        "se_smd_multinom": Ours(multinomial["se"]),
        "sd_item_total": Ours(s["sd"]),
        "sd_item_within": Ours(by_within["sd"]),
        "es_smd_over_sd": Ours(s["es"]),
        "es_smd_over_sdw": Ours(by_within["es"]),
        "la_psi": Ours(la["la_or"]),
        "la_log_psi": Ours(la["la_log_or"]),
        "la_se_log_psi_Ustat": Ours(la["la_se"]),
        "la_z": Ours(la["la_z"]),
        "gmh_chi2": Ours(g["gmh_chi2"]),
        "gmh_df": Ours(g["gmh_df"]),
        "gmh_p": Ours(g["gmh_p"]),
        "n_strata_used": Ours(s["n_strata"], 0),
        "n_focal_used": Ours(s["n_focal"], 0),
        "n_ref_used": Ours(s["n_reference"], 0),
        "ets": Ours(s["es_class"].map(CLASSES), 0),
    }


CLM = {
    "lr_total": "lr_total",
    "lr_uniform": "lr_uniform",
    "lr_nonuniform": "lr_nonuniform",
    "p_total": "lr_total_p",
    "p_uniform": "lr_uniform_p",
    "p_nonuniform": "lr_nonuniform_p",
    "nagelkerke_delta_total": "nagelkerke_change",
    "nagelkerke_delta_uniform": "nagelkerke_uniform",
    "nagelkerke_delta_nonuniform": "nagelkerke_nonuniform",
    "mcfadden_delta_total": "mcfadden_change",
    "coxsnell_delta_total": "coxsnell_change",
    "beta_g_uniform": "group_effect",
    "se_g_uniform": "group_effect_se",
    "wald_total": "wald_total",
}


def clm(data: Data, block: str) -> Found:
    """Maximum likelihood by Newton on both sides: logliks of 1,800 are rounded at 1e-12."""
    counts = data.matrix.count(THIN if block == "OLR_clm" else MatchSpec("rest", bins="thin"))
    table = ordinal(counts).table
    found = {}
    for item in data.items:
        fits = nested_fits(counts.points(item))
        logliks = [float(model.loglik) for model in fits.models]
        null = logliks[0] / (1 - float(fits.r_squared["mcfadden"][0]))
        mine = {f"ll{number}": Ours(value, 1e-12) for number, value in enumerate([null, *logliks])}
        mine["polr_ll3"] = mine["ll3"]
        mine |= {theirs: Ours(table.loc[item, ours], EXACT, 1e-12) for theirs, ours in CLM.items()}
        full = fits.models[2]
        errors = np.sqrt(np.diagonal(full.covariance))
        names = data.values[block][item]["coef_full"]
        mine |= {f"coef_full/{name}": Ours(value) for name, value in zip(names, full.params, strict=True)}
        mine |= {f"se_full/{name}": Ours(value) for name, value in zip(names, errors, strict=True)}
        found |= {f"{item}/{name}": value for name, value in mine.items()}
    return found


class AnchorsOnly:
    """difNLR's matching: the total over the anchors alone, also for an item that is none of them.

    Ours adds the item itself, as difR does, so the purified values of difORD are no `purify(matrix)`.
    """

    def __init__(self, matrix: ScoreMatrix) -> None:
        self.matrix, self.items, self.groups = matrix, matrix.items, matrix.groups

    def count(self, spec: MatchSpec) -> Cells:
        inside = np.isin(self.items, spec.anchors or self.items)
        total = self.matrix.values[:, inside].sum(axis=1)
        return replace(self.matrix, external=total).count(MatchSpec("external", bins="thin"))


TESTS = {"both": ("total", 2), "udif": ("uniform", 1), "nudif": ("nonuniform", 1)}


def difnlr(data: Data, block: str) -> Found:
    """VGAM stops where the log-likelihood changes by 1e-7 of itself: R iterates, 1e-6."""
    _, model, kind, purified = block.split("_")
    test, df = TESTS[kind]
    method, column = (ordinal, f"lr_{test}") if model == "cumulative" else (adjacent, f"adjacent_lr_{test}")

    def flags(counts: Cells) -> pd.Series:
        return method(counts).table[f"{column}_p"] < LEVEL

    counts, times = data.matrix.count(THIN), {}
    if purified == "purifyTRUE":
        source = AnchorsOnly(data.matrix)
        found = purify(source, THIN, flags)
        counts, steps = found.cells, found.n_iterations
        if found.status == "cycle":
            # we stop at the first test that was there before; difNLR goes round until its cap of 30
            steps = 30
            out = at_the_cap(found, steps)
            left = tuple(item for item in source.items if item not in out)
            counts = source.count(MatchSpec(anchors=left))
        times = {"nrPur": Ours(steps, 0)}
    table = method(counts).table
    if block in PARAMETERS:
        times |= PARAMETERS[block](data, counts)
    return {
        "stat": Ours(table[column], ITERATED),
        "p": Ours(table[f"{column}_p"], ITERATED),
        "df": Ours(df, 0),
        "DIFitems": Ours(data.numbers(flags(counts)), 0),
        **times,
    }


def at_the_cap(found: Purification, cap: int) -> tuple[str, ...]:
    """Items left out in the test that the cap stops, if a circle is gone through again and again."""
    outs = list(found.removed[:-1])  # the last test is ours, of all that the circle flagged
    after = tuple(item for item in found.items if item in found.path[len(outs) - 1])
    first = outs.index(after)
    return outs[first + (cap - first) % (len(outs) - first)]


def cumulative_parameters(data: Data, counts: Cells) -> Found:
    """par_m1 is M3 of the flagged items and M1 of the others, of P(Y >= j): our thresholds change sign.

    VGAM stops early: its parameters are up to 4e-6 away from clm's, ours 1e-10 (`clm` above).
    """
    found = {}
    flagged = ordinal(counts).table["lr_total_p"] < LEVEL
    for item in data.items:
        fit = nested_fits(counts.points(item)).models[2 if flagged[item] else 0]
        values = np.concatenate([-fit.thresholds, fit.slopes])
        names = data.values["difORD_cumulative_both_purifyFALSE"]["par_m1"][item]
        for name, value in zip(names, values, strict=True):
            found[f"par_m1/{item}/{name}"] = Ours(value, 0, 1e-5)
    return found


def adjacent_parameters(data: Data, counts: Cells) -> Found:
    """As above; the intercepts are the steps' own, alpha their sums."""
    found = {}
    flagged = adjacent(counts).table["adjacent_lr_total_p"] < LEVEL
    for item in data.items:
        points = counts.points(item)
        n = points.n.sum(axis=(1, 2))
        centre = n @ points.stratum / n.sum()
        unit = np.sqrt(n @ (points.stratum - centre) ** 2 / (n.sum() - 1))
        x, focal = np.repeat((points.stratum - centre) / unit, 2), np.tile([0.0, 1.0], len(n))
        design = np.column_stack([x, focal, x * focal])[:, : 3 if flagged[item] else 1]
        fit = fit_adjacent(points.n.reshape(len(x), -1), design)
        values = np.concatenate([np.diff(fit.alpha, prepend=0.0), fit.beta])
        names = data.values["difORD_adjacent_both_purifyFALSE"]["par_m1"][item]
        for name, value in zip(names, values, strict=True):
            found[f"par_m1/{item}/{name}"] = Ours(value, ITERATED, ITERATED)
    return found


PARAMETERS: dict[str, Callable[[Data, Cells], Found]] = {
    "difORD_cumulative_both_purifyFALSE": cumulative_parameters,
    "difORD_adjacent_both_purifyFALSE": adjacent_parameters,
}


def mirt(data: Data, block: str) -> Found:
    """By `convention="mirt"`; R's 1 - pchisq has lost digits where p is small: 1e-15."""
    counts = data.matrix.count(MatchSpec("rest", bins="thin"))
    how = {"correction": block.endswith("TRUE"), "convention": "mirt"}
    one, cross = polysib(counts, **how).table, crossing_polysib(counts, **how).table
    return {
        "beta": Ours(one["polysib_beta"]),
        "se": Ours(one["polysib_se"]),
        "X2": Ours(one["polysib_chi2"]),
        "p": Ours(one["polysib_p"], EXACT, 1e-15),
        "cross_beta": Ours(cross["csib_beta"]),
        "cross_X2": Ours(cross["csib_chi2"]),
        "cross_df": Ours(cross["csib_df"], 0),
        "cross_p": Ours(cross["csib_p"], EXACT, 1e-15),
    }


def sizes(data: Data, block: str) -> Found:
    persons = data.matrix.group
    return {"": Ours({"n": len(persons), "n_focal": sum(persons == 1), "n_ref": sum(persons == 0)}[block], 0)}


def coin(data: Data, block: str) -> Found:
    return {"": Ours(mantel(data.matrix.count(THIN)).table["mantel_chi2"])}


# Blocks of dich.json


def purified_or_not(
    data: Data, block: str, flags: Callable[[Cells], pd.Series], spec: MatchSpec = THIN
) -> tuple[Cells, Found]:
    """Cells, and what R says about purification: its convention is ours."""
    if not block.endswith(("purifyTRUE", "_purify")):
        counts = data.matrix.count(spec)
        return counts, {"DIFitems": Ours(data.numbers(flags(counts)), 0)}
    found = purify(data.matrix, spec, flags)
    return found.cells, {
        "DIFitems": Ours(data.numbers(pd.Series(data.items, data.items).isin(found.flagged)), 0),
        "nrPur": Ours(found.n_iterations, 0),
        "converged": Ours(found.status == "converged", 0),
    }


def difr_mantel_haenszel(data: Data, block: str) -> Found:
    """varLambda is Phillips and Holland's, the same number as Robins, Breslow and Greenland's."""
    spec = {
        "MH_external_match": MatchSpec("external", bins="thin"),
        # R reports the items outside the anchors only, each matched on the anchors and itself
        "MH_anchor_1to6": MatchSpec(anchors=tuple(data.items[:6]), bins="thin"),
    }.get(block, THIN)
    how = {"continuity": "correctTRUE" in block}
    counts, found = purified_or_not(
        data, block, lambda counts: mantel_haenszel(counts, **how).table["mh_p"] < LEVEL, spec
    )
    table = mantel_haenszel(counts, **how).table
    return found | {
        "chi2": Ours(table["mh_chi2"]),
        "p": Ours(table["mh_p"]),
        "alphaMH": Ours(table["mh_alpha"]),
        "varLambda": Ours(table["mh_se"] ** 2),
        "se_log_alpha": Ours(table["mh_delta_se"] / 2.35),
        "deltaMH": Ours(table["mh_delta"]),
    }


def difr_log_odds(data: Data, block: str) -> Found:
    """difR's test of the log odds ratio: ours is Liu and Agresti's with two score points."""
    table = liu_agresti(data.matrix.count(THIN)).table
    other = mantel_haenszel(data.matrix.count(THIN)).table
    np.testing.assert_allclose(other["mh_log_or"] / other["mh_se"], table["la_z"], rtol=1e-12)
    flagged = data.numbers(table["la_p"] < LEVEL)
    return {"z": Ours(table["la_z"]), "p": Ours(table["la_p"]), "DIFitems": Ours(flagged, 0)}


def difr_standardisation(data: Data, block: str) -> Found:
    weights = block.rpartition("_")[2] if "weight" in block else "focal"

    def flags(counts: Cells) -> pd.Series:
        return standardisation(counts, weights=weights).table["std_class"] == "C"  # beyond .10

    counts, found = purified_or_not(data, block, flags)
    found["DIFitems_thr0.10"] = found["DIFitems"]
    return found | {"PDIF": Ours(standardisation(counts, weights=weights).table["std_p_dif"])}


def difr_logistic(data: Data, block: str) -> Found:
    """Three conventions of R and difR.

    The R^2 that difR calls Nagelkerke's is Cox and Snell's where exp(-deviance / 2) underflows.
    glm's covariance is one step older than its coefficients: standard errors and Wald's
    chi-square differ by up to 3e-4 of themselves, a p by more (test_dif_logistic.py shows that
    nothing else differs). And glm's deviance has converged to 1e-8: coefficients to 1e-6.
    """
    _, kind, statistic, _ = block.split("_")
    test, df = TESTS[kind]
    column = f"logistic_{'lr' if statistic == 'LRT' else 'wald'}_{test}"

    def flags(counts: Cells) -> pd.Series:
        return logistic(counts).table[f"{column}_p"] < LEVEL

    counts, found = purified_or_not(data, block, flags)
    table = logistic(counts).table
    near = (EXACT, 1e-11) if statistic == "LRT" else (3e-4, 0.0)
    names = [f"logistic_{name}" for name in ("intercept", "match", "group", "group_by_match")]
    if kind == "udif":
        names = [f"logistic_uniform_{name}" for name in ("intercept", "match", "group")]
    full = [
        np.pad(table[[name + end for name in names]], ((0, 0), (0, 4 - len(names)))) for end in ("", "_se")
    ]
    return found | {
        "chi2": Ours(table[column], *near),
        "df": Ours(df, 0),
        "p": Ours(table[f"{column}_p"], EXACT if statistic == "LRT" else 5e-3),
        "deltaR2_nagelkerke": Ours(difr_r_squared(data, table, test), EXACT, 1e-13),
        "par_full": Ours(full[0], ITERATED, 1e-9),
        "se_full": Ours(full[1], 3e-4),
    }


def difr_r_squared(data: Data, table: pd.DataFrame, test: str) -> pd.Series:
    share = data.table[data.items].mean()
    deviance = -2 * len(data.table) * (share * np.log(share) + (1 - share) * np.log1p(-share))
    return table[f"logistic_nagelkerke_{test}"].where(deviance < 1490, table[f"logistic_coxsnell_{test}"])


def difr_logistic_external(data: Data, block: str) -> Found:
    table = logistic(data.matrix.count(MatchSpec("external", bins="thin"))).table
    return {"chi2": Ours(table["logistic_lr_total"]), "deltaR2": Ours(difr_r_squared(data, table, "total"))}


def difr_breslow_day(data: Data, block: str) -> Found:
    """Without Tarone's correction; difR prints four decimals."""
    table = breslow_day(data.matrix.count(THIN), tarone=False).table
    name = "bd" if block.endswith("BD") else "bd_trend"
    return {
        "stat": Ours(table[f"{name}_chi2"], 0, 5.1e-5),
        "p": Ours(table[f"{name}_p"], 0, 5.1e-5),
        "df": Ours(table["bd_df"] if name == "bd" else [1] * len(table), 0),
        "DIFitems": Ours(data.numbers(table[f"{name}_p"] < LEVEL), 0),
    }


def difr_sibtest(data: Data, block: str) -> Found:
    """By `convention="mirt"`; |beta| where the groups cross; 1 - pchisq loses digits."""
    counts = data.matrix.count(MatchSpec("rest", bins="thin"))
    if block.endswith("_udif"):
        table, name = polysib(counts, convention="mirt").table, "polysib"
        df = [1] * len(table)
    else:
        table, name = crossing_polysib(counts, convention="mirt").table, "csib"
        df = table["csib_df"]
    found = {
        "beta": Ours(table[f"{name}_beta"]),
        "X2": Ours(table[f"{name}_chi2"]),
        "df": Ours(df, 0),
        "p": Ours(table[f"{name}_p"], EXACT, 1e-15),
        "DIFitems": Ours(data.numbers(table[f"{name}_p"] < LEVEL), 0),
    }
    return found | ({"se": Ours(table["polysib_se"])} if name == "polysib" else {})


# Blocks of paired.json


def paired(data: Data, block: str) -> Found:
    """Matched on the human total; boot_se_change has R's resamples, ours others: 15%."""
    table = data.table
    group = table["group"].map({0: "reference", 1: "focal"})
    total = table.filter(like="human").sum(axis=1)
    long = {}
    for name in ("before", "after"):
        wide = table.filter(like=name).set_axis([str(number) for number in range(8)], axis=1)
        long[name] = (
            wide.rename_axis("person").reset_index().melt("person", var_name="item", value_name="score")
        )
    found: Found = {}
    alone = {}
    for name, scores in long.items():
        counts = ScoreMatrix.from_long(scores, group, external=total).count(
            MatchSpec("external", bins="thin")
        )
        alone[name] = smd(counts).table
        found |= by_item(name, alone[name], smd(counts, variance="multinomial").table, mantel(counts).table)
    both = long["before"].merge(long["after"], on=["person", "item"])
    gap = both.assign(score=both["score_y"] - both["score_x"])
    counts = ScoreMatrix.from_long(gap, group, external=total).count(MatchSpec("external", bins="thin"))
    change = compare(long["before"], long["after"], group, total).set_index("item")
    renamed = change.rename(columns={"change": "smd"})
    found |= by_item("paired_change", renamed, smd(counts, variance="multinomial").table, change)
    apart = np.hypot(alone["before"]["se"], alone["after"]["se"])
    naive = (alone["after"]["smd"] - alone["before"]["smd"]) / apart
    asked = {"human": None, "matching": total, "spec": MatchSpec("external", bins="thin")}
    resampled = compare_sets(long, group, statistics=("smd",), replicates=400, seed=1, **asked).changes
    error = resampled[resampled["test"] == "bootstrap"].set_index("item")["se"]
    for place, item in enumerate(naive.index):
        found[f"{place}/naive_independent_z"] = Ours(naive[item])
        found[f"{place}/boot_se_change"] = Ours(error[item], 0.15)
    return found


def by_item(name: str, one: pd.DataFrame, multinomial: pd.DataFrame, test: pd.DataFrame) -> Found:
    columns = {
        "smd": one["smd"],
        "se_hyper": one["se"],
        "se_multinom": multinomial["se"],
        "mantel_z": test["mantel_z"],
    }
    return {
        f"{place}/{name}/{key}": Ours(value)
        for key, column in columns.items()
        for place, value in enumerate(column)
    }


# Pattern of the block -> our numbers in it.
OURS: dict[str, Callable[[Data, str], Found]] = {
    r"poly/OBS_.*": observed,
    r"poly/OLR_clm.*": clm,
    r"poly/difORD_.*": difnlr,
    r"poly/mirt_SIBTEST_.*": mirt,
    r"poly/CHECK_coin_lbl_test_chi2": coin,
    r"(poly|dich)/(n|n_focal|n_ref)": sizes,
    r"dich/MH_(correct|anchor|external).*": difr_mantel_haenszel,
    r"dich/MH_logOR": difr_log_odds,
    r"dich/STD_.*": difr_standardisation,
    r"dich/LOGISTIC_.*": difr_logistic,
    r"dich/logistic_external_match": difr_logistic_external,
    r"dich/BreslowDay_.*": difr_breslow_day,
    r"dich/SIBTEST_.*": difr_sibtest,
    r"paired/items": paired,
}
FILES = ("poly", "dich", "paired")


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Keys and values; a list of numbers is one value."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from leaves(part, f"{path}/{key}")
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        for place, part in enumerate(value):
            yield from leaves(part, f"{path}/{place}")
    else:
        yield path, value


def blocks(values: Mapping[str, Any], name: str) -> Iterator[tuple[str, Callable[[Data, str], Found]]]:
    for block in values:
        makers = [maker for pattern, maker in OURS.items() if re.fullmatch(pattern, f"{name}/{block}")]
        assert len(makers) < 2, block
        if makers:
            yield block, makers[0]


def compared(data: Data, name: str) -> Iterator[tuple[str, Ours, Any]]:
    """Key, our number, R's; only keys that R has."""
    theirs = dict(leaves(data.values, name))
    for block, maker in blocks(data.values, name):
        for key, ours in maker(data, block).items():
            path = f"{name}/{block}/{key}" if key else f"{name}/{block}"
            if path in theirs:
                yield path, ours, theirs[path]


def difference(ours: Ours, theirs: Any) -> str:
    """What is wrong, in words; "" if they agree. R's null: it reports nothing for that item."""
    mine = np.asarray(ours.value, dtype=float)
    right = np.asarray(np.atleast_1d(theirs) if mine.ndim else theirs, dtype=float)
    if mine.shape != right.shape:
        return f"{mine} is not {right}"
    known = ~np.isnan(right)
    if np.isnan(mine[known]).any():
        return f"{mine} has no number"
    wrong = np.abs(mine - right)[known] > ours.rtol * np.abs(right[known]) + ours.atol
    return f"{mine} is not {right}" if wrong.any() else ""


@pytest.mark.parametrize("name", FILES)
def test_every_value(data, name):
    found = {path: difference(ours, theirs) for path, ours, theirs in compared(data(name), name)}
    assert len(found) > 50
    assert not {path: problem for path, problem in found.items() if problem}


def test_every_key_has_a_number_or_a_reason(data):
    have, every = set(), set()
    for name in FILES:
        loaded = data(name)
        have |= {path for path, _, _ in compared(loaded, name)}
        every |= {path for path, _ in leaves(loaded.values, name)}
    for path in sorted(every):
        excused = any(re.fullmatch(pattern, path) for pattern in WITHOUT)
        assert (path in have) != excused, path
    for pattern in (*WITHOUT, *OURS):
        assert any(re.fullmatch(rf"{pattern}(/.*)?", path) for path in every), pattern


def test_deciles(data):
    loaded = data("poly")
    total = loaded.table[loaded.items].sum(axis=1)
    breaks = loaded.values["OBS_deciles"]["breaks"]
    theirs = pd.cut(total, breaks, labels=False, include_lowest=True)
    ours = loaded.matrix.strata(OBSERVED["OBS_deciles"])
    pairs = pd.DataFrame({"theirs": theirs, "ours": ours}).drop_duplicates()
    assert len(pairs) == len(breaks) - 1 == pairs["ours"].nunique()
