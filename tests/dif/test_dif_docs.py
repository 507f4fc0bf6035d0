"""The Python in docs/dif.md runs, and the page names every method and option value that there is."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from psyalign.dif import METHODS
from psyalign.dif.simulation.graded import default_items
from psyalign.dif.simulation.scores import simulate_grm

PAGE = Path(__file__).parents[2] / "docs" / "dif.md"


def test_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    scores, group = simulate_grm(150, 150, **default_items(8, 4)._asdict(), seed=2)
    table = pd.DataFrame(scores[0], columns=[f"item{j}" for j in range(8)])
    table.insert(0, "person", np.arange(300))
    table["gender"] = np.where(group == 1, "girl", "boy")
    table.to_csv(tmp_path / "scores.csv", index=False)
    table.to_parquet(tmp_path / "scores.parquet")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), {})
    printed = capsys.readouterr().out
    assert "girl minus boy" in printed and "Mantel DIF" in printed


def test_every_method_is_named() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert not [name for name in METHODS if f"`{name}`" not in text]
