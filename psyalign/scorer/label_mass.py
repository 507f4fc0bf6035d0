"""How much of a causal LM's probability is not on the score labels, before fine-tuning."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from psyalign.foundation.errors import ModelError
from psyalign.scorer.lora_scorer import LoraScorer

__all__ = ["label_mass_outside"]


def label_mass_outside(scorer: LoraScorer, responses: pd.DataFrame) -> np.ndarray:
    """Share of the raw base's next-token probability that is not on the item's score tokens, shape (N,).

    The base reads the scorer's prompt and, with its own language-model head, spreads probability over the
    whole vocabulary for the token that follows the cue; LoRA is switched off. Near 0 the base takes the
    prompt as a question for a score; near 1 it would go on with something else, and fine-tuning has the
    task to teach from the start. After fine-tuning there is no such share: the scorer has a head of K rows
    and no vocabulary, and its K probabilities sum to 1.

    Parameters
    ----------
    scorer : LoraScorer
        Built or fitted, on a causal LM.
    responses : DataFrame with columns item, response; N rows

    Returns
    -------
    ndarray of float64, from 0 to 1
        One prompt at a time, which takes little memory; below the head in the scorer's precision.

    Raises
    ------
    ModelError
        The base is an encoder, which has no vocabulary to spread probability over.
    """
    if scorer.base_.kind != "causal":
        raise ModelError(
            "Only a causal LM has a vocabulary at the place of the score.",
            where="[scorer] base",
            mend="Nothing is to be measured for an encoder: its head has the score points and no more.",
        )
    encoded, labels = scorer.encode(responses), torch.tensor(scorer.encoder_.score_tokens())
    compute, backbone = scorer.network_.compute, scorer.network_.backbone
    # of the whole model only its head: the frozen weights below are the scorer's own
    head = scorer.base_.load_language_model().get_output_embeddings().to(compute.device).float().eval()
    outside = np.empty(len(encoded))
    with torch.inference_mode(), backbone.disable_adapter():
        for row, points in enumerate(encoded.n_scores.tolist()):
            batch = encoded.batch([row], compute.device)
            with compute.autocast():
                hidden = backbone(input_ids=batch.input_ids, attention_mask=batch.attention_mask)
            last = int(batch.attention_mask[0].sum()) - 1  # widths are rounded up
            logits = head(hidden.last_hidden_state[0, last].float())
            proba = logits.double().softmax(dim=-1).cpu()
            proba[labels[:points]] = 0.0  # 1 − their sum would lose a tiny share outside
            outside[row] = float(proba.sum())
    return outside
