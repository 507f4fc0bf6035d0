"""The scorer: a K-way distribution over score points from a LoRA-fine-tuned language model."""

from psyalign.scorer.lora_scorer import LoraScorer
from psyalign.scorer.train import LossRow, Training

__all__ = ["LoraScorer", "LossRow", "Training"]
