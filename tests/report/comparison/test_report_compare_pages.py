"""What a comparison says, of runs that can be paired, partly or not at all, and what it never says."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from psyalign.report.comparison import Compared, Plan, write_comparison
from psyalign.report.comparison import compare_runs as compare_in_full
from psyalign.report.comparison.answers import answers, cautions
from psyalign.report.comparison.judged import judge_accuracy, judge_fairness

ScoredMaker = Callable[..., Path]
SECRET = "a private sentence nobody may print"


def compare_runs(a: Path, b: Path) -> Compared:
    """With as few resamples as are allowed."""
    return compare_in_full(a, b, Plan(bootstrap=200))


def edit(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Write a table of a run anew."""
    change(pd.read_parquet(path)).to_parquet(path, index=False)


def edit_manifest(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Write a run's manifest anew."""
    value = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    change(value)
    (run / "manifest.json").write_text(json.dumps(value), encoding="utf-8")


def text_of(path: Path) -> str:
    """The words of an HTML page."""
    parts: list[str] = []
    parser = HTMLParser()
    parser.handle_data = parts.append  # type: ignore[method-assign]
    parser.feed(path.read_text(encoding="utf-8"))
    return " ".join(" ".join(parts).split())


def test_first_page_answers_the_four_questions(scored_runs: tuple[Path, Path], tmp_path: Path) -> None:
    found = compare_runs(*scored_runs)
    (fair,), agreed = judge_fairness(found), judge_accuracy(found)
    assert (fair.kind, fair.square, agreed.kind) == ("nearer", "smaller", "higher")
    page = write_comparison(found, tmp_path / "out")
    text = text_of(page)
    for question, answer in answers(found):
        assert question in text
        assert " ".join(answer.split()) in text
    assert "By DIF yes, on variety" in text
    assert "corrected" in text
    assert "several seeds" in text
    assert not re.search(r"debias|unbias|\bsolved|\bproves", text.lower())


def test_documents_hold_the_same_and_no_response_text(scored_runs: tuple[Path, Path], tmp_path: Path) -> None:
    found = compare_runs(*scored_runs)
    write_comparison(found, tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"report.html", "report.docx", "report.json", "accuracy.csv"}
    for path in files:
        assert SECRET.encode() not in path.read_bytes()
    with zipfile.ZipFile(io.BytesIO((tmp_path / "report.docx").read_bytes())) as word:
        assert SECRET not in word.read("word/document.xml").decode()
        assert "Is B fairer than A?" in word.read("word/document.xml").decode()
    value = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (value["schema"], value["schema_version"]) == ("psyalign-comparison", 2)
    assert value["runs"]["a"]["run"] == "first"
    assert value["verdict"]["fairness"][0]["kind"] == "nearer"
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    anchors = [part["anchor"] for part in value["sections"]]
    assert anchors == re.findall(r'<section id="(\w+)"', page)
    assert set(anchors) >= {"answer", "asked", "accuracy", "groups", "dif", "method", "files"}
    for table in value["tables"].values():
        assert len(pd.read_csv(tmp_path / table["csv"])) == table["rows"]


def test_sections_are_laid_out_as_in_the_report_of_a_run(
    scored_runs: tuple[Path, Path], tmp_path: Path
) -> None:
    """The keys of a block are those that `psyalign.report.machine_readable` documents."""
    write_comparison(compare_runs(*scored_runs), tmp_path, ["json"])
    value = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    blocks = [block for section in value["sections"] for block in section["blocks"]]
    assert {block["kind"]: set(block) for block in blocks} == {
        "paragraph": {"kind", "text", "tone", "label"},
        "bullets": {"kind", "entries"},
        "terms": {"kind", "entries"},
        "table": {"kind", "caption", "columns", "rows", "note", "emphasis", "sources"},
        "figure": {"kind", "name", "caption", "alternative", "file", "sources"},
    }
    for block in blocks:
        assert set(block.get("sources", [])) <= set(value["tables"])
        if block["kind"] == "figure":
            assert (tmp_path / block["file"]).is_file()
            assert len(block["alternative"]) > 10 and block["alternative"] != block["caption"]
            assert block["sources"]


def test_the_same_runs_give_the_same_bytes(scored_runs: tuple[Path, Path], tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_comparison(compare_runs(*scored_runs), tmp_path / name)
    for path in (tmp_path / "one").rglob("*"):
        if path.is_file():
            other = tmp_path / "two" / path.relative_to(tmp_path / "one")
            assert path.read_bytes() == other.read_bytes(), path.name


def test_keys_inputs_and_items_that_differ_are_listed(copied: tuple[Path, Path]) -> None:
    edit_manifest(copied[1], lambda value: value["settings"]["scorer"]["lora"].update(rank=4))
    edit_manifest(copied[1], lambda value: value["inputs"].update({"ratings": "0a" * 32}))
    for run, text in zip(copied, ("one", "two"), strict=True):
        (run / "items").mkdir()
        (run / "items" / "item-2.toml").write_text(f'scenario = "{text}"', encoding="utf-8")
    found = compare_runs(*copied)
    assert found.tables["settings"].to_dict("records") == [
        {"key": "scorer.lora.rank", "a": "8", "b": "4", "name_only": False}
    ]
    inputs = found.tables["inputs"].set_index("what")["same"]
    assert inputs["Ratings"] == "no"
    assert inputs["Item A colleague takes credit"] == "no"
    assert "3 respects" in dict(cautions(found))["Why."]


@pytest.mark.parametrize(
    ("break_up", "reason"),
    [
        (lambda run: (run / "data" / "texts.parquet").unlink(), "texts.parquet is missing"),
        (lambda run: shutil.rmtree(run / "scores"), "scores.parquet is missing"),
        (
            lambda run: edit(run / "data" / "criterion.parquet", lambda table: table.assign(score=1)),
            "not judged by the same criterion",
        ),
        (
            lambda run: [
                edit(
                    run / "data" / f"{name}.parquet", lambda table: table.assign(person="x" + table["person"])
                )
                for name in ("criterion", "texts", "persons")
            ],
            "no person and item is in the audit part of both runs",
        ),
        (
            lambda run: edit_manifest(
                run, lambda value: value["settings"].update(data={"source": "simulate"})
            ),
            "simulated its persons anew",
        ),
        (
            lambda run: edit(
                run / "data" / "texts.parquet",
                lambda table: table.assign(response="another " + table["response"]),
            ),
            "only 0 persons",
        ),
    ],
)
def test_what_is_not_paired_is_not_tested(
    copied: tuple[Path, Path], tmp_path: Path, break_up: Callable[[Path], object], reason: str
) -> None:
    """The two figures stand side by side, with their own intervals, and nothing is claimed."""
    break_up(copied[1])
    found = compare_runs(*copied)
    assert reason in found.common.reason
    for name in ("accuracy", "groups", "dif", "dif_items", "diagnostics"):
        assert found.tables[name]["difference"].isna().all()
        assert found.tables[name]["p"].isna().all()
    own = found.tables["accuracy"].query("primary and metric == 'qwk'").iloc[0]
    assert own[["a", "a_low", "a_high", "b", "b_low", "b_high"]].notna().all()
    (fair,), agreed = judge_fairness(found), judge_accuracy(found)
    assert (fair.kind, fair.square, agreed.kind) == ("untested", "untested", "untested")
    text = text_of(write_comparison(found, tmp_path / "out"))
    assert "this cannot be said" in text
    assert reason in text


def test_part_of_the_persons_is_said_to_be_a_part(copied: tuple[Path, Path]) -> None:
    """60 persons of B were given another text and 20 another group: they are left out, and counted."""
    texts = copied[1] / "data" / "texts.parquet"
    other = [f"p{k:04}" for k in range(60)]
    edit(texts, lambda table: table.assign(
        response=table["response"].where(~table["person"].isin(other), "something else")
    ))  # fmt: skip
    turned = [f"p{k:04}" for k in range(60, 80)]
    swap = {"standard": "everyday", "everyday": "standard"}
    edit(copied[1] / "data" / "persons.parquet", lambda table: table.assign(
        variety=table["variety"].where(~table["person"].isin(turned), table["variety"].map(swap))
    ))  # fmt: skip
    found = compare_runs(*copied)
    assert (found.common.n_persons, found.common.whole) == (100, False)
    counts = found.tables["persons"].set_index("what")["n"]
    assert counts["Responses left out: another text in B than in A"] == 300
    assert counts["Persons compared by variety: in the same group in both runs"] == 80
    assert found.tables["dif"].query("primary and statistic == 'mean_es'")["n_persons"].iloc[0] == 80
    assert "Part of the persons." in dict(cautions(found))
    assert "on the 100 persons in both (." in answers(found)[2][1]


def test_two_other_scorers_are_compared_as_the_runs_own(write_scored: ScoredMaker, tmp_path: Path) -> None:
    a = write_scored(tmp_path / "a", primary_arm="refit")
    b = write_scored(tmp_path / "b", shift=-0.2, seed=2)
    found = compare_runs(a, b)
    assert (found.primary.a, found.primary.b) == ("refit", "equivalence")
    assert [pair.a for pair in found.pairs[1:]] == ["baseline", "refit", "equivalence"]
    assert "Refit (A), Equivalence (B)" in text_of(write_comparison(found, tmp_path / "out"))


def test_no_grouping_in_common_leaves_the_accuracy(write_scored: ScoredMaker, tmp_path: Path) -> None:
    a = write_scored(tmp_path / "a")
    b = write_scored(tmp_path / "b", groups={"variety": {"reference": "everyday", "focal": "standard"}})
    found = compare_runs(a, b)
    text = text_of(write_comparison(found, tmp_path / "out"))
    assert "the two runs have no grouping in common" in text
    assert judge_accuracy(found).kind != "untested"


def test_difference_shown_small_is_not_called_equal(write_scored: ScoredMaker, tmp_path: Path) -> None:
    """The same shift with other noise: no evidence of a difference, and it lies within the margin."""
    a, b = write_scored(tmp_path / "a", noise=0.1), write_scored(tmp_path / "b", noise=0.1, seed=2)
    found = compare_runs(a, b)
    (fair,) = judge_fairness(found)
    assert fair.kind == "small"
    words = answers(found)[0][1]
    assert "neither is shown to be fairer" in words
    assert "shown to be small" in words
    assert "equal" not in words


def test_hostile_names_do_no_harm(write_scored: ScoredMaker, tmp_path: Path) -> None:
    bad = ["<script>alert(1)</script>", "=1+1", "\u202egnihtemos", '"><b>', "{{ x }}"]
    runs = [write_scored(tmp_path / name, titles=bad, seed=seed) for name, seed in (("a", 1), ("b", 2))]
    for run in runs:
        edit_manifest(run, lambda value: value["study"].update(title="<i>x</i>", notice="=cmd()"))
    page = write_comparison(compare_runs(*runs), tmp_path / "out").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<i>x</i>" not in page
    assert "\u202e" not in page
