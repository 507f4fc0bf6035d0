"""Signs that a scorer followed its reward where the reward is wrong: numpy only.

A detector is a statistic with a 95% interval over persons and a rule for an alarm. No alarm proves
gaming, and silence does not prove its absence: each looks at one way in which it can happen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from psyalign.align.diagnostics import person_sums

__all__ = ["WORTH_A_LOOK", "Drawn", "change_alarm", "drawn_mean", "partial_correlations", "person_weights"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

# A partial correlation that moved by less is no reason to look, however many responses show it.
WORTH_A_LOOK = 0.05


@dataclass(frozen=True)
class Drawn:
    """A statistic of the sample and of each draw of persons.

    Attributes
    ----------
    value : float
    draws : (D,)
    """

    value: float
    draws: Array

    @classmethod
    def of(cls, values: Array) -> Drawn:
        """From (1 + D,) values, the sample's first."""
        return cls(float(values[0]), values[1:])

    def centred(self) -> Drawn:
        """Draws moved so that their mean is the value: for statistics that noise can only raise.

        A calibration error sums absolute values, so that each draw holds the sample's noise twice.
        """
        return Drawn(self.value, self.draws - np.nanmean(self.draws) + self.value)

    def __sub__(self, other: Drawn) -> Drawn:
        return Drawn(self.value - other.value, self.draws - other.draws)

    @property
    def interval(self) -> tuple[float, float]:
        """Percentile interval of 95%; NaN if no draw has a value."""
        known = self.draws[np.isfinite(self.draws)]
        if not len(known) or not np.isfinite(self.value):
            return float("nan"), float("nan")
        low, high = np.quantile(known, [0.025, 0.975])
        return float(low), float(high)

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval is above zero."""
        return self.interval[0] > 0

    @property
    def below_zero(self) -> bool:
        """Whether the whole interval is below zero."""
        return self.interval[1] < 0


def person_weights(persons: int, draws: int, rng: np.random.Generator) -> Array:
    """Ones, then how often each draw takes each person, shape (1 + draws, persons)."""
    drawn = rng.multinomial(persons, np.full(persons, 1 / persons), size=draws)
    return np.vstack([np.ones((1, persons)), drawn])


def drawn_mean(values: Array, place: Index, weights: Array) -> Drawn:
    """Mean over responses: `values` (N,), each response's person `place` (N,), draws of persons."""
    sums = person_sums(np.column_stack([values, np.ones(len(values))]), place, weights.shape[1])
    totals = weights @ sums
    known = totals[:, 1] > 0
    return Drawn.of(np.divide(totals[:, 0], totals[:, 1], out=np.full(len(totals), np.nan), where=known))


def partial_correlations(
    feature: Array, outcomes: Array, cells: Index, place: Index, weights: Array
) -> list[Drawn]:
    """Correlation of a feature with each outcome, given the cell that a response is in.

    The correlation of the residuals after both are regressed on one dummy a cell (item ×
    human score), so that neither needs to be linear in the human score.

    Parameters
    ----------
    feature : (N,)
    outcomes : (N, M)
    cells : (N,) int
        0 … C − 1.
    place : (N,) int
        Person of each response.
    weights : (1 + D, P)
        See `person_weights`.

    Returns
    -------
    list of M Drawn
        NaN where the feature or the outcome does not vary within any cell.
    """
    count, persons = int(cells.max()) + 1, weights.shape[1]
    # Residuals of the whole sample first: a draw then subtracts small numbers, not large ones.
    x, y = _within(feature[:, None], cells, count), _within(outcomes, cells, count)
    n_c, x_c = (
        _by_cell(np.ones_like(x), cells, place, count, weights),
        _by_cell(x, cells, place, count, weights),
    )
    n_c = np.where(n_c > 0, n_c, np.inf)
    sxx = weights @ person_sums(x * x, place, persons)[:, 0] - (x_c**2 / n_c).sum(axis=1)
    found = []
    for column in y.T:
        y_c = _by_cell(column[:, None], cells, place, count, weights)
        products = person_sums(np.column_stack([column * column, x[:, 0] * column]), place, persons)
        totals = weights @ products
        syy = totals[:, 0] - (y_c**2 / n_c).sum(axis=1)
        sxy = totals[:, 1] - (x_c * y_c / n_c).sum(axis=1)
        below = np.sqrt(np.maximum(sxx * syy, 0.0))
        floor = 1e-12 * (float((feature**2).sum()) * float((column**2).sum())) ** 0.5 + 1e-300
        found.append(Drawn.of(np.divide(sxy, below, out=np.full_like(sxy, np.nan), where=below > floor)))
    return found


def _within(values: Array, cells: Index, count: int) -> Array:
    """Values minus the mean of their cell."""
    number = np.bincount(cells, minlength=count)
    means = person_sums(values, cells, count) / np.maximum(number, 1)[:, None]
    return np.asarray(values - means[cells])


def _by_cell(values: Array, cells: Index, place: Index, count: int, weights: Array) -> Array:
    """Sums of one column by cell in every draw, shape (1 + D, C)."""
    table = np.zeros((weights.shape[1], count))
    np.add.at(table, (place, cells), values[:, 0])
    return np.asarray(weights @ table)


def change_alarm(before: Drawn, after: Drawn) -> bool:
    """Whether a dependence grew: in size, by more than chance, and by enough to be worth a look.

    The dependence itself gives no alarm. One human score is a noisy measure, so that whatever goes
    with the true quality of an answer, its length for one, correlates with a good scorer's scores
    too (METHODS.md, section 3); the reference scorer is the yardstick for that. It is one for an arm
    of about its own accuracy: where length goes with quality (r about .4) and an arm halves the
    scorer's noise, fair gains raised the alarm in 70% of simulated studies of 2,500 responses; where
    it goes less (r about .15) or the noise falls by a fifth, in 0 to 5%.
    """
    change = after - before
    grew = abs(after.value) > abs(before.value) and abs(change.value) >= WORTH_A_LOOK
    return bool(grew and (change.above_zero or change.below_zero))
