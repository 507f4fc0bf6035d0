"""LoraScorer: a categorical distribution over score points for each response."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from psyalign.foundation.errors import ModelError
from psyalign.foundation.files import read_json, write_json
from psyalign.foundation.hashing import hash_json, hash_texts
from psyalign.foundation.progress import progress_bar
from psyalign.foundation.seeds import derive_seed, generator
from psyalign.items import Item
from psyalign.scorer.device import choose_compute, deterministic
from psyalign.scorer.distributed import current_team, recipe, run_batches
from psyalign.scorer.encode import Encoded, Encoder, inference_batches
from psyalign.scorer.losses import ClassWeights, Loss, balanced_weights, mean_loss
from psyalign.scorer.models import resolve_base
from psyalign.scorer.network import KWayNetwork
from psyalign.scorer.prompt import prompt_context
from psyalign.scorer.train import LossRow, Training, train

__all__ = ["LoraScorer"]


class LoraScorer:
    """Scores free-text responses with a LoRA-fine-tuned language model.

    The policy is pi(s | item, response) over the item's score points. An encoder gets a
    K-way head on the response's mean-pooled tokens; a causal LM uses the K score-token rows
    of its LM head at the last token (DESIGN.md, idea 1).

    Parameters
    ----------
    items : mapping of str to Item
        The items that it can score.
    base : str
        "minilm", "smollm2", a folder, or a Hugging Face id.
    rank, alpha, dropout : int, float, float
        LoRA (Hu et al., 2022), on all linear layers of the layers that it adapts.
    layers : int
        How many top layers LoRA adapts; 0 is all. Fewer train faster: see `KWayNetwork`.
    max_tokens : int
        Longest prompt; longer responses lose their end.
    precision : {"auto", "float32", "bf16"}
    training : Training, optional
        Settings of `fit`.
    random_state : int
        Seed of LoRA's start.
    folder : Path, optional
        Where a relative `base` starts.
    loss : {"cross_entropy", "rps", "ranked_log"}
        What `fit` minimises; see `psyalign.scorer.losses`.
    class_weights : {"none", "balanced"}
        "balanced" gives the score points of an item the same say: see `balanced_weights`.

    Attributes
    ----------
    network_ : KWayNetwork
    encoder_ : Encoder
    base_ : BaseModel
    history_ : list of LossRow
        After `fit`, as the next two.
    truncated_ : int
        Training responses that were longer than `max_tokens` allows.
    mean_tokens_ : float
        Mean length of the training prompts.

    Examples
    --------
    >>> from pathlib import Path
    >>> from psyalign.items import load_bank
    >>> import pandas as pd
    >>> bank = load_bank(Path("items/mindca"))
    >>> scorer = LoraScorer(bank.items, base="minilm").build()
    >>> frame = pd.DataFrame({"item": ["sf1"], "response": ["They hid from her."]})
    >>> scorer.predict_proba(frame).round(2).tolist()  # untrained: uniform
    [[0.33, 0.33, 0.33]]
    """

    def __init__(
        self,
        items: Mapping[str, Item],
        base: str = "minilm",
        *,
        rank: int = 8,
        alpha: float = 16.0,
        dropout: float = 0.0,
        layers: int = 0,
        max_tokens: int = 256,
        precision: str = "auto",
        training: Training | None = None,
        random_state: int = 0,
        folder: Path | None = None,
        loss: Loss = "cross_entropy",
        class_weights: ClassWeights = "none",
    ):
        self.items = items
        self.base = base
        self.rank = rank
        self.alpha = alpha
        self.dropout = dropout
        self.layers = layers
        self.max_tokens = max_tokens
        self.precision = precision
        self.training = training
        self.random_state = random_state
        self.folder = folder
        self.loss = loss
        self.class_weights = class_weights

    def build(self) -> LoraScorer:
        """Load the base and put fresh LoRA and head on it."""
        deterministic(derive_seed(self.random_state, "lora"))
        self.base_ = resolve_base(self.base, self.folder)
        self.encoder_ = Encoder(self.base_.load_tokenizer(), self.base_.kind, self.items, self.max_tokens)
        rows = None
        if self.base_.kind == "causal":
            rows = self.base_.load_head_rows(self.encoder_.score_tokens())
        self.network_ = KWayNetwork(
            self.base_.load(),
            self.encoder_.max_scores,
            rank=self.rank,
            alpha=self.alpha,
            dropout=self.dropout,
            compute=choose_compute(self.precision),  # type: ignore[arg-type]
            head_rows=rows,
            layers=self.layers,
            made_by=self._made_by(),
        )
        self.network_.recipe = recipe(self)
        self.network_.eval()
        return self

    def _made_by(self) -> str:
        """What the states below the adapted layers depend on, beside the text."""
        precision = choose_compute(self.precision).precision  # type: ignore[arg-type]
        return f"{self.base_.sha256 or self.base_.location}/{self.layers}/{precision}"

    def fit(
        self,
        responses: pd.DataFrame,
        scores: Sequence[int] | np.ndarray,
        *,
        label: str = "fine-tune",
        checkpoint: Path | None = None,
    ) -> LoraScorer:
        """Supervised fine-tuning on scored responses, with the scorer's loss and class weights.

        Parameters
        ----------
        responses : DataFrame with columns item, response; N rows
        scores : (N,) integers
            Score points from 0.
        label : str
            Name of the training, shown with its progress.
        checkpoint : Path, optional
            See `psyalign.scorer.train.train`.

        Raises
        ------
        ModelError
            Training diverged or collapsed to one score point; loss or class weights do not exist.
        """
        if self.training is None:
            raise ModelError("The scorer has no training settings.", mend="Pass training=Training(...).")
        if not hasattr(self, "network_"):
            self.build()
        encoded = self.encode(responses)
        self.truncated_, self.mean_tokens_ = encoded.truncated, float(encoded.lengths.mean())
        targets = torch.tensor(np.asarray(scores), dtype=torch.long)
        weights = self._weights(responses, np.asarray(scores))
        settings = self.training

        def plan(epoch: int) -> list[list[int]]:
            rng = generator(settings.seed, label, "batches", epoch)
            return settings.batches(encoded.lengths, encoded.items, rng)

        def losses(rows: list[int]) -> Iterator[torch.Tensor]:
            device = self.network_.compute.device
            log_probs = self.network_.log_probs(encoded.batch(rows, device))
            weighed = None if weights is None else weights[rows].to(device)
            yield mean_loss(log_probs, targets[rows].to(device), self.loss, weighed)

        self.history_: list[LossRow] = train(
            self.network_, plan, losses, settings, label=label, checkpoint=checkpoint
        )
        self._refuse_collapse(responses, np.asarray(scores))
        return self

    def _weights(self, responses: pd.DataFrame, scores: np.ndarray) -> torch.Tensor | None:
        if self.class_weights == "none":
            return None
        if self.class_weights != "balanced":
            raise ModelError(
                f"There are no class weights '{self.class_weights}'.",
                where="[scorer] class_weights",
                mend="Use one of: none, balanced.",
            )
        return torch.tensor(balanced_weights(responses["item"].tolist(), scores), dtype=torch.float32)

    def _refuse_collapse(self, responses: pd.DataFrame, scores: np.ndarray) -> None:
        """A learning rate that is too high ends in one score for all, with a harmless-looking loss."""
        sample = generator(self.random_state, "collapse").permutation(len(responses))[:200]
        given = self.predict(responses.iloc[sample], quiet=True)
        shares = np.bincount(scores[sample]) / len(sample)
        if len(sample) >= 20 and len(np.unique(given)) == 1 and shares.max() < 0.9:
            raise ModelError(
                f"The scorer collapsed: it gives score {given[0]} to every response.",
                where="[scorer] learning_rate",
                mend="Lower learning_rate or raise warmup, and run again.",
            )

    def encode(self, responses: pd.DataFrame) -> Encoded:
        """Token ids of the prompts (columns item, response)."""
        return self.encoder_.encode(responses["item"].tolist(), responses["response"].tolist())

    def outputs(self, responses: pd.DataFrame, *, label: str = "score", quiet: bool = False) -> np.ndarray:
        """Raw head outputs, shape (N, K) float64: logits of a scorer, rewards of a reward model."""
        return self._apply("outputs", responses, label, quiet)

    def predict_log_proba(
        self, responses: pd.DataFrame, *, label: str = "score", quiet: bool = False
    ) -> np.ndarray:
        """Log-probabilities of the score points, shape (N, K) float64."""
        return self._apply("log_probs", responses, label, quiet)

    def _apply(self, function: str, responses: pd.DataFrame, label: str, quiet: bool) -> np.ndarray:
        encoded = self.encode(responses)
        batches = inference_batches(encoded, shared=self.network_.shares)
        result = np.empty((len(encoded), encoded.max_scores))
        team = current_team()
        with progress_bar(len(encoded), label, "response") as bar:
            bar.disable = quiet
            if team is not None and team.free and len(batches) > 1:
                return team.score(self, function, encoded, batches, bar)
            tables = run_batches(self.network_, function, encoded, batches, bar)
            for rows, table in zip(batches, tables, strict=True):
                result[rows] = table
        return result

    def predict_proba(self, responses: pd.DataFrame, *, quiet: bool = True) -> np.ndarray:
        """Probabilities of the score points, shape (N, K)."""
        return np.asarray(np.exp(self.predict_log_proba(responses, quiet=quiet)))

    def predict(self, responses: pd.DataFrame, *, quiet: bool = True) -> np.ndarray:
        """Modal score, shape (N,)."""
        return np.asarray(self.predict_log_proba(responses, quiet=quiet).argmax(axis=1))

    def predict_expected(self, responses: pd.DataFrame, *, quiet: bool = True) -> np.ndarray:
        """Expected score Σ s·pi(s), shape (N,)."""
        proba = self.predict_proba(responses, quiet=quiet)
        return np.asarray(proba @ np.arange(proba.shape[1]))

    def fingerprint(self) -> str:
        """Hash of base, adapter, prompts and precision: the same hash gives the same scores."""
        prompts = hash_texts(prompt_context(item) for item in self.items.values())
        facts = [self.base_.sha256 or self.base_.location, self.network_.fingerprint(), prompts]
        return hash_json([*facts, self.max_tokens, self.network_.compute.precision])

    def save(self, folder: Path) -> None:
        """Write adapter.safetensors and scorer.json."""
        self.network_.save(folder / "adapter.safetensors")
        write_json(
            folder / "scorer.json",
            {
                "base": self.base,
                "base_folder": str(self.folder.resolve()) if self.folder else None,
                "base_sha256": self.base_.sha256,
                "kind": self.base_.kind,
                "rank": self.rank,
                "alpha": self.alpha,
                "layers": self.layers,
                "max_tokens": self.max_tokens,
                "precision": self.network_.compute.precision,
                "items": list(self.items),
                "fingerprint": self.fingerprint(),
            },
        )

    @classmethod
    def load(cls, folder: Path, items: Mapping[str, Item], *, training: Training | None = None) -> LoraScorer:
        """Read what `save` wrote, ready to score or to be trained further (dropout 0).

        Raises
        ------
        ModelError
            The base's weights, the adapter or the items' prompts are not those of the training.
        """
        facts = read_json(folder / "scorer.json")
        scorer = cls(
            items,
            facts["base"],
            rank=facts["rank"],
            alpha=facts["alpha"],
            layers=facts.get("layers", 0),  # runs made before there was a choice adapted all
            max_tokens=facts["max_tokens"],
            precision=facts["precision"],
            training=training,
            folder=Path(facts["base_folder"]) if facts["base_folder"] else None,
        ).build()
        if facts["base_sha256"] != scorer.base_.sha256:
            raise ModelError(
                "The base model's weights have changed since the adapter was trained.",
                where=f"{folder}, base '{facts['base']}'",
                mend="Install the base that the run was made with, or run the study again.",
            )
        scorer.network_.load(folder / "adapter.safetensors")
        if facts["fingerprint"] != scorer.fingerprint():
            raise ModelError(
                "The adapter or the items' prompts are not those that were saved.",
                where=str(folder),
                mend="Use the items that the scorer was trained with, or run the study again.",
            )
        return scorer
