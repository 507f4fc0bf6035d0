"""A policy whose optimum can be reached: free logits for each response in place of a scorer's network."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn


class TabularNetwork(nn.Module):
    """What `align` needs of a `KWayNetwork`; a batch is the rows of the table."""

    def __init__(self, log_probs: np.ndarray):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(log_probs, dtype=torch.float32))
        self.compute = SimpleNamespace(device=torch.device("cpu"))

    def log_probs(self, rows: list[int]) -> torch.Tensor:
        return self.logits[rows].log_softmax(-1)

    def trainable(self) -> dict[str, nn.Parameter]:
        return dict(self.named_parameters())


class TabularScorer:
    """What `align` needs of a `LoraScorer`. It starts as the reference; responses are told by `row`."""

    def __init__(self, reference: np.ndarray):
        self.network_ = TabularNetwork(reference)
        self.responses = pd.DataFrame({"row": range(len(reference))})

    def encode(self, responses: pd.DataFrame) -> Any:
        places = responses["row"].tolist()
        return SimpleNamespace(
            lengths=np.ones(len(places), dtype=int),
            items=np.zeros(len(places), dtype=int),
            batch=lambda rows, device: [places[row] for row in rows],
        )

    @property
    def reached(self) -> np.ndarray:
        """Log-probabilities now, (N, K) float64."""
        return self.network_.logits.detach().double().log_softmax(-1).numpy()


@pytest.fixture
def tabular() -> Callable[[np.ndarray], Any]:
    """Makes a tabular policy from the reference's log-probabilities."""
    return TabularScorer
