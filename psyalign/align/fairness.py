"""Penalties on differences between groups, over all judged responses: conditional DIF and parity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from psyalign.align.inputs import AlignSettings, ScoredFeedback
from psyalign.align.losses import contrast_penalty, expected_scores
from psyalign.foundation.errors import DataError

__all__ = ["GroupPenalty", "group_penalty", "smd_contrast"]

Array = npt.NDArray[np.float64]
REFERENCE, FOCAL = 0, 1


def smd_contrast(items: npt.ArrayLike, groups: npt.ArrayLike, strata: npt.ArrayLike) -> Array:
    """Coefficients c with which the SMD of each item is Σ c_n E_n over its responses.

    SMD = Σ_k w_k (m_Fk − m_Rk), w_k = n_Fk/n_F over the strata that have both groups. Groups and
    strata do not move with the policy, so that the SMD is linear in the scores: c is 1/n_F for
    a focal response, −w_k/n_Rk for one of the reference group, and 0 where a stratum has one
    group only. With a single stratum it is the difference of the group means.

    Parameters
    ----------
    items : (N,)
        Item of each response.
    groups : (N,) int
        0 reference, 1 focal; all others do not count.
    strata : (N,) float
        Matching stratum of each response's person; NaN does not count.

    Returns
    -------
    (N,)
        0 throughout for an item without a stratum that has both groups.

    References
    ----------
    Dorans & Schmitt (1991), ETS Research Report RR-91-47.
    """
    table = pd.DataFrame({"item": items, "group": groups, "stratum": strata})
    table = table[table["group"].isin([REFERENCE, FOCAL]) & table["stratum"].notna()]
    found = np.zeros(np.size(groups))
    cell = ["item", "stratum"]
    focal = table["group"].eq(FOCAL)
    n_focal = focal.groupby([table[name] for name in cell]).transform("sum").astype(float)
    n_reference = (~focal).groupby([table[name] for name in cell]).transform("sum").astype(float)
    both = (n_focal > 0) & (n_reference > 0)
    size = (focal & both).groupby(table["item"]).transform("sum").astype(float)
    of_cell = pd.Series(1.0, index=table.index).where(focal, -n_focal / n_reference.clip(lower=1))
    found[table.index] = np.where(both, of_cell / size.clip(lower=1), 0.0)
    return found


class GroupPenalty:
    """Weighted sum over items of squared contrasts between groups of the expected scores.

    A mini-batch rarely has both groups of an item in one stratum. The contrasts are therefore taken
    over all N judged responses, from the last expected score of each: the reference scorer's at
    first, which the policy starts as, and the policy's own from each batch on. What is stale is
    at most an epoch old; where the batch is the whole set nothing is.

    Parameters
    ----------
    items : (N,)
        Item of each response.
    contrasts : sequence of (weight, (N,) coefficients)
        Such as `smd_contrast` gives.
    expected : (N,)
        Expected scores at the start.
    batch_size : int
        Responses in a step.

    References
    ----------
    Schmidt, Le Roux & Bach (2017), Minimizing finite sums with the stochastic average gradient, for
    the memory of what earlier batches gave.
    """

    def __init__(
        self, items: npt.ArrayLike, contrasts: list[tuple[float, Array]], expected: Array, batch_size: int
    ):
        self._item, names = pd.factorize(np.asarray(items))
        self._contrasts = contrasts
        self._expected = np.array(expected, dtype=np.float64)
        self._count = len(names)
        self._scale = max(1.0, len(self._expected) / batch_size)

    def values(self, contrast: Array) -> Array:
        """The contrast of each item, (I,), from the last expected scores."""
        sums = np.bincount(self._item, contrast * self._expected, minlength=self._count)
        return np.asarray(sums, dtype=np.float64)

    def loss(self, rows: list[int], log_probs: torch.Tensor) -> torch.Tensor:
        """The penalty, with its gradient through a batch.

        Parameters
        ----------
        rows : list of B int
            Which of the N responses.
        log_probs : (B, K)
            The policy's.
        """
        expected = expected_scores(log_probs)
        self._expected[rows] = expected.detach().double().cpu().numpy()
        total = torch.zeros((), dtype=expected.dtype, device=expected.device)
        for weight, contrast in self._contrasts:
            values = self.values(contrast)
            coefficients = 2 * values[self._item[rows]] * contrast[rows]
            total = total + weight * contrast_penalty(
                expected, expected.new_tensor(values), expected.new_tensor(coefficients), scale=self._scale
            )
        return total


def group_penalty(feedback: ScoredFeedback, settings: AlignSettings) -> GroupPenalty | None:
    """The penalties that the settings ask for; None if they ask for none.

    Raises
    ------
    DataError
        The feedback says no groups or no strata, or no item has judged responses of both groups (in
        one stratum).
    """
    if not (settings.dif_penalty or settings.parity_penalty):
        return None
    items, contrasts = feedback.responses["item"].to_numpy(), []
    for key, weight, strata in (
        ("dif_penalty", settings.dif_penalty, feedback.strata),
        ("parity_penalty", settings.parity_penalty, np.zeros(len(items))),
    ):
        if not weight:
            continue
        if feedback.groups is None or strata is None:
            raise _unavailable(key, "Groups or matching strata of the judged responses are not known.")
        contrast = smd_contrast(items, feedback.groups, strata)
        if not contrast.any():
            within = " in one stratum of the matching score" if key == "dif_penalty" else ""
            raise _unavailable(key, f"No item has judged responses of both groups{within}.")
        contrasts.append((weight, contrast))
    probabilities = np.exp(feedback.reference)
    expected = probabilities @ np.arange(probabilities.shape[1])
    return GroupPenalty(items, contrasts, expected, settings.training.batch_size)


def _unavailable(key: str, message: str) -> DataError:
    return DataError(
        message,
        where=f"[align] {key}",
        mend=f"Give criterion scores and feedback for persons of both groups, or set {key} = 0.",
    )
