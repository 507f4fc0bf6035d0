"""What stands behind the results: purpose, items, data, raters, model card, plan, crosswalk, appendix."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from psyalign.foundation.hashing import hash_file
from psyalign.report import build_report
from psyalign.report.content import Bullets, Figure, Paragraph, Section, Table, Terms
from psyalign.report.load import RunTables, load_run
from psyalign.report.schema import COLUMNS
from psyalign.report.sections import build_sections
from psyalign.report.sections.crosswalk import CROSSWALK, crosswalk_section
from psyalign.report.sections.items import items_section
from psyalign.report.sections.model_card import model_card_section
from psyalign.report.sections.plan import plan_section
from psyalign.report.sections.provenance import provenance_section
from psyalign.report.sections.purpose import purpose_section
from psyalign.report.sections.raters import raters_section
from psyalign.report.sections.sample import sample_section, share

RunMaker = Callable[..., Path]
NASTY = '<script>alert(1)</script>=SUM(A1) "quoted" {{ 7 * 7 }}'
FLOW = [
    ("read", "persons", "with at least one response", "all", "all", 960, None, ""),
    ("read", "responses", "one for each person and item answered", "all", "all", 9350, None, ""),
    ("read", "ratings", "scores that raters gave these responses", "all", "all", 18_700, None, ""),
    ("read", "raters", "named in the ratings", "all", "all", 5, None, ""),
    ("missing", "persons", "with one item or more unanswered", "all", "all", 120, 960, "prorated"),
    ("missing", "responses", "person × item, not answered", "all", "all", 250, 9600, "prorated"),
    ("missing", "responses", "person × item, not answered", "variety", "standard", 48, 4800, "prorated"),
    ("missing", "responses", "person × item, not answered", "variety", "everyday", 202, 4800, "prorated"),
    ("left out", "responses", "audit persons’, not judged", "all", "all", 0, 2340, "no criterion score"),
    ("left out", "persons", "of DIF: no match", "variety", "all", 3, 240, "no match"),
]


def write(run: Path, name: str, table: pd.DataFrame) -> None:
    origin = json.loads((run / "manifest.json").read_text(encoding="utf-8"))["study"]["origin"]
    table.assign(origin=origin).to_parquet(run / "tables" / f"{name}.parquet", index=False)


def change(run: Path, **parts: Any) -> None:
    """Merge into the manifest, two levels deep."""
    path = run / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for key, value in parts.items():
        if not isinstance(value, dict):
            manifest[key] = value
            continue
        old = manifest.setdefault(key, {})
        for name, part in value.items():
            old[name] = {**old.get(name, {}), **part} if isinstance(part, dict) else part
    path.write_text(json.dumps(manifest), encoding="utf-8")


def flow_table(rows: list[tuple[Any, ...]] = FLOW) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS["flow"])).astype({"of": float})


def rater_table(names: list[str]) -> pd.DataFrame:
    count = len(names)
    severity = np.linspace(-0.9, 1.2, count)
    table = pd.DataFrame(
        {"rater": names, "ratings": 400, "score_preferences": 0, "response_preferences": 120,
         "severity": severity - severity.mean(), "severity_se": 0.12,
         "discrimination": np.linspace(1.6, 0.4, count), "discrimination_se": 0.15,
         "compared": 300,
         "agreement": np.linspace(0.82, 0.51, count)}
    )  # fmt: skip
    return table.assign(**{"drf[variety]": 0.1})


def whole_run(run: Path, title: str = "The late report") -> Path:
    """A run with every optional fact of these sections."""
    write(run, "flow", flow_table())
    points = [("0", "ignores it"), ("1", "sees it"), ("2", "acts on it")]
    rubric = [
        (f"item-{at}", int(score), label, f"Looks for: {label}.") for at in (1, 2) for score, label in points
    ]
    write(run, "rubric", pd.DataFrame(rubric, columns=list(COLUMNS["rubric"])))
    write(run, "raters", rater_table(["Ada", "Ben", "Cleo", "Dora", "Emil"]))
    items = pd.read_parquet(run / "tables" / "items.parquet").drop(columns="origin")
    items["construct"] = (["integrity", "teamwork", "service"] * len(items))[: len(items)]
    items["version"] = "1.2"
    items.loc[0, "title"] = title
    write(run, "items", items)
    dif = pd.read_parquet(run / "tables" / "dif_items.parquet").drop(columns="origin")
    error = dif["se"] / 1.1
    shown = np.where(error.isna(), "", "not shown")
    dif = dif.assign(es_se=error, p_equivalence=0.3, shown=shown, mde=2.8 * error,
                     smallest_bound=2.93 * error, eb_es=dif["es"], eb_p_a=0.5, eb_p_b=0.3,
                     eb_p_c=0.2)  # fmt: skip
    write(run, "dif_items", dif)
    bank = {"id": "workplace-sjt", "title": "Workplace situations", "version": "1.0", "language": "en",
            "licence": "Apache-2.0", "source": "Written for a test.", "notes": "Two\nlines."}  # fmt: skip
    change(
        run,
        bank=bank,
        scorer={"base_sha256": "aa" * 32, "processes": 2, "persons": 576, "truncated": 4},
        settings={
            "report": {
                "use": "Practice with feedback, no decisions.",
                "users": "Trainers with a rubric course.",
            },
            "scorer": {"loss": "rps", "lora": {"rank": 8, "alpha": 16.0, "layers": 0}, "max_tokens": 128},
            "reward": {"structure": "pcm", "ensemble": 3, "ensemble_reward": "worst", "base": ""},
            "align": {"beta": 0.2, "equivalence_weight": 1.5, "group_robust": 0.5},
            "split": {"stratify": ["variety"]},
            "feedback": {"equivalence": "matched_answers"},
        },
        choice={"beta": {"said": "β = 0.2 was chosen from 4 candidates"}},
    )
    return run


@pytest.fixture(name="whole")
def whole_fixture(make_run: RunMaker) -> RunTables:
    return load_run(whole_run(make_run()))


@pytest.fixture(name="bare")
def bare_fixture(make_run: RunMaker) -> RunTables:
    """A run of before these facts were written down."""
    return load_run(make_run("bare"))


def text_of(section: Section) -> str:
    return "\n".join(block.text for block in section.blocks if isinstance(block, Paragraph))


def table_of(section: Section, start: str) -> Table:
    return next(
        block for block in section.blocks if isinstance(block, Table) and block.caption.startswith(start)
    )


def card(section: Section) -> dict[str, str]:
    return dict(table_of(section, "Model card").rows)  # type: ignore[arg-type]


def test_purpose_is_told_in_the_words_of_the_study(whole: RunTables) -> None:
    section = purpose_section(whole)
    assert "As stated in the study file: “Practice with feedback, no decisions.”" in text_of(section)
    assert "“Trainers with a rubric course.”" in text_of(section)
    assert "integrity (4 items), teamwork (3 items) and service (3 items)" in text_of(section)
    assert ("Notes", "Two lines.") in table_of(section, "The item bank").rows


def test_purpose_that_nobody_stated_is_said_to_be_missing(bare: RunTables) -> None:
    section = purpose_section(bare)
    assert "does not state what the scores are to be used for" in text_of(section)
    assert "does not state who is to use the scores" in text_of(section)
    assert "All items are meant to measure one construct: conscientiousness." in text_of(section)
    assert not any(isinstance(block, Table) for block in section.blocks)


def test_items_have_versions_and_rubrics_where_the_run_has_them(whole: RunTables, bare: RunTables) -> None:
    items = table_of(items_section(whole), "The items")
    assert [column.title for column in items.columns][:4] == ["Item", "Title", "Version", "Construct"]
    rubric = table_of(items_section(whole), "The rubrics")
    assert rubric.folded and rubric.rows[2] == (
        "The late report",
        "2",
        "acts on it",
        "Looks for: acts on it.",
    )
    assert len([block for block in items_section(bare).blocks if isinstance(block, Table)]) == 1


def test_data_say_what_is_missing_and_how_the_groups_differ_in_it(whole: RunTables) -> None:
    section = sample_section(whole)
    text = text_of(section).replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "960 persons gave 9 350 responses. 2.6% of the possible responses are missing." in text
    assert "By variety: 1.0% for standard, 4.2% for everyday." in text
    assert "groups differ in what they left unanswered" not in text  # 3.2 points
    assert "Every response of the audit persons was judged." in text
    flow = table_of(section, "From the data")
    assert flow.rows[-1][:3] == ("Left out", "persons: of DIF: no match", "variety")
    assert flow.rows[6][2] == "variety = standard"
    assert table_of(section, "Persons and responses by split").rows


def test_a_gap_in_missing_responses_is_pointed_out(make_run: RunMaker) -> None:
    run = make_run()
    rows = [(*row[:5], 480, *row[6:]) if row[4] == "everyday" else row for row in FLOW]
    write(run, "flow", flow_table(rows))
    assert "groups differ in what they left unanswered" in text_of(sample_section(load_run(run)))


def test_data_of_an_older_run_have_their_split(bare: RunTables) -> None:
    section = sample_section(bare)
    assert "made before missing and left-out responses were counted" in text_of(section)
    assert len([block for block in section.blocks if isinstance(block, Table)]) == 1


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 10, "0%"), (10, 10, "100%"), (1, 1000, "0.1%"), (1, 4, "25.0%"), (99, 100, "99.0%"), (1, 0, "–")],
)
def test_shares(part: int, whole: int, said: str) -> None:
    assert share(part, whole) == said


def test_raters_apart_from_the_others_are_named_and_drawn(whole: RunTables) -> None:
    section = raters_section(whole)
    assert "more severe than their mean: Dora, Emil; more lenient: Ada, Ben." in text_of(section)
    assert "less sharply apart than is typical: Dora, Emil." in text_of(section)
    (figure,) = [block for block in section.blocks if isinstance(block, Figure)]
    assert figure.name == "rater-map" and figure.source == "raters.csv"
    assert figure.svg.index("Emil") < figure.svg.index("Ada")  # the most severe on top
    assert any(isinstance(block, Terms) for block in section.blocks)


def test_two_raters_are_not_drawn_and_one_is_no_comparison(make_run: RunMaker, bare: RunTables) -> None:
    run = make_run("two")
    write(run, "raters", rater_table(["Ada", "Ben"]))
    two = raters_section(load_run(run))
    assert not any(isinstance(block, Figure) for block in two.blocks)
    assert table_of(two, "The raters").rows
    assert "come from one rater or from a panel taken as one" in text_of(raters_section(bare))


def test_many_raters_are_drawn_from_both_ends(make_run: RunMaker) -> None:
    run = make_run()
    names = [f"rater-{at:03d}" for at in range(60)]
    write(run, "raters", rater_table(names))
    (figure,) = [block for block in raters_section(load_run(run)).blocks if isinstance(block, Figure)]
    assert "20 raters of middling severity are left to the table" in figure.caption
    assert "rater-059" in figure.svg and "rater-000" in figure.svg and "rater-030" not in figure.svg


def test_raters_without_severities_are_not_said_to_be_alike(make_run: RunMaker) -> None:
    run = make_run()
    unknown = dict.fromkeys(("severity", "severity_se", "discrimination", "discrimination_se"), np.nan)
    write(run, "raters", rater_table(["Ada", "Ben", "Cleo"]).assign(**unknown))
    assert "cannot be told" in text_of(raters_section(load_run(run)))


def test_model_card_tells_what_was_trained_how(whole: RunTables) -> None:
    found = card(model_card_section(whole))
    assert found["Base model"].endswith("minilm, an encoder with one output for each score point")
    prints = table_of(model_card_section(whole), "Fingerprints").rows
    assert prints[0] == ("base: minilm", "aa" * 32) and ("weights", "5e" * 32) in prints
    assert "LoRA of rank 8, α = 16, in all layers" in found["Size"]
    assert "loss: ranked probability score" in found["Fine-tuning"]
    assert "partial credit model" in found["Reward model"]
    assert "3 models, of whose rewards the least counts" in found["Reward model"]
    assert "87% of held-out" in found["Reward model"]
    assert found["β, strength of the KL penalty"] == "0.2; β = 0.2 was chosen from 4 candidates"
    assert found["λ, weight of the equivalence term"].endswith("not chosen by the data")
    assert found["Computed in"] == "float32, on cpu, by 2 processes"
    assert "240 audit persons" in found["Judged on"]
    assert "Probability off the score labels, before fine-tuning" not in found


def test_model_card_of_a_causal_model_has_its_label_mass(make_run: RunMaker) -> None:
    run = make_run()
    change(run, scorer={"kind": "causal", "label_mass_outside_mean": 0.124, "label_mass_outside_max": 0.51})
    found = card(model_card_section(load_run(run)))
    assert found["Probability off the score labels, before fine-tuning"] == "12% on average, 51% at most"


def test_membership_is_told_wherever_it_could_have_been_used(whole: RunTables, bare: RunTables) -> None:
    rows = {row[0]: row[1:] for row in table_of(model_card_section(whole), "Where group").rows}
    assert rows["Input of a scorer"][0] == "never"
    assert rows["Training of the aligned arms"][0] == "yes"
    assert "group_robust = 0.5, on variety" in rows["Training of the aligned arms"][1]
    assert rows["Making of the feedback"][0] == rows["Split of the persons"][0] == "yes"
    rows = {row[0]: row[1:] for row in table_of(model_card_section(bare), "Where group").rows}
    assert {where for where, row in rows.items() if row[0] == "yes"} == {"Audit"}


def test_power_is_told_in_words_and_by_item(whole: RunTables) -> None:
    section = plan_section(whole)
    text = text_of(section)
    # es_se = .121 / 1.1 = .11, so the MDE is 2.8 × .11 = .308 and (.308 / .17)² = 3.28
    assert "finds DIF of 0.31 SD on a typical item in 4 of 5 cases" in text
    assert "about 3.3 times as many persons are needed" in text
    assert "with 120 standard and 120 everyday persons an item" in text
    power = table_of(section, "Power by item")
    assert power.rows[0][3:] == ("0.31", "0.34", "0.32")  # human SD 1.1
    assert power.rows[-1][3:] == ("–", "–", "–")  # the item that was not estimable
    methods = [row[1] for row in table_of(section, "The analyses").rows if row[0] == "DIF of an item"]
    assert len(methods) == 3


def test_enough_power_is_said_to_be_enough(make_run: RunMaker) -> None:
    run = whole_run(make_run())
    dif = pd.read_parquet(run / "tables" / "dif_items.parquet").drop(columns="origin")
    write(run, "dif_items", dif.assign(mde=dif["mde"] / 3))
    text = text_of(plan_section(load_run(run)))
    assert "enough, on every item, for DIF of 0.17 SD" in text and "times as many" not in text


def test_power_of_narrow_scores_and_few_persons_is_doubted(make_run: RunMaker) -> None:
    run = whole_run(make_run(sd_ratio=0.6))
    dif = pd.read_parquet(run / "tables" / "dif_items.parquet").drop(columns="origin")
    write(run, "dif_items", dif.assign(n_focal=7))
    text = text_of(plan_section(load_run(run)))
    assert "spread only 0.60 times as wide as the human ones" in text
    assert "fewer than 20 persons in a group" in text


def test_plan_of_an_older_run_has_no_power(bare: RunTables) -> None:
    assert "“Not significant” must not be read as “no DIF”" in text_of(plan_section(bare))


def test_crosswalk_names_only_sections_that_the_report_has(whole: RunTables) -> None:
    sections = build_sections(whole)
    titles = {section.title for section in sections}
    section = next(section for section in sections if section.anchor == "crosswalk")
    assert sections[-1].anchor == "provenance" and sections[-2] is section
    assert "certifies nothing" in text_of(section)
    tables = [block for block in section.blocks if isinstance(block, Table)]
    assert len(tables) == len(CROSSWALK) == 4
    places = [row[0] for row in tables[0].rows]
    assert places == ["2.7", "3.3", "3.6", "3.8", "4.18", "4.19", "4.20"]
    for table in tables:
        for row in table.rows:
            named = row[2].split(".")[0].split("; ")
            assert row[2].startswith(("Not covered.", "Nothing in this run.")) or set(named) <= titles
    assert "complian" not in json.dumps([row for table in tables for row in table.rows])


def test_crosswalk_of_nothing_says_nothing_is_there() -> None:
    first = next(block for block in crosswalk_section([]).blocks if isinstance(block, Table))
    assert all(row[2].startswith("Nothing in this run.") for row in first.rows)
    one = crosswalk_section([Section("dif", "DIF per item", ())])
    first = next(block for block in one.blocks if isinstance(block, Table))
    assert {row[0]: row[2] for row in first.rows}["3.8"] == "DIF per item."


def test_appendix_has_commands_and_the_hash_of_every_table(make_run: RunMaker) -> None:
    run = whole_run(make_run())
    tables = load_run(run)
    section = provenance_section(tables)
    (commands,) = [block for block in section.blocks if isinstance(block, Bullets)]
    assert [lead.split()[0] for lead, _ in commands.entries] == ["psyalign"] * 3
    files = table_of(section, "The tables of the run")
    hashes = {row[0]: row[2] for row in files.rows}
    assert hashes["tables/flow.parquet"] == hash_file(run / "tables" / "flow.parquet")
    assert len(hashes) == len(list((run / "tables").glob("*.parquet")))
    assert ("truncated", "4") in table_of(section, "Further facts").rows


def test_titles_that_are_markup_do_no_harm(make_run: RunMaker, tmp_path: Path) -> None:
    run = whole_run(make_run(), title=NASTY)
    write(run, "raters", rater_table([NASTY, "Ben", "Cleo"]))
    change(run, bank={"title": NASTY}, settings={"report": {"use": NASTY, "users": NASTY}})
    change(run, choice={"beta": {"said": NASTY}})
    page = build_report(run, tmp_path / "out", ["html"]).read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "{{ 7 * 7 }}" in page  # as text, not as a template
    csv = (tmp_path / "out" / "tables" / "raters.csv").read_text(encoding="utf-8")
    assert "\n=" not in csv
