"""What an ensemble of reward models knows about rewards, and what a judgement would teach it.

The posterior of all N·K rewards is Gaussian with covariance

    Σ_ij = G_i S G_jᵀ + [i = j] E_i,

loadings G on F factors that the responses share, the factors' covariance S, and what is a response's own, E.
Conditioning on a judgement keeps this form, so that N·K squared is never formed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from psyalign.foundation.errors import DataError

__all__ = ["LEAST_MEMBERS", "RewardPosterior", "information", "reward_posterior"]

Array = npt.NDArray[np.float64]

# With two members the variance of a covariance cannot be told.
LEAST_MEMBERS = 3
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
# Beyond this variance the nodes lie too far apart; the share that one answer takes away hardly changes.
WIDE = 16.0


@dataclass(frozen=True)
class RewardPosterior:
    """Gaussian posterior of rewards in factored form; see the head of this file.

    Attributes
    ----------
    mean : (N, K)
    loadings : (N, K, F)
        G.
    shared : (F, F)
        S.
    own : (N, K, K)
        E.
    shrinkage : tuple of float
        Share by which covariances between responses, and within them, were shrunk: `reward_posterior`.
    """

    mean: Array
    loadings: Array
    shared: Array
    own: Array
    shrinkage: tuple[float, float] = (0.0, 0.0)

    def blocks(self) -> Array:
        """Covariance of each response's rewards, (N, K, K)."""
        return np.asarray(self.loadings @ self.shared @ self.loadings.swapaxes(1, 2) + self.own)

    def after(self, response: int, contrast: Array, weight: float) -> RewardPosterior:
        """The posterior after an observation with information `weight` of contrastᵀ r of a response.

        Σ' = Σ − w Σ d dᵀ Σ / (1 + w dᵀ Σ d); the mean stays, as the answer is not known yet. Given the
        factors, only the response's own part hears of it; the factors hear of it through that.

        Parameters
        ----------
        response : int
        contrast : (K,)
            d: +1 and −1 at the two score points of a score preference.
        weight : float
            w, see `information`; 0 teaches nothing.
        """
        across = self.own[response] @ contrast
        left = weight / (1 + weight * float(contrast @ across))
        g = self.loadings[response].T @ contrast
        own, loadings = self.own.copy(), self.loadings.copy()
        own[response] -= left * np.outer(across, across)
        loadings[response] -= left * np.outer(across, g)
        sg = self.shared @ g
        shared = self.shared - left * np.outer(sg, sg) / (1 + left * float(g @ sg))
        return replace(self, loadings=loadings, shared=shared, own=own)


def information(mean: npt.ArrayLike, variance: npt.ArrayLike) -> Array:
    """Information w of one answer with P(yes) = σ(d), d ~ N(mean, variance) beforehand.

    The expected fall of the variance v of d is κ v² with κ = (E σ'(d))² / (p̄ (1 − p̄)), p̄ = E σ(d): a
    binary answer's posterior mean has two values, and Cov(d, σ(d)) = v E σ'(d) (Stein's lemma). w is such
    that a Gaussian observation with variance 1/w does the same, κ = w/(1 + w v). For v → 0 it is p (1 − p),
    the Fisher information; that alone would promise more than a yes or no can say, at most 2/π of v.

    Parameters
    ----------
    mean, variance : array-like
        Of the difference in reward, in logits.

    Returns
    -------
    array of their common shape
    """
    middle, spread = np.broadcast_arrays(np.asarray(mean, dtype=float), np.asarray(variance, dtype=float))
    spread = np.clip(spread, 0.0, None)
    capped = np.minimum(spread, WIDE)
    chance = expit(middle[..., None] + np.sqrt(capped)[..., None] * NODES)
    share = WEIGHTS / WEIGHTS.sum()
    yes, no = chance @ share, (1 - chance) @ share
    slope = (chance * (1 - chance)) @ share
    both = yes * no
    kappa = np.divide(slope**2, both, out=np.zeros_like(slope), where=both > 0)
    left = 1 - kappa * capped
    return np.asarray(kappa * np.divide(capped, spread, out=np.ones_like(spread), where=spread > WIDE) / left)


def reward_posterior(members: Array, items: Sequence[str] | npt.NDArray[np.str_]) -> RewardPosterior:
    """The posterior that an ensemble of M reward models stands for, shrunk against its small M.

    The members' covariance A Aᵀ/n, A their deviations from their mean, n = M − 1, has rank n: with eight
    members responses that have nothing to do with each other seem correlated by ±.38, and seven judgements
    would seem to teach everything. Covariances between responses are therefore multiplied by c = √(T/Σ s²),
    T the unbiased estimate of the sum of their true squares: a judgement's reach is a sum of their squares,
    and least squared error's c² would promise too little. Each response's own K × K covariance S_i goes to
    the mean of its item's, by Ledoit and Wolf's λ = Σ Var(s)/Σ (s − target)², at most 1 − c:

        G = A, S = I c/n, E_i = (1 − c − λ) S_i + λ mean of the item's S_i.

    An item's mean variance stays the ensemble's own: where the members agree for want of variety, the gap
    is too small.

    Parameters
    ----------
    members : (M, N, K)
        Centred rewards of the members, the first of all the feedback, the others of bootstrap samples.
    items : sequence of N str

    Returns
    -------
    RewardPosterior

    Raises
    ------
    DataError
        Fewer than three members.

    References
    ----------
    Ledoit & Wolf (2004), Journal of Multivariate Analysis 88, 365–411; Chen, Wiesel, Eldar & Hero (2010),
    IEEE Transactions on Signal Processing 58, 5016–5029. Ensemble Kalman filters know the trouble:
    Houtekamer & Mitchell (2001), Monthly Weather Review 129, 123–137.
    """
    count = len(members)
    if count < LEAST_MEMBERS:
        raise DataError(
            f"Uncertainty of rewards needs {LEAST_MEMBERS} members of an ensemble, there are {count}.",
            where="[reward] ensemble",
            mend="Set it to 8 and run the study again.",
        )
    mean = members.mean(axis=0)
    apart = np.asarray(members - mean).transpose(1, 0, 2)  # (N, M, K)
    alone = apart.swapaxes(1, 2) @ apart / (count - 1)  # each response's covariance
    target = np.empty_like(alone)
    names = np.asarray(items)
    for name in np.unique(names):
        target[names == name] = alone[names == name].mean(axis=0)
    whole = np.tensordot(apart, apart, axes=((0, 2), (0, 2)))  # (M, M)
    grams = apart @ apart.swapaxes(1, 2)  # (N, M, M)
    inside = sum((_sums(gram) for gram in grams), np.zeros(2))
    squares, products = _sums(whole) - inside
    kept = np.sqrt(_known(squares, products, count) / squares) if squares > 0 else 0.0
    own_squares, own_products = inside
    noise = own_squares - _known(own_squares, own_products, count)
    around = ((alone - target) ** 2).sum()
    shrunk = min(noise / around if around > noise else 1.0, 1 - kept)
    return RewardPosterior(
        mean=mean,
        loadings=apart.swapaxes(1, 2).copy(),
        shared=np.eye(count) * kept / (count - 1),
        own=(1 - kept - shrunk) * alone + shrunk * target,
        shrinkage=(float(1 - kept), float(shrunk)),
    )


def _sums(gram: Array) -> Array:
    """Sums of s_ab² and of s_aa s_bb over a covariance's elements, from the members' Gram matrix."""
    return np.array([(gram**2).sum(), np.trace(gram) ** 2]) / (len(gram) - 1) ** 2


def _known(squares: float, products: float, count: int) -> float:
    """Unbiased estimate of the sum of σ_ab² of normal numbers, at least 0, from `_sums`.

    E s_ab² = σ_ab² + (σ_ab² + σ_aa σ_bb)/n and E s_aa s_bb = σ_aa σ_bb + 2 σ_ab²/n, n = M − 1, are solved.
    """
    n = count - 1
    return max(n * n * (squares - products / n) / ((n + 2) * (n - 1)), 0.0)
