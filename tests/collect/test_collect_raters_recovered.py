"""Simulated raters answer at the page over HTTP; what is exported tells who is severe, careless or leaning.

Nothing here is a finding: abilities, severities, slips and leanings are made up and known. How often
it goes well is in docs/rater-recovery.md, which benchmarks/rater_recovery.py makes with the same raters.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from psyalign.collect import export_records, judgement_times, overview
from psyalign.feedback.raters import fit_raters, judgement_tables, rater_groups, rater_table

from .simulated_raters import (
    POINTS,
    Panel,
    answer_at_page,
    answer_directly,
    asked_at_page,
    made_collection,
    made_panel,
    made_settings,
)

SUBJECTS = 24  # responses, or pairs of them, of each kind; all raters judge them all
CARELESS = {"r03": 0.8, "r07": 1.0}
BIASED = {"r05": 2.0}
SEVERITY = {f"r{at:02}": value for at, value in enumerate((-1.3, -0.8, -0.3, 0.0, 0.4, 0.2, 1.2, 0.0))}
ASKED = ("rating", "score_preference", "response_preference")
KINDS = ["ratings", "score_preferences", "response_preferences", "equivalences"]
EVERY = {name: range(k) for name, k in POINTS.items()}


@pytest.mark.slow
def test_raters_are_recovered_from_what_they_did_at_the_page(tmp_path: Path) -> None:
    """Eight raters, two careless, one biased; all that is known of them comes back from the export."""
    panel = Panel(11, made_panel(11).ability, SEVERITY, CARELESS, BIASED)
    made = made_collection(tmp_path, panel, made_settings(ASKED, SUBJECTS, repeats=0.15))
    given = answer_at_page(made, panel)
    exported = export_records(made.store, EVERY)
    assert given == len(made.store.rows()) == len(exported.records)
    assert exported.records == answer_directly(panel, asked_at_page(made))
    judgements, comparisons, equivalences = judgement_tables(exported.records)
    times = judgement_times(made.store)
    table = rater_table(judgements, comparisons, POINTS, equivalences=equivalences, times=times)
    table = table.set_index("rater")
    careful = [name for name in SEVERITY if name not in CARELESS]
    truth = pd.Series(SEVERITY)
    assert np.corrcoef(table.loc[careful, "severity"], truth[careful])[0, 1] >= 0.9
    assert np.corrcoef(table["severity"], truth[table.index])[0, 1] >= 0.9
    # careless: less discriminating than typical beyond chance; nobody else is
    upper = table["discrimination"] * np.exp(1.96 * table["discrimination_se"])
    assert set(table.index[upper < 1]) == set(CARELESS)
    for name, worst in (("eta", "idxmin"), ("repeat_kappa", "idxmin"), ("agreement", "idxmin")):
        assert getattr(table[name], worst)() in CARELESS, name
    share = table["contradictory"] / table["score_sets"]
    assert set(share.nlargest(2).index) == set(CARELESS)
    assert (table["timed"] == table[KINDS].sum(axis=1)).all()
    (again,) = (row for row in overview(made.store).raters if row["rater"] == "r07")
    assert again["consistent"] == pytest.approx(table.loc["r07", "consistent"])
    # leaning: only the biased rater is harder on "y"; the others, relative to that one, may seem milder
    groups = rater_groups(judgements, comparisons, POINTS, {"variety": panel.sides})
    flagged = groups[(groups["judgements"] == "scores") & (groups["p_adjusted"] < 0.05)]
    assert set(flagged.loc[flagged["effect"] > 0, "rater"]) == set(BIASED)
    assert not groups.loc[groups["careless"], "rater"].isin(BIASED).any()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_few_raters_are_recovered_over_seeds(tmp_path: Path, seed: int) -> None:
    """Six raters, one who answers at random and one who leans by 2.5 logits, with 20 ratings each."""
    panel = made_panel(seed, raters=6, careless={"r05": 1.0}, leaning={"r01": 2.5})
    made = made_collection(tmp_path, panel, made_settings(("rating",), 20, repeats=0.1))
    answer_at_page(made, panel)
    records = export_records(made.store, EVERY).records
    assert records == answer_directly(panel, asked_at_page(made))
    judgements, comparisons, _ = judgement_tables(records)
    assert (judgements.groupby("rater").size() == 22).all()
    table = fit_raters(judgements, POINTS, discrimination=True).raters.set_index("rater")
    careful = sorted(set(table.index) - {"r05"})
    truth = pd.Series(panel.severity)
    assert np.corrcoef(table.loc[careful, "severity"], truth[careful])[0, 1] >= 0.8
    assert table["discrimination"].idxmin() == "r05" and table.loc["r05", "discrimination"] < 0.6
    groups = rater_groups(judgements, comparisons, POINTS, {"variety": panel.sides}).set_index("rater")
    assert groups["effect"].idxmax() == "r01" and groups.loc["r01", "p"] < 0.05
