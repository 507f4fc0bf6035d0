"""A transformer with LoRA and a K-way head: the one network that scorers and reward models are."""

from __future__ import annotations

import hashlib
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from psyalign.foundation.errors import ModelError
from psyalign.foundation.files import atomic_path
from psyalign.scorer.attention import use_attention
from psyalign.scorer.device import Compute
from psyalign.scorer.encode import Batch
from psyalign.scorer.lora_linear import fuse_lora, keep_frozen_low
from psyalign.scorer.lower_layers import LowerLayers, adapted_modules
from psyalign.scorer.prefix import Layout, can_share, laid_out, lay_out

if TYPE_CHECKING:
    from psyalign.scorer.distributed import Team

__all__ = ["ABSENT", "KWayNetwork"]

# Log-probability (before normalising) of a score point that the item does not have. exp() of it
# is exactly 0 in float32, and unlike −inf it makes no NaN where it meets a probability of 0.
ABSENT = -1.0e4


class KWayNetwork(nn.Module):
    """Backbone with LoRA, pooling over given token weights, linear head to K outputs.

    Parameters
    ----------
    backbone : transformers model without a head
    max_scores : int
        K, the largest number of score points of an item.
    rank, alpha, dropout : LoRA's r, scaling numerator and dropout (Hu et al., 2022)
    compute : Compute
    head_rows : Tensor (K, hidden), optional
        Starting rows of the head (a causal LM's score-token rows); zeros if None, so that
        an untrained scorer is uniform.
    layers : int
        How many top layers LoRA adapts; 0 is all. What lies below is run once for each
        text, without dropout, and remembered.
    made_by : str
        Name of the frozen weights and the precision; networks of one name share that memory.
    """

    def __init__(
        self,
        backbone: Any,
        max_scores: int,
        *,
        rank: int,
        alpha: float,
        dropout: float,
        compute: Compute,
        head_rows: torch.Tensor | None = None,
        layers: int = 0,
        made_by: str = "",
    ):
        super().__init__()
        from peft import LoraConfig, get_peft_model

        if getattr(backbone, "pooler", None) is not None:
            backbone.pooler = None  # its output is never used, and LoRA would adapt it in vain
        modules = adapted_modules(backbone, layers)
        config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=modules)
        with warnings.catch_warnings():
            # peft asks transformers for an attribute whose name is to change; nothing for users to mend
            warnings.simplefilter("ignore", FutureWarning)
            self.backbone = get_peft_model(backbone, config)
        fuse_lora(backbone)
        if compute.bf16:
            keep_frozen_low(backbone)
        ours = use_attention(backbone)
        self.shares = ours and head_rows is not None and can_share(backbone)  # encoders look both ways
        self._lower = LowerLayers(backbone, layers, made_by, shares=self.shares) if layers else None
        hidden = backbone.config.hidden_size
        self.head = nn.Linear(hidden, max_scores, bias=head_rows is None)
        with torch.no_grad():
            if head_rows is None:
                nn.init.zeros_(self.head.weight)
                nn.init.zeros_(self.head.bias)
            else:
                self.head.weight.copy_(head_rows)
        self.compute = compute
        self.to(compute.device)
        self.recipe: dict[str, Any] = {}  # how another process builds it
        self.team: Team | None = None  # the processes that share its passes while it is trained

    def outputs(self, batch: Batch) -> torch.Tensor:
        """Raw outputs of the head, shape (B, K), float32; of the team's making where there is one."""
        return self.own_outputs(batch) if self.team is None else self.team.outputs(self, batch)

    def own_outputs(self, batch: Batch) -> torch.Tensor:
        """Raw outputs of the head, shape (B, K), float32, made in this process."""
        layout = lay_out(batch) if self.shares else None
        with self.compute.autocast():
            hidden = self._hidden(batch, layout)
        if layout is None:
            pooled = (hidden.float() * batch.pool_mask[:, :, None]).sum(dim=1)
        else:  # a causal LM's last token is the one that is pooled
            pooled = hidden[0, layout.last].float()
        result: torch.Tensor = self.head(pooled)
        return result

    def _hidden(self, batch: Batch, layout: Layout | None) -> torch.Tensor:
        """Last hidden states, (B, L, hidden), or (1, T, hidden) of a layout."""
        tokens: dict[str, Any] = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        states = None if self._lower is None else self._lower.states(batch)
        with ExitStack() as contexts:
            if layout is not None:
                tokens = layout.tokens(batch)
                states = None if states is None else states.flatten(0, 1)[layout.index][None]
                contexts.enter_context(laid_out(layout))
            if self._lower is not None and states is not None:
                contexts.enter_context(self._lower.given(states))
            hidden: torch.Tensor = self.backbone(**tokens).last_hidden_state
        return hidden

    def log_probs(self, batch: Batch) -> torch.Tensor:
        """Log-probabilities of the K score points, shape (B, K), float32; ABSENT where an item has none."""
        logits = self.outputs(batch).masked_fill(~batch.score_mask, ABSENT)
        return torch.log_softmax(logits, dim=-1)

    def trainable(self) -> dict[str, nn.Parameter]:
        """Name → parameter of LoRA and head, in a fixed order."""
        return {name: value for name, value in self.named_parameters() if value.requires_grad}

    def save(self, path: Path) -> None:
        """Write LoRA and head as safetensors (no pickle), atomically."""
        from safetensors.torch import save_file

        state = {name: value.detach().cpu().contiguous() for name, value in self.trainable().items()}
        with atomic_path(path) as temporary:
            save_file(state, temporary)

    def load(self, path: Path) -> None:
        """Read what `save` wrote; ModelError if it is damaged or belongs to another base, rank or K."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            state = load_file(path)
        except (FileNotFoundError, SafetensorError):
            raise ModelError("The adapter is missing or damaged.", where=str(path)) from None
        mine = self.trainable()
        if state.keys() != mine.keys() or any(state[name].shape != mine[name].shape for name in mine):
            raise ModelError(
                "The adapter does not fit the base model, the LoRA rank or the score points.",
                where=str(path),
                mend="Use the base and items that the adapter was trained with.",
            )
        with torch.no_grad():
            for name, value in mine.items():
                value.copy_(state[name])

    def fingerprint(self) -> str:
        """SHA-256 of the trainable weights: says whether a frozen model was left alone."""
        digest = hashlib.sha256()
        for name, value in self.trainable().items():
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()
