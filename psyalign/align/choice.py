"""β and λ chosen by cross-validation over persons: arrays of what held-out persons got, and a rule.

The rule is that of one standard error: of all candidates whose loss exceeds the best one's by no more
than one standard error, the simplest is taken. For β, the strength of the KL penalty, the simplest is the
largest, which stays nearest to the reference scorer; for λ, the weight of equivalence, the smallest. All
candidates are judged on the same persons, so the standard error is that of the difference to the best.

References
----------
Breiman, Friedman, Olshen & Stone (1984), Classification and Regression Trees, section 3.4.3; Hastie,
Tibshirani & Friedman (2009), The Elements of Statistical Learning, section 7.10. There the standard error
is the best one's own; that of the difference is smaller, because what is hard about a person's responses
is hard for every candidate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.align.diagnostics import beta_sweep, person_sums, ranked_probability_score, top_label
from psyalign.foundation.errors import DataError
from psyalign.foundation.seeds import unit_interval

__all__ = ["Choice", "Criterion", "cross_validated_beta", "cross_validated_weight", "person_folds"]

Array = npt.NDArray[np.float64]
Names = Sequence[str] | npt.NDArray[np.str_] | pd.Series
Criterion = Literal["rps", "qwk"]

ROUNDING = 1e-12  # a difference below this is none
ECE_BINS = 10
# Columns of a choice's table, with its marks before them; NaN where a choice has none.
MEASURES = (
    "n_persons", "n", "rps", "rps_se", "qwk", "qwk_se", "ece", "ece_se", "excess", "excess_se", "n_pairs",
    "gap", "gap_se", "gap_excess", "gap_excess_se", "signed_gap", "signed_gap_se", "sd_ratio",
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """A value chosen by cross-validation, and what it was chosen from.

    Attributes
    ----------
    value : float
        By the rule of one standard error.
    best : float
        Of smallest loss (for λ: of smallest wording gap among the admissible ones).
    table : DataFrame
        One row a candidate, the simplest first. `value`, `candidate` (False: the reference scorer, for
        comparison), `chosen`, `best`, `admissible`; `n_persons`, `n` (responses), `rps`, `qwk`, `ece` and
        their standard errors `…_se`; `excess`, `excess_se`: the criterion's loss above that of the
        smallest. For λ also `n_pairs`, `gap` (mean |difference in expected score| within a pair),
        `gap_excess`, `signed_gap` (other wording − neutral), with standard errors, and `sd_ratio`.
    """

    value: float
    best: float
    table: pd.DataFrame


def person_folds(persons: Iterable[str], folds: int, seed: int, *stream: str) -> npt.NDArray[np.int64]:
    """Fold of each row's person, 0 … folds − 1: all rows of a person in one, folds of equal size.

    By hash of the name: neither the order of the rows nor how many a person has matters.

    Parameters
    ----------
    persons : iterable of str
        Person of each row.
    folds : int
    seed : int
    stream : str
        Names that tell this division from others by the same seed.

    Examples
    --------
    >>> person_folds(["ann", "bo", "cy", "ann", "di"], 2, seed=1).tolist()
    [0, 0, 1, 0, 1]
    """
    rows = list(persons)
    names = sorted(set(rows))
    rank = np.argsort(np.argsort([unit_interval(seed, *stream, name) for name in names])) % folds
    fold = dict(zip(names, rank.tolist(), strict=True))
    return np.array([fold[name] for name in rows], dtype=np.int64)


def cross_validated_beta(
    betas: Sequence[float],
    reference: Array,
    rewards: Array,
    scores: npt.ArrayLike,
    persons: Names,
    *,
    criterion: Criterion = "rps",
) -> Choice:
    """Choose β by what π* ∝ π_ref exp(r/β) makes of persons whom the rewards were not learned from.

    Parameters
    ----------
    betas : sequence of float
        Candidates.
    reference : (N, K)
        Log-probabilities of the frozen reference scorer.
    rewards : (N, K)
        Each row by a reward model that learned from no response of that row's person (k reward models
        for k folds, see `person_folds`).
    scores : (N,) int
        Human scores.
    persons : (N,)
        Person of each row.
    criterion : {"rps", "qwk"}
        The ranked probability score, or 1 − QWK of the modal score.

    Returns
    -------
    Choice
        The largest β whose loss is within one standard error of the smallest. The table's first
        row, β = ∞, is the reference scorer; it is no candidate.

    Raises
    ------
    DataError
        Fewer than two persons, or a criterion that has no value (QWK of constant scores).

    Notes
    -----
    Standard errors are the delete-one-person jackknife's. That models of different folds share most of
    their training is not in them: no unbiased estimate of it exists (Bengio & Grandvalet, 2004,
    JMLR 5, 1089–1105).
    """
    values = np.array([np.inf, *sorted(betas, reverse=True)])
    log_probs = np.stack(list(beta_sweep(np.asarray(reference), np.asarray(rewards), values)))
    accuracy = _accuracy(log_probs, scores, persons)
    candidate = np.isfinite(values)
    best, chosen, excess = _one_se(accuracy.losses(criterion), candidate)
    columns = {**accuracy.columns(), "excess": excess.value, "excess_se": excess.se}
    return _choice(values, candidate, candidate, best, chosen, columns)


def cross_validated_weight(
    weights: Sequence[float],
    log_probs: Array,
    scores: npt.ArrayLike,
    persons: Names,
    differences: Array,
    pair_persons: Names,
    *,
    directed: npt.NDArray[np.bool_] | None = None,
    reference: Array | None = None,
    criterion: Criterion = "rps",
) -> Choice:
    """Choose λ by the wording gap that is left on held-out pairs, at no shown cost in accuracy.

    Admissible is a λ whose loss is not above the smallest by more than one standard error. Of the
    admissible ones the smallest λ is taken whose gap, mean |difference| within a pair, is within one
    standard error of the smallest gap. Without the first condition, scores that shrink towards one
    value would win.

    Parameters
    ----------
    weights : (C,) sequence of float
        Candidates.
    log_probs : (C, N, K)
        Of each candidate's scorer, trained without the row's person.
    scores : (N,) int
        Human scores; N may be 0, and every candidate is admissible then.
    persons : (N,)
    differences : (C, M)
        Expected score of one response of a pair minus the other's, by a scorer trained without the pair.
    pair_persons : (M,)
        Person of each pair.
    directed : (M,) bool, optional
        Pairs whose difference is other wording − neutral; the signed gap is theirs. All, if not given.
    reference : (N, K), optional
        The reference scorer's log-probabilities; `sd_ratio` is the SD of the expected scores over theirs.
    criterion : {"rps", "qwk"}
        Of accuracy.

    Raises
    ------
    DataError
        As `cross_validated_beta`.
    """
    order = np.argsort(weights, kind="stable")
    values = np.asarray(weights, dtype=float)[order]
    log_probs, differences = np.asarray(log_probs)[order], np.asarray(differences)[order]
    everyone = np.ones(len(values), dtype=bool)
    columns: dict[str, Array] = {}
    admissible = everyone
    if log_probs.shape[1]:
        accuracy = _accuracy(log_probs, scores, persons)
        _, _, excess = _one_se(accuracy.losses(criterion), everyone)
        admissible = excess.value <= excess.se + ROUNDING
        columns |= {**accuracy.columns(), "excess": excess.value, "excess_se": excess.se}
        if reference is not None:
            columns["sd_ratio"] = _spread(log_probs) / _spread(np.asarray(reference)[None])
    gap = _mean(np.abs(differences), pair_persons)
    best, chosen, gap_excess = _one_se(gap, admissible)
    columns |= {"gap": gap.value, "gap_se": gap.se}
    columns |= {"gap_excess": gap_excess.value, "gap_excess_se": gap_excess.se}
    told = np.ones(differences.shape[1], dtype=bool) if directed is None else np.asarray(directed, dtype=bool)
    if len(set(np.asarray(pair_persons)[told])) > 1:
        signed = _mean(differences[:, told], np.asarray(pair_persons)[told])
        columns |= {"signed_gap": signed.value, "signed_gap_se": signed.se}
    columns["n_pairs"] = np.full(len(values), float(differences.shape[1]))
    return _choice(values, everyone, admissible, best, chosen, columns)


@dataclass(frozen=True)
class _Jackknifed:
    """A statistic of C candidates: of all persons, then without each of P persons, (1 + P, C)."""

    drawn: Array

    @property
    def value(self) -> Array:
        return np.asarray(self.drawn[0])

    @property
    def se(self) -> Array:
        without = self.drawn[1:]
        count = len(without)
        return np.asarray(np.sqrt((count - 1) / count * ((without - without.mean(axis=0)) ** 2).sum(axis=0)))


@dataclass(frozen=True)
class _Accuracy:
    """The measures of accuracy of C candidates, and how many they are made of."""

    rps: _Jackknifed
    qwk: _Jackknifed
    ece: _Jackknifed
    persons: int
    responses: int

    def losses(self, criterion: Criterion) -> _Jackknifed:
        return self.rps if criterion == "rps" else _Jackknifed(1 - self.qwk.drawn)

    def columns(self) -> dict[str, Array]:
        size = len(self.rps.value)
        found = {"n_persons": np.full(size, float(self.persons)), "n": np.full(size, float(self.responses))}
        for name in ("rps", "qwk", "ece"):
            measure = getattr(self, name)
            found |= {name: measure.value, f"{name}_se": measure.se}
        return found


def _one_se(losses: _Jackknifed, allowed: npt.NDArray[np.bool_]) -> tuple[int, int, _Jackknifed]:
    """Places of the best and of the chosen candidate, and the losses above the best one's."""
    known = allowed & np.isfinite(losses.value)
    if not known.any():
        raise DataError(
            "The criterion has no value for any candidate, so nothing can be chosen.",
            where="[choice] criterion",
            mend='Use criterion = "rps": QWK needs scores that vary.',
        )
    best = int(np.argmin(np.where(known, losses.value, np.inf)))  # the simplest of equal ones
    excess = _Jackknifed(losses.drawn - losses.drawn[:, [best]])
    within = known & (excess.value <= excess.se + ROUNDING)
    return best, int(np.argmax(within)), excess


def _choice(
    values: Array,
    candidate: npt.NDArray[np.bool_],
    admissible: npt.NDArray[np.bool_],
    best: int,
    chosen: int,
    columns: dict[str, Array],
) -> Choice:
    places = np.arange(len(values))
    marks = {"candidate": candidate, "chosen": places == chosen, "best": places == best}
    measures = {name: columns.get(name, np.full(len(values), np.nan)) for name in MEASURES}
    table = pd.DataFrame({"value": values, **marks, "admissible": admissible, **measures})
    return Choice(float(values[chosen]), float(values[best]), table)


def _accuracy(log_probs: Array, scores: npt.ArrayLike, persons: Names) -> _Accuracy:
    human = np.asarray(scores, dtype=int)
    rps = np.stack([ranked_probability_score(each, human) for each in log_probs])
    found = _mean(rps, persons), _qwk(log_probs, human, persons), _ece(log_probs, human, persons)
    return _Accuracy(*found, len(set(np.asarray(persons))), len(human))


def _mean(values: Array, persons: Names) -> _Jackknifed:
    """Mean over rows of `values` (C, N)."""
    sums = _without(np.column_stack([values.T, np.ones(values.shape[1])]), persons)
    return _Jackknifed(sums[:, :-1] / sums[:, -1:])


def _qwk(log_probs: Array, human: npt.NDArray[np.int64], persons: Names) -> _Jackknifed:
    """Quadratic weighted kappa of the modal scores, 1 − Σ (h − m)² / its value under independence."""
    columns = []
    for modal in log_probs.argmax(axis=2).astype(float):
        sums = np.column_stack([np.ones(len(human)), human, modal, human**2, modal**2, human * modal])
        n, h, m, hh, mm, hm = _without(sums, persons).T
        h, m, hh, mm, hm = h / n, m / n, hh / n, mm / n, hm / n
        apart, chance = hh - 2 * hm + mm, hh - 2 * h * m + mm
        columns.append(1 - np.divide(apart, chance, out=np.full_like(apart, np.nan), where=chance > ROUNDING))
    return _Jackknifed(np.column_stack(columns))


def _ece(log_probs: Array, human: npt.NDArray[np.int64], persons: Names) -> _Jackknifed:
    """Expected calibration error of the modal score."""
    columns = []
    for each in log_probs:
        sums = _without(np.column_stack([top_label(each, human, ECE_BINS), np.ones(len(human))]), persons)
        columns.append(np.abs(sums[:, :-1]).sum(axis=1) / sums[:, -1])
    return _Jackknifed(np.column_stack(columns))


def _spread(log_probs: Array) -> Array:
    """SD of the expected scores, (C, N, K) → (C,)."""
    return np.asarray((np.exp(log_probs) @ np.arange(log_probs.shape[2])).std(axis=1, ddof=1))


def _without(values: Array, persons: Names) -> Array:
    """Sums over the rows of `values` (N, M): of all, then without each person, (1 + P, M)."""
    place, names = pd.factorize(np.asarray(persons), sort=True)
    if len(names) < 2:
        raise DataError(
            "A choice by cross-validation needs at least two persons with judgements.",
            where="[choice]",
            mend="Raise [split] feedback, or [feedback] max_responses.",
        )
    own = person_sums(np.asarray(values, dtype=float), np.asarray(place, dtype=np.int64), len(names))
    total = own.sum(axis=0)
    return np.vstack([total, total - own])
