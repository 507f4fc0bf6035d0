"""A report can be rebuilt on a machine without the learning libraries, and loads no drawing library early."""

from __future__ import annotations

import subprocess
import sys


def test_report_needs_no_learning_library_and_draws_lazily() -> None:
    code = (
        "import sys, psyalign.report; "
        "heavy = 'torch transformers peft matplotlib sklearn statsmodels'.split(); "
        "print(sorted(set(heavy) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
