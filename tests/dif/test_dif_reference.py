"""Values computed in R (../shared/reference/dif): see its README for the conventions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from psyalign.dif import analyse, cells, compare, mantel, ordinal, smd

CLASSES = {1: "AA", 2: "BB", 3: "CC"}


def _poly(reference, to_long, groups, block):
    """Long scores, group and strata of the polytomous data for one block of reference values."""
    table, values = reference("poly")
    items = values["items"]
    scores, group = to_long(table[items]), groups(table["group"])
    total = table[items].sum(axis=1)
    if block == "OBS_score":
        return scores, group, total, values
    if block == "OBS_deciles":
        breaks = values[block]["breaks"]
        bins = pd.cut(total, breaks, labels=False, include_lowest=True).astype(float)
        return scores, group, bins, values
    rest = scores.assign(stratum=scores["person"].map(total) - scores["score"])
    return scores, group, rest, values


@pytest.mark.parametrize("block", ["OBS_score", "OBS_restscore", "OBS_deciles"])
def test_mantel_and_smd(reference, to_long, groups, block):
    scores, group, stratum, values = _poly(reference, to_long, groups, block)
    expected = values[block]
    counts = cells(scores, group, stratum)
    m, s = mantel(counts).table, smd(counts).table
    multinomial = smd(counts, variance="multinomial").table
    for column, name in (
        (m["mantel_z"], "mantel_z"),
        (m["mantel_chi2"], "mantel_chi2"),
        (m["mantel_p"], "mantel_p"),
        (s["smd"], "smd"),
        (s["se"], "se_smd_hypergeom"),
        (multinomial["se"], "se_smd_multinom"),
        (s["sd"], "sd_item_total"),
        (s["es"], "es_smd_over_sd"),
        (s["n_strata"], "n_strata_used"),
        (s["n_reference"], "n_ref_used"),
        (s["n_focal"], "n_focal_used"),
    ):
        np.testing.assert_allclose(column, expected[name], rtol=1e-10, err_msg=name)
    assert s["es_class"].tolist() == [CLASSES[code] for code in expected["ets"]]


@pytest.mark.parametrize("block", ["OLR_clm", "OLR_clm_restscore"])
def test_ordinal(reference, to_long, groups, block):
    scores, group, stratum, values = _poly(
        reference, to_long, groups, "OBS_score" if block == "OLR_clm" else "OBS_restscore"
    )
    table = ordinal(cells(scores, group, stratum)).table
    for item in values["items"]:
        row, expected = table.loc[item], values[block][item]
        for ours, theirs, tolerance in (
            ("lr_total", "lr_total", 1e-6),
            ("lr_uniform", "lr_uniform", 1e-6),
            ("lr_nonuniform", "lr_nonuniform", 1e-6),
            ("lr_total_p", "p_total", 1e-6),
            ("lr_uniform_p", "p_uniform", 1e-6),
            ("lr_nonuniform_p", "p_nonuniform", 1e-6),
            ("nagelkerke_change", "nagelkerke_delta_total", 1e-8),
            ("group_effect", "beta_g_uniform", 1e-5),
        ):
            assert row[ours] == pytest.approx(expected[theirs], abs=tolerance), (item, ours)
        assert row["estimable"]
        assert row["reason"] == ""


def test_mantel_of_binary_items_is_mantel_haenszel(reference, to_long, groups):
    table, values = reference("dich")
    items = values["items"]
    counts = cells(to_long(table[items]), groups(table["group"]), table[items].sum(axis=1))
    expected = values["MH_correctFALSE_purifyFALSE"]
    found = mantel(counts).table
    np.testing.assert_allclose(found["mantel_chi2"], expected["chi2"], rtol=1e-9)
    np.testing.assert_allclose(found["mantel_p"], expected["p"], rtol=1e-9)
    # standardisation: R prints P-DIF as focal minus reference, weighted by the focal group
    np.testing.assert_allclose(smd(counts).table["smd"], values["STD_weight_focal"]["PDIF"], rtol=1e-9)


def test_ordinal_of_binary_items_is_logistic(reference, to_long, groups):
    table, values = reference("dich")
    items = values["items"]
    counts = cells(to_long(table[items]), groups(table["group"]), table[items].sum(axis=1))
    found = ordinal(counts).table
    both, uniform = values["LOGISTIC_both_LRT_purifyFALSE"], values["LOGISTIC_udif_LRT_purifyFALSE"]
    np.testing.assert_allclose(found["lr_total"], both["chi2"], atol=1e-6)
    np.testing.assert_allclose(found["lr_uniform"], uniform["chi2"], atol=1e-6)
    # difR computes exp(-deviance / 2), which is 0 from a deviance of 1,490: there its R^2 is
    # Cox and Snell's. Nagelkerke's differs by the largest value that that can have.
    share = table[items].mean()
    null = 1500 * (share * np.log(share) + (1 - share) * np.log(1 - share))
    largest = (-np.expm1(2 * null / 1500)).where(-2 * null > 1490, 1.0)
    theirs = found["nagelkerke_change"] * largest
    np.testing.assert_allclose(theirs[items], both["deltaR2_nagelkerke"], atol=1e-8)


def test_paired_change(reference, to_long, groups):
    table, values = reference("paired")
    group = groups(table["group"])
    human = table.filter(like="human")
    frames = {}
    for when in ("before", "after"):
        wide = table.filter(like=when)
        frames[when] = to_long(wide.set_axis([str(i + 1) for i in range(8)], axis=1))
    stratum = human.sum(axis=1)
    change = compare(frames["before"], frames["after"], group, stratum).set_index("item")
    for entry in values["items"]:
        row, expected = change.loc[str(entry["item"])], entry["paired_change"]
        assert row["change"] == pytest.approx(expected["smd"], rel=1e-10)
        assert row["se"] == pytest.approx(expected["se_hyper"], rel=1e-10)
        assert row["mantel_z"] == pytest.approx(expected["mantel_z"], rel=1e-10)
        for when, frame in frames.items():
            alone = analyse(frame, group, stratum, methods=["smd", "mantel"]).set_index("item")
            assert alone.loc[str(entry["item"]), "smd"] == pytest.approx(entry[when]["smd"], rel=1e-10)
            assert alone.loc[str(entry["item"]), "mantel_z"] == pytest.approx(
                entry[when]["mantel_z"], rel=1e-10
            )
