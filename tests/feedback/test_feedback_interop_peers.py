"""Exports read by the tools that they are for, where these are at hand (no dependency of psyalign)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from psyalign.feedback import Equivalence, Rating, Record, ResponsePreference, ScorePreference
from psyalign.feedback.interop import Outgoing, StudyTexts, export_feedback, import_feedback
from psyalign.items import Item, RubricPoint

# run apart: TRL and datasets are not in our environment
READ_BY_TRL = """
import json, sys
from pathlib import Path
from datasets import load_dataset
from trl.data_utils import is_conversational, maybe_extract_prompt, maybe_unpair_preference_dataset
folder = Path(sys.argv[1])
found = {}
for path in sorted(folder.glob("pairs-*")):
    kind = "json" if path.suffix == ".jsonl" else "parquet"
    rows = load_dataset(kind, data_files=str(path), split="train", cache_dir=str(folder / "cache"))
    rows.to_json(str(folder / f"again-{path.name}.jsonl"))
    found[path.name] = [
        len(rows), is_conversational(rows[0]), maybe_unpair_preference_dataset(rows)["label"][:],
        maybe_extract_prompt(dict(rows[0]))["prompt"] == rows[0]["prompt"],
    ]
print(json.dumps(found))
"""
ITEM = Item(
    "i",
    "1",
    "I",
    "care",
    "It happens.",
    "What now?",
    tuple(RubricPoint(s, f"label {s}", f"Description {s}.") for s in range(3)),
    (),
)
RECORDS: list[Record] = [
    ScorePreference("i", "p1|i", 2, 1, "ann", "page"),
    ResponsePreference("i", "p1|i", "p2|i", "b", "ann", "page"),
    ResponsePreference("i", "p1|i", "p2|i", "tie", "bob", "page"),
    Equivalence("i", "p1|i", "p2|i", True, "bob", "page"),
    Rating("i", "p2|i", 0, "bob", "page"),
]


@pytest.fixture
def texts() -> StudyTexts:
    import pandas as pd

    rows = [(f"p{n}|i", "i", f"Response {n}.", True) for n in (1, 2)]
    table = pd.DataFrame(rows, columns=["response_id", "item", "response", "feedback"])
    return StudyTexts(
        {"i": ITEM}, table, seed=1, scoring_prompt=lambda item, text: f"{item.id} {text}\nScore: "
    )


@pytest.mark.slow
def test_trl_reads_our_pairs_and_we_read_them_back(texts: StudyTexts, tmp_path: Path) -> None:
    from psyalign.scorer.models import cache_folder

    trl = cache_folder() / "peers" / "trl-1.16.0"
    if not trl.is_dir():
        pytest.skip(f"TRL 1.16.0 is not unpacked at {trl}")
    names = {
        f"pairs-{form}{end}": form == "talk" for form in ("plain", "talk") for end in (".jsonl", ".parquet")
    }
    for name, conversational in names.items():
        export_feedback(tmp_path / name, "trl", Outgoing(RECORDS, texts, conversational=conversational))
    done = subprocess.run(
        [sys.executable, "-c", READ_BY_TRL, tmp_path],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(trl), "HF_HUB_OFFLINE": "1"},
    )
    found = json.loads(done.stdout.splitlines()[-1])
    labels = [True, True, False, False]
    assert found == {name: [2, conversational, labels, True] for name, conversational in names.items()}
    for name in names:
        assert import_feedback(tmp_path / f"again-{name}.jsonl", "trl", texts).records == RECORDS[:2]


def test_argillas_own_records_hold_our_export(texts: StudyTexts, tmp_path: Path) -> None:
    """Through argilla.Record and back, as Dataset.from_disk and records.to_json go."""
    pytest.importorskip("argilla")
    from argilla.records._io import JsonIO

    export_feedback(tmp_path / "out", "argilla", Outgoing(RECORDS, texts))
    found: list[Record] = []
    for home in sorted((tmp_path / "out").iterdir()):
        path = tmp_path / f"{home.name}.json"
        JsonIO.to_json(JsonIO._records_from_json(home / "records.json"), path)
        found += import_feedback(path, "argilla", texts).records
    assert set(found) == set(RECORDS)


def test_label_studios_sdk_takes_our_configurations_and_answers(texts: StudyTexts, tmp_path: Path) -> None:
    """But for the object that a Pairwise is about: its front end names the Pairwise, its validator a text."""
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    export_feedback(tmp_path / "out", "label-studio", Outgoing(RECORDS, texts))
    for path in sorted((tmp_path / "out").glob("*.xml")):
        config = interface.LabelInterface(path.read_text(encoding="utf-8"))
        config.validate()
        for task in json.loads(path.with_suffix(".json").read_text(encoding="utf-8")):
            assert config.validate_task({"data": task["data"]})
            for annotation in task["annotations"]:
                for result in annotation["result"]:
                    control = config.get_control(result["from_name"])
                    assert control.tag.lower() == result["type"]
                    assert control.validate_value(result["value"])
                    if result["type"] != "pairwise":
                        assert config.validate_region(result)
