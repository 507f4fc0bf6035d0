"""Every figure of an evaluation, as tables: agreement, true scores, groups, decisions, DIF, gates."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd

from psyalign.agreement import (
    METRICS,
    confusion_table,
    degradation,
    disattenuated_r,
    distribution_table,
    evaluation_intervals,
    human_consistency,
    pair_metrics,
    true_score,
    why_undefined,
)
from psyalign.foundation.errors import UsageError
from psyalign.foundation.toml import suggest
from psyalign.report.evaluation.decided import decided
from psyalign.report.evaluation.gated import gated
from psyalign.report.evaluation.given import Given
from psyalign.report.evaluation.grouped import grouped, hidden_levels, shown_only
from psyalign.report.evaluation.items import item_dif

__all__ = ["ARM", "Asked", "Measured", "measure"]

ARM = "system"
OF_RATERS = ("human_r", "human_qwk", "human_kappa", "human_exact", "human_adjacent", "human_smd")
LOST = ("degradation_r", "degradation_qwk", "degradation_exact", "degradation_adjacent", "degradation_smd")
TRUE = ("r_disattenuated", "reliability", "rmse_true", "prmse")


@dataclass(frozen=True)
class Asked:
    """What an evaluation is to compute.

    Attributes
    ----------
    bootstrap : int
        Resamples of persons for intervals; 0: none.
    seed : int
        Of the resamples.
    cuts : tuple of float
        Cut scores: decisions and impact ratios.
    impact : bool
        The bias-audit table of New York City's Local Law 144 (scoring rates).
    dif : bool
        DIF of the items, matched on the human total.
    minimum : int
        Groups of fewer persons are not shown; 1 shows all.
    metrics : tuple of str
        Of `METRICS`, human_…, degradation_… and the true-score figures: those with intervals that are
        printed; empty: all.
    """

    bootstrap: int = 1000
    seed: int = 0
    cuts: tuple[float, ...] = ()
    impact: bool = False
    dif: bool = False
    minimum: int = 10
    metrics: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = (*METRICS, *OF_RATERS, *LOST, *TRUE)
        for name in self.metrics:
            if name not in known:
                raise UsageError(
                    f"There is no metric '{name}'.", where="--metrics", mend=suggest(name, known)
                )
        if self.bootstrap < 0:
            raise UsageError("A number of resamples is 0 or above.", where="--bootstrap")
        if self.minimum < 1:
            raise UsageError("The smallest group that is shown has at least 1 person.", where="--suppress")


@dataclass(frozen=True)
class Measured:
    """An evaluation: what was given, what was asked, and the tables by name (files of the report)."""

    given: Given
    asked: Asked
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    def summary(self) -> pd.DataFrame:
        """Overall figures with intervals: metric, value, low, high, reason."""
        table = self.tables["intervals"]
        whole = table[(table["grouping"] == "all") & (table["contrast"] == "") & (table["metric"] != "n")]
        shown = self.asked.metrics
        if shown:
            whole = whole[whole["metric"].isin(shown)]
        return whole[["metric", "value", "low", "high", "reason"]].reset_index(drop=True)


def measure(given: Given, asked: Asked) -> Measured:
    """Compute an evaluation.

    Parameters
    ----------
    given : Given
    asked : Asked

    Returns
    -------
    Measured
        Tables: excluded, groups, accuracy (a row a form of the score: `pair_metrics`), undefined,
        intervals (of the trimmed score, QWK, kappa and shares of the rounded one: `METRICS`),
        distribution, confusion, gates; with further human scores consistency, degradation and true_score;
        with groups by_group, fairness, fairness_estimates and bias; with cuts decisions and impact; audit;
        dif. Numbers of groups with fewer persons than `asked.minimum` are missing.

    Raises
    ------
    UsageError
        DIF without groups or items; impact without groups.
    """
    rows, forms = given.rows, given.forms
    human = rows["human"].to_numpy()
    hidden = hidden_levels(given, asked.minimum)
    tables = {"excluded": given.excluded, "groups": hidden.sizes}
    # first, while little is loaded: the draws need the memory, and give it back
    tables["intervals"] = shown_only(_intervals(given, asked), hidden)
    accuracy = {form: pair_metrics(human, rows[form]) for form in forms}
    tables["accuracy"] = pd.DataFrame([{"score": form, **found} for form, found in accuracy.items()])
    tables["undefined"] = _undefined(accuracy)
    tables["distribution"] = distribution_table(human, rows[forms[2]])
    tables["confusion"] = _long(confusion_table(human, rows[forms[2]]))
    if len(given.ratings) > 1:
        tables |= _of_raters(given)
    if given.levels:
        tables |= grouped(given, hidden)
    tables |= decided(given, hidden, asked.cuts, impact=asked.impact)
    if asked.dif:
        tables["dif"] = item_dif(given, hidden)
    tables["gates"] = gated(given, tables)
    return Measured(given, asked, tables)


def _intervals(given: Given, asked: Asked) -> pd.DataFrame:
    _, trimmed, rounded = given.forms
    frame = given.rows.rename(columns={rounded: "modal", trimmed: "expected"})
    ratings = given.ratings if len(given.ratings) > 1 else ()
    found = evaluation_intervals(
        {ARM: frame},
        given.levels,
        ratings=ratings,
        replicates=max(asked.bootstrap, 1),
        seed=asked.seed,
        baseline=ARM,
    )
    table = found.table.drop(columns="arm")
    if not asked.bootstrap:  # the figures are the sample's; one draw gives no interval
        table[["low", "high", "se", "p"]] = np.nan
        table["n_failed"] = 0
    return table


def _undefined(accuracy: dict[str, dict[str, float]]) -> pd.DataFrame:
    found = [
        (form, metric, reason)
        for form, figures in accuracy.items()
        for metric, reason in why_undefined(figures).items()
    ]
    return pd.DataFrame(found, columns=["score", "metric", "reason"])


def _long(counts: pd.DataFrame) -> pd.DataFrame:
    points = [(int(h), int(m)) for h in counts.index for m in counts.columns]
    return pd.DataFrame(points, columns=["human", "machine"]).assign(n=counts.to_numpy().ravel())


def _of_raters(given: Given) -> dict[str, pd.DataFrame]:
    """Human against human, what the machine loses beside it, and figures against the true score."""
    rows = given.rows
    human, others = rows["human"].to_numpy(), given.ratings[1:]
    pairs = [
        {"first": given.names["human"], "second": given.names[name], **human_consistency(human, rows[name])}
        for name in others
    ]
    lost, true = [], []
    second = rows[others[0]].to_numpy()
    r_humans = pairs[0]["r"]
    ratings = rows[list(given.ratings)].to_numpy(dtype=float)
    for form in given.forms:
        machine = rows[form].to_numpy()
        r = pair_metrics(human, machine)["r"]
        corrected = float(disattenuated_r(r, r_humans))  # type: ignore[arg-type]
        lost.append({"score": form, **degradation(human, machine, second), "r_disattenuated": corrected})
        true.append({"score": form, **asdict(true_score(ratings, machine))})
    return {
        "consistency": pd.DataFrame(pairs),
        "degradation": pd.DataFrame(lost),
        "true_score": pd.DataFrame(true),
    }
