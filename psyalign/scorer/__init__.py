"""The scorer: a K-way distribution over score points from a LoRA-fine-tuned language model."""

import os

# Read when torch loads its thread library. Idle threads that spin cost up to 3.5 times the
# speed on a machine that also does other work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from psyalign.scorer.lora_scorer import LoraScorer
from psyalign.scorer.train import LossRow, Training

__all__ = ["LoraScorer", "LossRow", "Training"]
