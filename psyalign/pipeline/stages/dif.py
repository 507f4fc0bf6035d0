"""DIF of human scores and of every arm, the paired changes, and the summaries over items."""

from __future__ import annotations

import numpy as np
import pandas as pd

from psyalign.dif import Matching, analyse, bootstrap_es, compare, item_status, matching_strata
from psyalign.foundation.seeds import derive_seed
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.audit import Audit
from psyalign.pipeline.stages.data import group_of

__all__ = ["dif_tables"]


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
    """DIF of human scores and of each arm: Mantel and SMD on expected scores, ordinal on modal ones."""
    dif, tables = run.study.dif, {}
    linear = [name for name in dif.methods if name != "ordinal"]
    for arm in ("human", *audit.arms):
        expected = audit.human if arm == "human" else audit.expected(arm)
        modal = audit.human if arm == "human" else audit.modal(arm)
        parts = []
        for methods, scores in ((linear, expected), (["ordinal"] if "ordinal" in dif.methods else [], modal)):
            if methods:
                parts.append(
                    analyse(
                        scores,
                        group,
                        matching.stratum,
                        _human_sd(audit),
                        alpha=dif.alpha,
                        correction=dif.correction,
                        methods=methods,
                        match=matching.total,
                        es_moderate=dif.es_moderate,
                        es_large=dif.es_large,
                    ).set_index("item")
                )
        table = parts[0]
        if len(parts) == 2:
            ordinal = [name for name in table.columns if name.startswith(("lr_", "nagelkerke"))]
            table[ordinal] = parts[1][ordinal]
            both = table["reason"].where(table["reason"] != "", parts[1]["reason"])
            table["reason"] = both.astype("str")
        tables[arm] = table.reset_index().assign(arm=arm)
    return tables


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
