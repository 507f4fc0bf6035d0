"""The committed example report: small, simulated and marked so, and what psyalign makes of its tables."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pyarrow import parquet

from psyalign.report import build_report

EXAMPLE = Path(__file__).parents[2] / "reports" / "example-workplace-sjt"
DOCUMENTS = ("report.html", "report.json")
REBUILD = "psyalign report build reports/example-workplace-sjt/run --out reports/example-workplace-sjt"


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the report, built anew from the committed tables."""
    out = tmp_path_factory.mktemp("example")
    build_report(EXAMPLE / "run", out, ["html", "json"])
    return out


@pytest.mark.parametrize("name", DOCUMENTS)
def test_committed_tables_give_the_committed_report(rebuilt: Path, name: str) -> None:
    now, then = ((folder / name).read_text(encoding="utf-8") for folder in (rebuilt, EXAMPLE))
    differ = [
        (number, *lines)
        for number, lines in enumerate(zip(then.splitlines(), now.splitlines(), strict=False), 1)
        if lines[0] != lines[1]
    ]
    assert now == then, f"{len(differ)} lines differ, first {differ[:1]}. If that is meant: {REBUILD}"


def test_example_is_small_and_holds_tables_and_documents_only() -> None:
    tables = sorted((EXAMPLE / "run" / "tables").iterdir())
    assert {path.suffix for path in tables} == {".parquet"}
    assert {path.name for path in (EXAMPLE / "run").iterdir()} == {"manifest.json", "tables"}
    committed = [*tables, EXAMPLE / "run" / "manifest.json", *(EXAMPLE / name for name in DOCUMENTS)]
    assert sum(path.stat().st_size for path in committed) < 1_000_000


def test_example_is_marked_as_simulated_and_holds_no_person_and_no_path() -> None:
    manifest = (EXAMPLE / "run" / "manifest.json").read_text(encoding="utf-8")
    assert json.loads(manifest)["study"]["origin"] == "simulated"
    for path in (EXAMPLE / "run" / "tables").glob("*.parquet"):
        names = parquet.read_schema(path).names
        assert not {"person", "response", "text"} & set(names), path.name
    for text in (manifest, *((EXAMPLE / name).read_text(encoding="utf-8") for name in DOCUMENTS)):
        assert not re.search(r"(?<![\w./])/(home|tmp|work|root|Users|usr|var)/", text)
