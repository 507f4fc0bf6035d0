"""How many persons per group a DIF analysis needs, by simulation from the graded response model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from psyalign.dif.judgement.classes import ES_MODERATE
from psyalign.dif.simulation.decisions import POWER_TESTS
from psyalign.dif.simulation.graded import default_items, items_like
from psyalign.dif.simulation.search import Row, at, search, settle
from psyalign.foundation.errors import UsageError
from psyalign.foundation.progress import progress_bar

__all__ = ["PowerResult", "persons_needed", "power"]


@dataclass(frozen=True, repr=False)
class PowerResult:
    """Persons needed, and what was simulated to find out.

    Attributes
    ----------
    needed : pandas.DataFrame
        Indexed by test: n_focal, n_reference (NaN where `MOST` persons do not suffice), and
        power with its Monte-Carlo interval low to high, simulated anew at that n.
    table : pandas.DataFrame
        All simulations: test, n_focal, n_reference, power, low, high, replications.
    about : str
        The design in words.
    """

    needed: pd.DataFrame
    table: pd.DataFrame
    about: str

    def __repr__(self) -> str:
        shown = self.needed.astype({"n_focal": "Int64", "n_reference": "Int64"})
        return self.about + "\n" + shown.to_string(float_format=lambda value: f"{value:.3f}")


def persons_needed(
    es: float = ES_MODERATE,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    tests: Sequence[str] = ("smd", "mantel", "equivalence"),
    n_items: int = 20,
    n_points: int = 5,
    impact: float = 0.0,
    ratio: float = 1.0,
    n_tested: int = 1,
    scores: pd.DataFrame | None = None,
    studied: int | None = None,
    replications: int = 5000,
    seed: int = 1,
    progress: bool = False,
) -> PowerResult:
    """Persons per group needed to see uniform DIF of a given effect size.

    Scores follow the graded response model, persons are matched on the total, and the studied
    item is made harder for the focal group by the threshold shift at which the population's
    ES = SMD / SD is `-es`. That shift and the probability of each (total, item score) pair follow
    exactly from the model (`expected_counts`), so that a sample is one multinomial draw a group,
    distributed as if every person's answers had been simulated. Power is simulated at a few n,
    its noncentrality is interpolated as a straight line in sqrt(n), and the n found is confirmed
    by new samples.

    Parameters
    ----------
    es : float
        Effect size to see, above 0: item SDs of the total sample.
    power : float
        Share of samples in which it is to be seen.
    alpha : float
        Level of the two-sided test of one item.
    tests : sequence of str
        Of `POWER_TESTS`: "smd", "mantel", "liu_agresti", "gmh", "ordinal" (uniform, likelihood
        ratio) and "equivalence". "equivalence": the share of samples in which an item with a true ES
        of 0 is shown negligible (both one-sided tests at +-es reject at level alpha).
    n_items, n_points : int
        Length of the test and score points an item, for `default_items`.
    impact : float
        How far the focal group's mean ability is below the reference group's, in SD.
    ratio : float
        Reference persons for each focal person.
    n_tested : int
        Items tested at once: alpha is divided by it (Bonferroni, the first step of Holm).
    scores : pandas.DataFrame, optional
        Persons x items of a real table: items and reliability are then taken from it (see
        `items_like`) instead of `n_items` and `n_points`.
    studied : int, optional
        Position of the studied item; default the item that needs the median number of persons.
    replications : int
        Samples for each n.
    seed : int
    progress : bool
        A progress bar on stderr.

    Returns
    -------
    PowerResult

    Raises
    ------
    UsageError
        An unknown test, a share outside (0, 1), or an ES that no shift of this item reaches.

    Examples
    --------
    >>> found = persons_needed(0.25, tests=["smd"], n_items=10, replications=200)
    >>> bool(100 < found.needed.loc["smd", "n_focal"] < 350)
    True
    """
    _check_share(power=power, alpha=alpha)
    _check_tests(tests)
    if es == 0:
        raise UsageError("An ES of 0 cannot be seen.", mend="Give es above 0.")
    items = default_items(n_items, n_points) if scores is None else items_like(scores)
    setting = settle(items, es, alpha / n_tested, impact, ratio, studied)
    bar = progress_bar(len(tests), "Power", "test") if progress else None
    simulated: list[Row] = []
    needed: list[Row] = []
    for test in tests:
        rows, found = search(setting, test, power, replications, seed)
        simulated += rows
        needed.append(found)
        if bar is not None:
            bar.update(1)
    if bar is not None:
        bar.close()
    n_items, n_points = len(items.slopes), items.thresholds.shape[1] + 1
    about = (
        f"Persons needed to see |ES| = {es:g} with power {power:g} (alpha {setting.alpha:.3g}): "
        f"{n_items} items of {n_points} points, impact {impact:g} SD; simulated"
    )
    return PowerResult(pd.DataFrame(needed).set_index("test"), pd.DataFrame(simulated), about)


def power(
    n_focal: int | Sequence[int],
    *,
    es: float = ES_MODERATE,
    alpha: float = 0.05,
    tests: Sequence[str] = ("smd", "mantel", "equivalence"),
    n_items: int = 20,
    n_points: int = 5,
    impact: float = 0.0,
    ratio: float = 1.0,
    n_tested: int = 1,
    scores: pd.DataFrame | None = None,
    studied: int | None = None,
    replications: int = 5000,
    seed: int = 1,
) -> pd.DataFrame:
    """Power of DIF tests for given numbers of persons, by simulation.

    Parameters
    ----------
    n_focal : int or sequence of int
        Persons in the focal group; the reference group has `ratio` times as many.
    es : float
        0 gives the Type I error (for "equivalence", which needs its margin, use es > 0).
    alpha, tests, n_items, n_points, impact, ratio, n_tested, scores, studied, replications, seed
        See `persons_needed`.

    Returns
    -------
    pandas.DataFrame
        Columns test, n_focal, n_reference, power, low, high (95% Monte-Carlo interval, Wilson),
        replications.

    Raises
    ------
    UsageError
        See `persons_needed`.
    """
    _check_share(alpha=alpha)
    _check_tests(tests)
    if es == 0 and "equivalence" in tests:
        raise UsageError("The equivalence test needs a margin: es above 0.")
    items = default_items(n_items, n_points) if scores is None else items_like(scores)
    setting = settle(items, es, alpha / n_tested, impact, ratio, studied)
    sizes = [int(size) for size in np.atleast_1d(n_focal)]
    if min(sizes) < 1:
        raise UsageError("n_focal must be at least 1.")
    rows = [at(setting, test, size, replications, seed) for test in tests for size in sizes]
    return pd.DataFrame(rows)


def _check_share(**shares: float) -> None:
    for name, share in shares.items():
        if not 0 < share < 1:
            raise UsageError(f"{name} must be between 0 and 1, not {share:g}.")


def _check_tests(tests: Sequence[str]) -> None:
    strange = [test for test in tests if test not in POWER_TESTS]
    if strange or not tests:
        raise UsageError(f"Test '{', '.join(strange)}' is unknown.", mend=f"Use {', '.join(POWER_TESTS)}.")
