"""DIF of human scores and of every arm, the paired changes, and the summaries over items."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from psyalign.dif import METHODS, Matching, analyse, bootstrap_es, compare, item_status, matching_strata
from psyalign.dif.judgement.size import judge_sizes
from psyalign.foundation.seeds import derive_seed
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.audit import Audit
from psyalign.pipeline.stages.data import group_of

__all__ = ["dif_tables"]

# Methods on means take expected scores as they are; all others need score points: modal scores.
ON_MEANS = frozenset({"mantel", "smd", "standardisation"})
# Of the first method in the order of METHODS, whichever scores it was run on.
OF_THE_FIRST = frozenset({"n_reference", "n_focal", "p_adjusted", "es_class", "estimable", "reason"})


def dif_tables(run: Run, audit: Audit, warnings: list[str]) -> dict[str, pd.DataFrame]:
    """Tables dif_items, dif_changes and dif_summary; adds to `warnings`."""
    items, changes, summaries = [], [], []
    for attribute, settings in run.study.groups.items():
        group = group_of(run, attribute, audit.persons).dropna()
        matching = matching_strata(audit.human, group)
        if matching.share_used < 0.9:
            share = f"{matching.share_used:.0%} of the persons"
            warnings.append(f"DIF by {attribute}: {share} are in strata with both groups.")
        if matching.binned:
            strata = f"neighbouring totals were merged to {matching.n_strata} strata"
            warnings.append(f"DIF by {attribute}: {strata}, so some difference in ability stays within them.")
        labels = {"grouping": attribute, "reference": settings.reference, "focal": settings.focal}
        found = _items(run, audit, group, matching)
        items.append(pd.concat(found.values(), ignore_index=True).assign(**labels))
        changes.append(_changes(run, audit, group, matching, found).assign(grouping=attribute))
        summaries.append(_summaries(run, audit, group, matching).assign(grouping=attribute))
    return {
        "dif_items": pd.concat(items, ignore_index=True),
        "dif_changes": pd.concat(changes, ignore_index=True),
        "dif_summary": pd.concat(summaries, ignore_index=True),
    }


def _human_sd(audit: Audit) -> pd.Series:
    return audit.human.groupby("item")["score"].std(ddof=1)


def _items(run: Run, audit: Audit, group: pd.Series, matching: Matching) -> dict[str, pd.DataFrame]:
    """DIF of human scores and of each arm, with what the effect sizes show."""
    dif, tables = run.study.dif, {}
    dif_of = partial(
        analyse,
        group=group,
        stratum=matching.stratum,
        human_sd=_human_sd(audit),
        alpha=dif.alpha,
        correction=dif.correction,
        match=matching.total,
        es_moderate=dif.es_moderate,
        es_large=dif.es_large,
    )
    for arm in ("human", *audit.arms):
        tried = {
            True: audit.human if arm == "human" else audit.expected(arm),
            False: audit.human if arm == "human" else audit.modal(arm),
        }
        parts = [
            dif_of(tried[on_means], methods=methods).set_index("item")
            for on_means, methods in _by_scores(dif.methods)
        ]
        table = _joined(parts)
        if "smd" in dif.methods:
            table = judge_sizes(table, moderate=dif.es_moderate, large=dif.es_large, alpha=dif.alpha)
        tables[arm] = table.reset_index().assign(arm=arm)
    return tables


def _by_scores(methods: Sequence[str]) -> list[tuple[bool, list[str]]]:
    """(on means?, methods) for one kind of scores or both, first the one with the leading method."""
    ordered = [name for name in METHODS if name in methods]
    leading = ordered[0] in ON_MEANS
    halves = [
        (kind, [name for name in ordered if (name in ON_MEANS) == kind]) for kind in (leading, not leading)
    ]
    return [(kind, names) for kind, names in halves if names]


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """One table of those of `analyse`: each has all usual columns, those of other methods only missing."""
    table = parts[0]
    for part in parts[1:]:
        own = {str(name) for name in table.columns if table[name].notna().any()} | OF_THE_FIRST
        reason = table["reason"].str.cat(part["reason"], sep="; ").str.strip("; ").astype("str")
        fresh = {name: part[name] for name in part.columns if name not in own}
        table = table.assign(**fresh, reason=reason)
    return table


def _changes(
    run: Run, audit: Audit, group: pd.Series, matching: Matching, found: dict[str, pd.DataFrame]
) -> pd.DataFrame:
    dif, rows = run.study.dif, []
    before = audit.expected("baseline")
    for arm in audit.arms:
        if arm == "baseline":
            continue
        change = compare(
            before,
            audit.expected(arm),
            group,
            matching.stratum,
            sd=_human_sd(audit),
            alpha=dif.alpha,
            correction=dif.correction,
        )
        status = item_status(found["human"], found["baseline"], found[arm], change, alpha=dif.alpha)
        rows.append(change.assign(arm=arm, status=change["item"].map(status)))
    return pd.concat(rows, ignore_index=True)


def _summaries(run: Run, audit: Audit, group: pd.Series, matching: Matching) -> pd.DataFrame:
    scores = {"human": audit.human, **{arm: audit.expected(arm) for arm in audit.arms}}
    seed = derive_seed(run.study.study.seed, "dif")
    tables = [
        bootstrap_es(
            scores,
            group,
            matching.stratum,
            human=audit.human,
            sd=kind,
            replicates=run.study.dif.bootstrap,
            seed=seed,
        )
        for kind in ("human", "own")
    ]
    return pd.concat(tables, ignore_index=True).replace([np.inf, -np.inf], np.nan)
