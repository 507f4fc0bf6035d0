"""Direct preference optimisation, and its variants for noisy or one-sided preferences."""

from __future__ import annotations

from typing import Literal

import torch

from psyalign.reward.bradley_terry import bradley_terry_loss

__all__ = ["DpoVariant", "dpo_loss"]

DpoVariant = Literal["sigmoid", "conservative", "robust", "ipo"]


def dpo_loss(
    log_probs: torch.Tensor,
    reference: torch.Tensor,
    wins: torch.Tensor,
    beta: float,
    *,
    variant: DpoVariant = "sigmoid",
    label_noise: float = 0.0,
) -> torch.Tensor:
    """Direct preference optimisation: a loss on the implied rewards β·log(π/π_ref).

    With h the difference of the implied rewards of preferred and rejected score, and ε the
    label noise, the loss of one judgement is

    - sigmoid: −log σ(h), Bradley–Terry;
    - conservative: −(1−ε) log σ(h) − ε log σ(−h), which is least at σ(h) = 1 − ε;
    - robust: [−(1−ε) log σ(h) + ε log σ(−h)] / (1 − 2ε), whose expectation over judgements that
      were flipped with probability ε is the sigmoid loss of the unflipped ones. It has no lower
      bound where all judgements of a pair agree: with it, few epochs or a KL budget;
    - ipo: (h/β − 1/(2β))², which holds the log-ratio at a margin of 1/(2β) instead of driving it
      to infinity. Its optimum is not the π* of the others.

    Parameters
    ----------
    log_probs, reference : (B, K)
    wins : (B, K, K)
        Judgements "i over j"; all pairs of a response share its one forward pass.
    beta : float
        Strength of the KL penalty that the loss stands for; IPO's τ.
    variant : {"sigmoid", "conservative", "robust", "ipo"}
    label_noise : float
        ε, in [0, .5); read by "conservative" and "robust" only, which are "sigmoid" at 0.

    Returns
    -------
    scalar tensor
        ln 2 when the policy is the reference; 1/(4β²) for "ipo".

    References
    ----------
    Rafailov et al. (2023), Direct Preference Optimization, eq. 7. Mitchell (2023), A note on DPO
    with noisy preferences (conservative). Chowdhury, Kini & Natarajan (2024), Provably Robust DPO.
    Azar et al. (2023), A General Theoretical Paradigm to Understand Learning from Human
    Preferences, eq. 17 (IPO).
    """
    log_ratios = log_probs - reference
    if variant == "ipo":
        margins = log_ratios[:, :, None] - log_ratios[:, None, :] - 1 / (2 * beta)
        return (margins.square() * wins).sum() / wins.sum().clamp(min=1)
    return bradley_terry_loss(beta * log_ratios, _relabelled(wins, variant, label_noise))


def _relabelled(wins: torch.Tensor, variant: DpoVariant, noise: float) -> torch.Tensor:
    """Judgements as the variant counts them.

    Both losses are linear in the judgements, so that ε is a change of the counts alone: a share
    moved to the opposite judgement, or taken back out of it. The total of the counts stays.
    """
    if variant == "conservative":
        return (1 - noise) * wins + noise * wins.transpose(1, 2)
    if variant == "robust":
        return ((1 - noise) * wins - noise * wins.transpose(1, 2)) / (1 - 2 * noise)
    return wins
