"""What watches KL(π ‖ π_ref) while the policy learns: a controller of β, and a budget."""

from __future__ import annotations

__all__ = ["KLControl"]

# Ziegler et al. (2019), section 2.2: proportional gain, and the bound on the error that it sees
GAIN = 0.1
BOUND = 0.2


class KLControl:
    """Weight β of the KL penalty, fixed or steered towards a target, and a budget that ends training.

    Steered, β_{t+1} = β_t (1 + .1 e_t) with e_t = clip(KL_t/target − 1, −.2, .2): it grows by at
    most 2% a step while the policy is too far from the reference, and falls while it is too near.

    Parameters
    ----------
    beta : float
        β at the first step.
    target : float
        KL in nats that PPO's β is steered by; 0 keeps β as it is.
    budget : float
        KL in nats above which training ends; 0 is no budget.

    Attributes
    ----------
    beta : float
        β now.

    References
    ----------
    Ziegler et al. (2019), Fine-Tuning Language Models from Human Preferences, section 2.2.

    Examples
    --------
    >>> control = KLControl(0.1, target=0.05, budget=0.5)
    >>> control.steer(0.2)  # far above the target: the error is cut off at .2
    >>> round(control.beta, 6)
    0.102
    >>> control.check(0.6)
    >>> control.spent()
    True
    """

    def __init__(self, beta: float, *, target: float = 0.0, budget: float = 0.0):
        self.beta = beta
        self.target = target
        self.budget = budget
        self._spent = False

    @property
    def watches(self) -> bool:
        """Whether it does anything: with neither target nor budget, β is a constant."""
        return bool(self.target or self.budget)

    def check(self, kl: float) -> None:
        """Hold the KL of a batch against the budget."""
        self._spent = self._spent or (self.budget > 0 and kl > self.budget)

    def spent(self) -> bool:
        """Whether the KL of a batch was above the budget: nothing is to be updated any more."""
        return self._spent

    def steer(self, kl: float) -> None:
        """Move β by the KL of a batch, at the start of a step."""
        if self.target:
            error = min(max(kl / self.target - 1, -BOUND), BOUND)
            self.beta *= 1 + GAIN * error
