"""The real data beside the checkout, where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

MINDCA = Path(__file__).parents[2].parent / "shared" / "data" / "mindca" / "mindca_two_scores.csv"


@pytest.fixture(scope="session")
def mindca_table() -> Path:
    """Path of the MIND-CA table; the test is skipped, and says so, where it is absent."""
    if not MINDCA.is_file():
        pytest.skip(f"MIND-CA is not at {MINDCA}")
    return MINDCA
