"""A judge on this machine: a causal LM through transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psyalign.foundation.errors import ModelError
from psyalign.judge.engine import Choice, Prompt, most_probable

__all__ = ["LocalJudge"]

# Stands for the user's message while the chat template is laid around it.
PLACE = "\x02"


class LocalJudge:
    """A causal LM with its chat template, in float32.

    Texts of a prompt are read with special tokens taken apart, so that an answer that contains
    ``<|im_end|>`` cannot close the user's turn.

    Each part of a prompt is read by itself, on top of what was read before it, and kept until a prompt
    begins otherwise. So the same prompt gives the same numbers, whatever was asked before.

    Parameters
    ----------
    model : str
        "smollm2", a folder, or a Hugging Face id, as in [scorer] base.
    folder : Path, optional
        What a relative folder starts from: the study's.

    Raises
    ------
    ModelError
        The model cannot be found or read, or is no causal LM.
    """

    def __init__(self, model: str = "smollm2", folder: Path | None = None):
        from psyalign.scorer.device import choose_compute
        from psyalign.scorer.models import resolve_base

        base = resolve_base(model, folder)
        if base.kind != "causal":
            raise ModelError(
                f"The model '{model}' is no causal LM, so it cannot judge.",
                where="[judge] model",
                mend='Use "smollm2", or another causal LM.',
            )
        self.name = model
        self.identity = f"local:{model}:{base.sha256 or base.location}"
        self._device = choose_compute("float32").device
        self._model = base.load_language_model().eval().to(self._device)
        self._tokenizer = base.load_tokenizer()
        self._ends = self._end_tokens()
        self._room = int(getattr(self._model.config, "max_position_embeddings", 0) or 0)
        self._read: list[tuple[int, ...]] = []  # the parts that the cache holds
        self._cache: Any = None

    def choose(self, prompt: Prompt, labels: Sequence[str]) -> Choice:
        """The label with the largest logit right after the prompt.

        Raises
        ------
        ModelError
            A label is not one token of its own for this model, or the prompt is too long for it.
        """
        tokens = self._label_tokens(labels)
        logits = self._logits(prompt, room=1)
        values = logits.double().log_softmax(dim=-1)[tokens].tolist()
        return Choice(most_probable(labels, values), tuple(values))

    def write(self, prompt: Prompt, max_tokens: int) -> str:
        """Greedy decoding up to the model's end token or `max_tokens`; special tokens are left out."""
        import torch

        logits = self._logits(prompt, room=max_tokens)
        length = sum(map(len, self._read))
        found: list[int] = []
        with torch.inference_mode():
            while len(found) < max_tokens:
                token = int(logits.argmax())
                if token in self._ends:
                    break
                found.append(token)
                if len(found) < max_tokens:
                    logits = self._forward((token,))
        self._rewind(len(self._read), length)
        return str(self._tokenizer.decode(found, skip_special_tokens=True)).strip()

    def _logits(self, prompt: Prompt, room: int) -> Any:
        """Logits after the whole prompt, shape (V,); the parts that were read before are not read again."""
        parts = self._parts(prompt)
        total = sum(map(len, parts))
        if self._room and total + room > self._room:
            raise ModelError(
                f"A prompt of {total} tokens is too long for the judge, which reads {self._room}.",
                where="[judge] model",
                mend="Use a model with a longer context.",
            )
        import torch

        same = 0
        # the last part is read again: its logits are what is asked for
        while same < min(len(self._read), len(parts) - 1) and self._read[same] == parts[same]:
            same += 1
        self._rewind(same, sum(map(len, parts[:same])))
        logits = None
        with torch.inference_mode():
            for part in parts[len(self._read) :]:
                logits = self._forward(part)
                self._read.append(part)
        return logits

    def _forward(self, tokens: tuple[int, ...]) -> Any:
        import torch

        ids = torch.tensor([tokens], device=self._device)
        found = self._model(input_ids=ids, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
        self._cache = found.past_key_values
        return found.logits[0, -1].float().cpu()

    def _rewind(self, parts: int, tokens: int) -> None:
        """Forget what was read after the first `parts`; all of it where the cache cannot be cut."""
        if tokens:
            try:
                # by how many are to go: transformers 5.23 refuses the length that is to stay
                self._cache.crop(tokens - self._cache.get_seq_length())
                self._read = self._read[:parts]
                return
            except (AttributeError, NotImplementedError, ValueError):
                pass  # of a recurrent model, say
        self._cache, self._read = None, []

    def _parts(self, prompt: Prompt) -> list[tuple[int, ...]]:
        """Token ids of the parts, the chat template around them."""
        head, tail = self._frame(prompt.system)
        # line breaks go with what follows them: tokenizers join them to nothing before
        texts = [prompt.parts[0], *(f"\n\n{part}" for part in prompt.parts[1:])]
        parts = [tuple(self._tokenizer(text, **PLAIN)["input_ids"]) for text in texts]
        before = tuple(self._tokenizer(head, add_special_tokens=False)["input_ids"])
        after = tuple(self._tokenizer(tail, add_special_tokens=False)["input_ids"])
        return (
            [before + parts[0], *parts[1:-1], parts[-1] + after] if parts[1:] else [before + parts[0] + after]
        )

    def _frame(self, system: str) -> tuple[str, str]:
        """What the chat template puts before and after the user's message; plain text without a template."""
        if not self._tokenizer.chat_template:
            return f"{system}\n\n", "\n\nAnswer: "
        from jinja2 import TemplateError

        turns = [{"role": "system", "content": system}, {"role": "user", "content": PLACE}]
        merged = [{"role": "user", "content": f"{system}\n\n{PLACE}"}]  # for templates without a system role
        for messages in (turns, merged):
            try:
                text = self._tokenizer.apply_chat_template(
                    messages, tokenize=False, add_generation_prompt=True
                )
            except TemplateError:
                continue
            head, place, tail = str(text).partition(PLACE)
            if place:
                return head, tail
        raise ModelError("The chat template of the judge cannot be used.", where="[judge] model")

    def _label_tokens(self, labels: Sequence[str]) -> list[int]:
        found: list[int] = []
        for label in labels:
            ids = self._tokenizer(label, add_special_tokens=False)["input_ids"]
            if len(ids) != 1 or ids[0] in found:
                raise ModelError(
                    f"The label '{label}' is not a single, distinct token for this model.",
                    where="[judge] model",
                    mend="Choose another causal LM.",
                )
            found.append(ids[0])
        return found

    def _end_tokens(self) -> frozenset[int]:
        named = getattr(self._model.generation_config, "eos_token_id", None)
        several = named if isinstance(named, list) else [named]
        return frozenset(
            int(token) for token in (*several, self._tokenizer.eos_token_id) if token is not None
        )


PLAIN = {"add_special_tokens": False, "split_special_tokens": True}
