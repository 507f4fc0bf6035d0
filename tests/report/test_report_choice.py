"""The section on how β and λ were chosen: what it says, and that a run without a choice has none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from psyalign.report import build_report
from psyalign.report.schema import COLUMNS

RunMaker = Callable[..., Path]
SAID = "β = 1.6, chosen by 5-fold cross-validation on 60 feedback persons"


def candidates() -> pd.DataFrame:
    rows = []
    for key, values in (("beta", [np.inf, 3.0, 1.6, 0.3]), ("equivalence_weight", [0.3, 1.0, 3.0])):
        for value in values:
            weighed = key == "equivalence_weight"
            row = dict.fromkeys(COLUMNS["choice"], np.nan) | {
                "key": key, "arm": "dpo+equivalence" if weighed else "", "criterion": "rps", "folds": 5,
                "value": value, "candidate": bool(np.isfinite(value)), "chosen": value in (1.6, 1.0),
                "best": value in (0.3, 3.0), "admissible": value < 3, "n_persons": 60, "n": 400,
                "rps": 0.345, "rps_se": 0.012, "qwk": 0.801, "qwk_se": 0.02, "ece": 0.05, "ece_se": 0.01,
                "excess": 0.002, "excess_se": 0.003,
            }  # fmt: skip
            if weighed:
                row |= {"n_pairs": 90, "gap": 0.21, "gap_se": 0.02, "signed_gap": -0.12, "sd_ratio": 0.97}
            rows.append(row)
    return pd.DataFrame(rows)


def section(run: Path, out: Path) -> str:
    page = build_report(run, out).read_text(encoding="utf-8")
    inside = re.search(r'<section[^>]*id="choice".*?</section>', page, re.DOTALL)
    return "" if inside is None else " ".join(re.sub(r"<[^>]+>", " ", inside.group()).split())


def test_the_section_says_what_was_chosen_how_and_of_whom(make_run: RunMaker, tmp_path: Path) -> None:
    run = make_run()
    candidates().assign(origin="simulated").to_parquet(run / "tables" / "choice.parquet", index=False)
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    manifest |= {"choice": {"beta": {"said": SAID}}}
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    text = section(run, tmp_path / "out")
    assert "How β and λ were chosen" in text and f"{SAID}." in text
    assert "Audit persons took no part in this." in text
    assert "400 responses of 60 held-out persons and 90 held-out pairs, arm dpo+equivalence" in text
    assert "∞ 0.345 (0.012) .801 (.020) .050 (.010) 0.002 (0.003)" in text
    assert "no 0.210 (0.020) −0.120 0.97" in text
    assert not re.search(r"\b(nan|none|inf)\b", text, re.IGNORECASE)
    assert len(pd.read_csv(tmp_path / "out" / "tables" / "choice.csv")) == 7


def test_only_beta_and_nothing_at_all(make_run: RunMaker, tmp_path: Path) -> None:
    run = make_run()
    assert section(run, tmp_path / "none") == ""
    table = candidates().assign(origin="simulated", criterion="qwk")
    table[table["key"] == "beta"].to_parquet(run / "tables" / "choice.parquet", index=False)
    text = section(run, tmp_path / "beta")
    assert "How β was chosen" in text and "λ" not in text and "1 − QWK above the smallest" in text
