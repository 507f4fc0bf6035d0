"""Differential rater functioning: whether a rater is harder on one group's responses than others are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from psyalign.feedback.raters.davidson import fit_davidson
from psyalign.feedback.raters.severity import fit_raters

__all__ = ["rater_groups", "with_leanings"]

GROUP_COLUMNS = ("rater", "grouping", "judgements", "n", "effect", "se", "z", "careless", "p", "p_adjusted")
# Half as sharp as the typical rater; as if more than half of the comparisons were answered at random.
CARELESS_DISCRIMINATION, CARELESS_ETA = 0.5, 0.7


def rater_groups(
    judgements: pd.DataFrame,
    comparisons: pd.DataFrame,
    n_scores: Mapping[str, int],
    sides: Mapping[str, Mapping[str, float]],
) -> pd.DataFrame:
    """Differential rater functioning: each rater's leaning against the focal group, relative to the others.

    Discrimination is estimated with it. Where the groups differ in ability, a careless rater, who takes
    everybody for average, would otherwise seem to favour the group of lower ability. For a rater who answers
    mostly at random that does not suffice: pulled towards the others, discrimination leaves a part, and
    ties at random are not in η. Such a rater is not tested.

    Parameters
    ----------
    judgements, comparisons, n_scores
        See `rater_table`.
    sides : mapping of str to mapping of str to float
        Grouping → response id → 0.5 focal, −0.5 reference.

    Returns
    -------
    DataFrame
        Columns rater, grouping, judgements ("scores" or "pairs"), n, effect, se, z, careless, p, p_adjusted.
        The effect is in logits and positive where the rater is *harder* on the focal group than the other
        raters are. Careless is a discrimination below .5, or η below .7; there, p and p_adjusted are
        missing. p is two-sided, of one rater alone; p_adjusted is Holm's over the raters of one grouping
        and one kind of judgement who are tested, so that the chance to flag any of them wrongly is 5% at .05.
        A rater who leans moves all others a little the other way: the effects sum to 0.
        A grouping of which the responses show one side only has no row.

    References
    ----------
    Myford & Wolfe (2004), Journal of Applied Measurement 5, 189–227; Holm (1979), Scandinavian
    Journal of Statistics 6, 65–70.
    """
    parts = []
    for grouping, side in sides.items():
        if judgements["rater"].nunique() > 1 and _both(side, judgements["response_id"]):
            found = fit_raters(judgements, n_scores, discrimination=True, group=side).raters
            own = {"effect": found["group_effect"]}
            own["careless"] = found["discrimination"] < CARELESS_DISCRIMINATION
            parts.append(found.assign(grouping=grouping, judgements="scores", **own))
        responses = pd.concat([comparisons["response_a"], comparisons["response_b"]])
        if comparisons["rater"].nunique() > 1 and _both(side, responses):
            pairs = fit_davidson(comparisons, discrimination=True, group=side).raters
            # there, the effect is a liking
            own = {"effect": -pairs["group_effect"], "z": -pairs["z"]}
            own["careless"] = pairs["eta"] < CARELESS_ETA
            parts.append(pairs.assign(grouping=grouping, judgements="pairs", **own))
    if not parts:
        return pd.DataFrame({name: [] for name in GROUP_COLUMNS})
    each = [part.assign(p=pd.Series(2 * norm.sf(part["z"].abs())).mask(part["careless"])) for part in parts]
    adjusted = [part.assign(p_adjusted=_holm(part["p"].to_numpy(float))) for part in each]
    table = pd.concat(adjusted, ignore_index=True).rename(columns={"group_effect_se": "se"})
    return table[list(GROUP_COLUMNS)]


def with_leanings(table: pd.DataFrame, groups: pd.DataFrame, groupings: Sequence[str]) -> pd.DataFrame:
    """The rater table with each grouping's drf, drf_z and drf_p: from scores, or else from comparisons.

    Parameters
    ----------
    table : DataFrame
        See `rater_table`.
    groups : DataFrame
        See `rater_groups`.
    groupings : sequence of str

    Returns
    -------
    DataFrame
        With columns drf[g], drf_z[g] and drf_p[g] (Holm's) of each grouping g; missing for a careless rater.
    """
    columns = {}
    for grouping in groupings:
        # "scores" sorts after "pairs"
        own = groups[groups["grouping"] == grouping].sort_values("judgements")
        own = own.assign(**{name: own[name].mask(own["careless"].astype(bool)) for name in ("effect", "z")})
        own = own.drop_duplicates("rater", keep="last").set_index("rater")
        for name, column in (("drf", "effect"), ("drf_z", "z"), ("drf_p", "p_adjusted")):
            columns[f"{name}[{grouping}]"] = table["rater"].map(own[column]).astype(float)
    return table.assign(**columns)


def _both(side: Mapping[str, float], responses: pd.Series) -> bool:
    present = {side[name] for name in responses if name in side}
    return min(present, default=0.0) < 0 < max(present, default=0.0)


def _holm(p: np.ndarray) -> np.ndarray:
    """Over the raters who are tested; NaN stays NaN."""
    order = np.argsort(p, kind="stable")[: int(np.isfinite(p).sum())]  # NaN sorts last
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1))
    return np.asarray(np.minimum(adjusted, 1.0))
