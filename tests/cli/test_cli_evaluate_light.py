"""`psyalign evaluate` loads what it needs: the rest would double its time and memory."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd

NOT_NEEDED = (
    *(
        "scipy.stats",
        "scipy.optimize",
        "scipy.linalg",
        "statsmodels",
        "duckdb",
        "sklearn",
        "matplotlib",
        "docx",
    ),
    *("torch", "transformers", "psyalign.study", "psyalign.pipeline", "psyalign.dif.screening"),
)


def test_an_evaluation_loads_little(tmp_path):
    rng = np.random.default_rng(1)
    true = rng.normal(3, 1, 120)
    first, second = (np.clip(np.rint(true + rng.normal(0, 0.5, 120)), 1, 5).astype(int) for _ in range(2))
    table = {"person": range(120), "system": true.round(3), "human": first, "human2": second}
    scores = tmp_path / "scores.csv"
    pd.DataFrame({**table, "gender": rng.choice(["girl", "boy"], 120)}).to_csv(scores, index=False)
    program = (
        "import sys\nfrom psyalign.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as done:\n    assert not done.code, done.code\n"
        f"print([name for name in {NOT_NEEDED!r} if name in sys.modules])"
    )
    options = ["--second-human", "human2", "--groups", "gender", "--bootstrap", "20", "--out", "out"]
    done = subprocess.run(
        [sys.executable, "-c", program, "evaluate", str(scores), *options],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert (tmp_path / "out" / "report.html").is_file()
