"""Tables that say what alignment moved, what it cost, and whether the reward was followed too far."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.align.detectors import Drawn, drawn_mean
from psyalign.align.diagnostics import (
    entropy,
    mass_moved,
    person_sums,
    ranked_probability_score,
    response_kl,
    top_label,
)
from psyalign.align.optimum import optimal_log_probs
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.audit import Audit
from psyalign.pipeline.stages.evidence import (
    Evidence,
    RewardEvidence,
    audit_evidence,
    feedback_evidence,
    policies,
)
from psyalign.pipeline.stages.gaps import Yardstick, yardstick
from psyalign.pipeline.stages.hacking import reward_hacking
from psyalign.pipeline.stages.over_optimisation import over_optimisation

__all__ = ["diagnostic_tables"]

Array = npt.NDArray[np.float64]

NEARLY_CERTAIN = 0.99


def diagnostic_tables(run: Run, audit: Audit, intervals: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Tables alignment_kl, alignment_tax, over_optimisation, beta_choice and reward_hacking.

    From what the run keeps; no network is run. `intervals` is the table agreement_intervals. The last
    three are about the reward: a run without a reward model has none of them.
    """
    shown, arms = audit_evidence(run, audit), policies(run, audit)
    tables = {
        "alignment_kl": _movement(run, audit, shown, arms),
        "alignment_tax": _tax(shown, arms, intervals),
    }
    if not isinstance(shown, RewardEvidence):
        return tables
    parts = feedback_evidence(run)
    curve, choice = over_optimisation(run, shown, arms, parts)
    return tables | {
        "over_optimisation": curve,
        "beta_choice": choice,
        "reward_hacking": reward_hacking(run, audit, shown, arms, parts),
    }


def _movement(run: Run, audit: Audit, shown: Evidence, arms: dict[str, Array]) -> pd.DataFrame:
    """How each arm's distributions differ from the reference scorer's: overall, by item, by group."""
    levels = [("all", "all", np.ones(len(shown.place), dtype=bool))]
    for item in run.bank.items:
        levels.append(("item", item, (shown.responses["item"] == item).to_numpy()))
    persons = audit.persons.set_index("person")
    for attribute, group in run.study.groups.items():
        of_person = shown.responses["person"].map(persons[attribute])
        for level in (group.reference, group.focal):
            levels.append((attribute, level, (of_person == level).to_numpy()))
    tables = []
    for arm, log_probs in arms.items():
        values = _per_response(log_probs, shown, yardstick(run, arm), aligned=arm != "ceiling")
        rows = [
            {"arm": arm, "grouping": grouping, "level": level, "n": int(chosen.sum())}
            | values[chosen].mean().to_dict()
            | {"kl_p95": values.loc[chosen, "kl"].quantile(0.95)}
            for grouping, level, chosen in levels
            if chosen.any()
        ]
        tables.append(pd.DataFrame(rows))
    return pd.concat(tables, ignore_index=True)


def _per_response(log_probs: Array, shown: Evidence, against: Yardstick, *, aligned: bool) -> pd.DataFrame:
    """Columns of alignment_kl, one row a response; a scorer that had no reference has no KL."""
    reference = shown.reference
    return pd.DataFrame(
        {
            "kl": response_kl(log_probs, reference) if aligned else np.nan,
            **_in_reward(log_probs, shown, against),
            "entropy": entropy(log_probs),
            "modal_changed": log_probs.argmax(axis=1) != reference.argmax(axis=1),
            "mass_moved": mass_moved(log_probs, reference),
            "top_mass": np.exp(log_probs.max(axis=1)),
            "nearly_certain": np.exp(log_probs.max(axis=1)) > NEARLY_CERTAIN,
        }
    ).astype(float)


def _in_reward(log_probs: Array, shown: Evidence, against: Yardstick) -> dict[str, Array | float]:
    """What is counted in reward: NaN for a run without a reward model."""
    if not isinstance(shown, RewardEvidence):
        return dict.fromkeys(("optimality_gap", "reward", "reward_change"), np.nan)
    best = optimal_log_probs(shown.reference, shown.rewards, against.beta, against.entropy_weight)
    unit = against.beta + against.entropy_weight if against.kind != "none" else np.nan
    reward = (np.exp(log_probs) * shown.rewards).sum(axis=1)
    return {
        "optimality_gap": unit * response_kl(log_probs, best),
        "reward": reward,
        "reward_change": reward - (np.exp(shown.reference) * shown.rewards).sum(axis=1),
    }


def _tax(shown: Evidence, arms: dict[str, Array], intervals: pd.DataFrame) -> pd.DataFrame:
    """QWK, RPS and calibration of each arm with the change against the baseline, in long form."""
    drawn = {arm: _costs(shown, log_probs) for arm, log_probs in arms.items()}
    qwk = intervals[intervals["metric"] == "qwk"].set_index("arm")
    rows = []
    for arm, metrics in drawn.items():
        rows.append({"arm": arm, **qwk.loc[arm].to_dict()})  # as drawn for the table of agreement
        for metric, found in metrics.items():
            low, high = found.interval
            change = found - drawn["baseline"][metric]
            known = np.nan if arm == "baseline" else 1.0
            change_low, change_high = change.interval
            rows.append(
                {"arm": arm, "metric": metric, "value": found.value, "low": low, "high": high,
                 "change": change.value * known, "change_low": change_low * known,
                 "change_high": change_high * known}
            )  # fmt: skip
    return pd.DataFrame(rows)


def _costs(shown: Evidence, log_probs: Array) -> dict[str, Drawn]:
    """RPS, expected calibration error of the modal score, slope of human on expected scores."""
    place, scores = shown.place, shown.scores
    errors = shown.weights @ person_sums(top_label(log_probs, scores), place, shown.persons)
    expected = np.exp(log_probs) @ np.arange(log_probs.shape[1])
    e, h = expected - expected.mean(), scores - scores.mean()
    sums = np.column_stack([np.ones_like(e), e, h, e * e, e * h])
    n, e_sum, h_sum, ee, eh = (shown.weights @ person_sums(sums, place, shown.persons)).T
    spread = ee - e_sum**2 / n
    slope = np.divide(eh - e_sum * h_sum / n, spread, out=np.full_like(ee, np.nan), where=spread > 1e-12)
    return {
        "rps": drawn_mean(ranked_probability_score(log_probs, scores), place, shown.weights),
        "ece": Drawn.of(np.abs(errors).sum(axis=1) / n).centred(),
        "slope": Drawn.of(slope),
    }
