"""report.json: what its module says is in it, and the same as on the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from psyalign.foundation.errors import UsageError
from psyalign.report import build_report
from psyalign.report.load import load_run
from psyalign.report.sections import build_sections

RunMaker = Callable[..., Path]
RunWriter = Callable[..., Path]
FEW = ["baseline", "refit", "equivalence"]
TEXT = (str,)
KNOWN_OR_NULL = (float, int, type(None))
BLOCKS: dict[str, dict[str, tuple[type, ...]]] = {
    "paragraph": {"text": TEXT, "tone": TEXT, "label": TEXT},
    "bullets": {"entries": (list,)},
    "terms": {"entries": (list,)},
    "table": {"caption": TEXT, "columns": (list,), "rows": (list,), "note": TEXT, "emphasis": (list,),
              "sources": (list,)},
    "figure": {"name": TEXT, "caption": TEXT, "alternative": TEXT, "file": TEXT, "sources": (list,)},
}  # fmt: skip
TYPES: dict[str, tuple[type, ...]] = {
    "number": (float, int), "integer": (int,), "boolean": (bool,), "text": (str,),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(write_run: RunWriter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("json")
    run = write_run(home / "run", arms=FEW)
    return build_report(run, home / "out", ["json", "html"]).parent


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    found: dict[str, Any] = json.loads((folder / "report.json").read_text("utf-8"), parse_constant=refuse)
    return found


def test_top_level_is_as_documented(report: dict[str, Any]) -> None:
    assert set(report) == {"schema", "schema_version", "study", "made", "verdict", "sections", "tables"}
    assert (report["schema"], report["schema_version"]) == ("psyalign-report", 1)
    assert report["made"] == {
        "psyalign": "0.1.0", "started": "2026-11-22T10:00:00Z", "finished": "2026-11-22T10:09:30Z",
    }  # fmt: skip
    study = report["study"]
    assert (study["name"], study["origin"], study["seed"]) == ("workplace-sjt", "simulated", 20261122)
    assert study["primary_arm"] == "equivalence"
    assert study["groups"] == [{"grouping": "variety", "reference": "standard", "focal": "everyday"}]


def test_every_block_has_the_documented_keys_and_types(report: dict[str, Any]) -> None:
    seen = set()
    for section in report["sections"]:
        assert set(section) == {"anchor", "title", "blocks"}
        for block in section["blocks"]:
            keys = BLOCKS[block["kind"]]
            seen.add(block["kind"])
            assert set(block) == {"kind", *keys}
            for key, kinds in keys.items():
                assert isinstance(block[key], kinds), (block["kind"], key)
            for entry in block.get("entries", []):
                assert set(entry) == {"lead", "text"}
            for row in block.get("rows", []):
                assert len(row) == len(block["columns"])
                assert all(isinstance(cell, str) for cell in row)
    assert seen == set(BLOCKS)


def test_files_and_sources_are_there(report: dict[str, Any], folder: Path) -> None:
    blocks = [block for section in report["sections"] for block in section["blocks"]]
    for block in blocks:
        for source in block.get("sources", []):
            assert source in report["tables"], block["caption"]
        if block["kind"] == "figure":
            assert (folder / block["file"]).is_file()
    assert sum(bool(block.get("sources")) for block in blocks) > 8


def test_tables_are_described_as_their_json_files_are(report: dict[str, Any], folder: Path) -> None:
    for name, table in report["tables"].items():
        records = json.loads((folder / table["json"]).read_text(encoding="utf-8"))
        assert (folder / table["csv"]).is_file() and len(records) == table["rows"]
        for record in records:
            assert list(record) == [column["name"] for column in table["columns"]]
            for column in table["columns"]:
                value = record[column["name"]]
                assert value is None or isinstance(value, TYPES[column["type"]]), (name, column, value)


def test_verdict_has_the_unrounded_numbers_of_the_tables(report: dict[str, Any], folder: Path) -> None:
    found = report["verdict"]
    assert found["after"] == "equivalence"
    summary = pd.read_parquet(folder.parent / "run" / "tables" / "dif_summary.parquet")
    row = summary[(summary["arm"] == "equivalence") & (summary["sd_kind"] == "human")].iloc[0]
    (dif,) = found["dif"]
    assert (dif["grouping"], dif["kind"]) == ("variety", "reduced")
    assert dif["after"] == row["mean_es"]
    assert dif["change"] == {"value": row["change"], "low": row["change_low"], "high": row["change_high"]}
    agreement = found["agreement"]
    assert (agreement["metric"], agreement["kind"]) == ("qwk", "gained")
    assert agreement["before"] == pytest.approx(0.775) and agreement["after"] == pytest.approx(0.801)
    assert found["refit"]["kind"] in {"better", "as_good", "mixed", "less"}
    assert found["small_sd_ratio"] is None
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert all(sentence in page for sentence in found["sentences"].values())


def test_sections_are_those_of_the_page(report: dict[str, Any], folder: Path) -> None:
    sections = build_sections(load_run(folder.parent / "run"))
    assert [part["title"] for part in report["sections"]] == [part.title for part in sections] + ["Files"]


def test_a_run_without_an_aligned_arm_claims_nothing(make_run: RunMaker, tmp_path: Path) -> None:
    path = build_report(make_run(arms=["baseline"], primary_arm=""), tmp_path / "out", ["json"])
    assert path.name == "report.json"
    found = json.loads(path.read_text(encoding="utf-8"))["verdict"]
    assert [found[key] for key in ("after", "dif", "agreement", "refit", "small_sd_ratio")] == [None] * 5
    assert found["sentences"]["dif"].startswith("This run has no aligned arm")


def test_only_the_formats_asked_for_are_written(folder: Path) -> None:
    assert {path.name for path in folder.glob("report.*")} == {"report.html", "report.json"}


@pytest.mark.parametrize("formats", [["htm"], ["pdf", "html"], []])
def test_unknown_formats_are_refused_before_anything_is_read(tmp_path: Path, formats: list[str]) -> None:
    with pytest.raises(UsageError, match="report format") as caught:
        build_report(tmp_path, tmp_path / "out", formats)
    assert "html" in str(caught.value)
    assert not (tmp_path / "out").exists()
