"""Study files: what is read, and one clear error for what is wrong."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from psyalign.foundation.errors import StudyError
from psyalign.foundation.shipped import shipped_folder
from psyalign.study import Study, load_study, resolved, resolved_toml

SMALL = """\
[study]
name = "small"
seed = 3
[items]
bank = "mindca"
[data]
responses = "responses.csv"
ratings = "ratings.csv"
[groups.gender]
reference = "boy"
focal = "girl"
[feedback]
equivalence = "matched_answers"
[align]
arms = ["baseline", "dpo"]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def error(folder: Path, text: str) -> StudyError:
    with pytest.raises(StudyError) as caught:
        load_study(write(folder, text))
    return caught.value


def test_small_study_gets_defaults(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, SMALL))
    assert study.path == tmp_path / "study.toml"
    assert study.folder == tmp_path
    assert study.study.title == "small"
    assert study.scorer.lora.rank == 8
    assert study.split.shares == {"train": 0.6, "feedback": 0.15, "audit": 0.25}
    assert study.groups["gender"].focal == "girl"
    assert study.data.responses is not None
    assert study.file(study.data.responses) == tmp_path / "responses.csv"
    assert study.simulation is None


def test_folder_stands_for_its_study_file(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    assert load_study(tmp_path).study.name == "small"


def test_models_are_frozen(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, SMALL))
    with pytest.raises(ValidationError, match="frozen"):
        study.align.beta = 2.0


@pytest.mark.parametrize(
    ("arms", "after"),
    [
        ('"baseline", "equivalence", "dpo"', "equivalence"),
        ('"baseline", "refit", "dpo", "ceiling"', "dpo"),
        ('"refit", "baseline"', "refit"),
    ],
)
def test_primary_arm_default(tmp_path: Path, arms: str, after: str) -> None:
    study = load_study(write(tmp_path, SMALL.replace('"baseline", "dpo"', arms)))
    assert study.report.primary_arm == after


def test_simulation_default_only_when_simulating(tmp_path: Path) -> None:
    text = SMALL.replace('responses = "responses.csv"\nratings = "ratings.csv"', 'source = "simulate"')
    study = load_study(write(tmp_path, text))
    assert study.simulation is not None
    assert study.simulation.persons == 240


# text appended to SMALL · part of the message · part of `where` · part of `mend`
APPENDED = [
    ("betta = 1.0", "Unknown key 'betta' in [align].", "[align] betta (line 16)", "Did you mean 'beta'?"),
    ("max_tokens = 9", "Unknown key 'max_tokens'", "[align] max_tokens", "belongs in [scorer]"),
    ("zzz = 1", "Unknown key 'zzz'", "[align] zzz", "[align] knows: arms, beta"),
    ("[scorrer]\nepochs = 1", "Unknown table 'scorrer'", "[scorrer] (line 16)", "'scorer'"),
    ("[scorer.lora]\nrnk = 1", "Unknown key 'rnk' in [scorer.lora]", "[scorer.lora] rnk (line 17)", "'rank'"),
    ('beta = "1"', "must be a number", "[align] beta", ""),
    ("beta = true", "must be a number", "[align] beta", ""),
    ("beta = nan", "finite", "[align] beta", ""),
    ("beta = inf", "finite", "[align] beta", ""),
    ("beta = 0", "greater than 0", "[align] beta", ""),
    ("epochs = 2.5", "whole number", "[align] epochs", ""),
    ("epochs = true", "whole number", "[align] epochs", ""),
    ("batch_size = 0", "at least 1", "[align] batch_size", ""),
    ("[report]\nshow_text = 1", "true or false", "[report] show_text", ""),
    ('[report]\nprimary_arm = "pp"', "must be one of", "[report] primary_arm", '"ppo"'),
    ('[report]\nprimary_arm = "ppo"', "not among the arms", "[report] primary_arm", "baseline, dpo"),
    ('[report]\nprimary_arm = "baseline"', 'cannot be the arm called "after"', "[report] primary_arm", ""),
    ('[scorer]\nprecision = "bf61"', "must be one of", "[scorer] precision", '"bf16"'),
    ('[dif]\ncorrection = "Holm"', "must be one of", "[dif] correction", '"holm"'),
    ('[dif]\nmatching = "total"', "can only be criterion_total", "[dif] matching", ""),
    ("[dif]\nmethods = []", "No DIF method", "[dif] methods", ""),
    ('[dif]\nmethods = ["smd", "smd"]', "twice", "[dif] methods", ""),
    (
        '[dif]\nmethods = ["smd", "gmhh"]',
        "Each of 'methods' must be one of mantel",
        "[dif] methods",
        '"gmh"?',
    ),
    ('[dif]\nmethods = ["liu-agresti"]', "must be one of", "[dif] methods", '"liu_agresti"?'),
    (
        '[dif]\nmethods = ["polysib"]',
        "a study matches on the human total",
        "[dif] methods (line 17)",
        "psyalign dif",
    ),
    ('[dif]\nmethods = ["smd", "logistic"]', "two score points", "[dif] methods", "--methods logistic"),
    ("[dif]\nmethods = [1]", "must be one of", "[dif] methods", ""),
    ("[dif]\nalpha = 0.5", "less than 0.5", "[dif] alpha", ""),
    ("[dif]\nes_large = 0.1", "must be above es_moderate", "[dif] es_large", ""),
    ("[dif]\nmin_group = 3", "at least 4", "[dif] min_group", ""),
    ("[split]\ntrain = 0.7", "must sum to 1", "[split] (line 16)", ""),
    ("[split]\ntrain = -0.6", "greater than 0", "[split] train", ""),
    ("[simulation]\npersons = 50", "has no effect", "[simulation]", ""),
    ('[groups.split]\nreference = "a"\nfocal = "b"', "psyalign's own", "[groups.split]", "Rename"),
    ('[groups.age]\nreference = "a"', "'focal' is missing in [groups.age]", "[groups.age]", "Add focal"),
    ('groups = "gender"', "Unknown key 'groups' in [align]", "[align] groups", ""),
]


@pytest.mark.parametrize(("line", "message", "where", "mend"), APPENDED, ids=[row[0] for row in APPENDED])
def test_wrong_key_or_value(tmp_path: Path, line: str, message: str, where: str, mend: str) -> None:
    raised = error(tmp_path, SMALL + line + "\n")
    assert message in raised.message
    assert where in str(raised.where)
    assert mend in str(raised.mend)
    assert raised.exit_code == 2


# text replaced in SMALL · by what · part of the message · part of `where` · part of `mend`
REPLACED = [
    ('"dpo"]', '"dop"]', "Each of 'arms' must be one of", "[align] arms (line 15)", 'Did you mean "dpo"?'),
    ('"dpo"]', '"dpo", "dpo"]', "'dpo' is listed twice", "[align] arms", ""),
    ('["baseline", "dpo"]', '["dpo"]', "'baseline' is missing", "[align] arms", ""),
    ('["baseline", "dpo"]', '["baseline", "ceiling"]', 'there is no "after"', "[align] arms", ""),
    ('["baseline", "dpo"]', '"dpo"', "must be a list", "[align] arms", ""),
    ('name = "small"', 'name = "../x"', "small letters", "[study] name", ""),
    ('name = "small"\n', "", "'name' is missing in [study]", "[study] name (line 1)", "Add name"),
    ('[items]\nbank = "mindca"', "", "The table [items] is missing", "[items]", "Add [items]"),
    ("[items]", "[item]", "Unknown table 'item'", "[item] (line 4)", "'items'"),
    ("seed = 3", "seed = -3", "at least 0", "[study] seed", ""),
    ('bank = "mindca"', 'bank = ""', "must not be empty", "[items] bank", ""),
    ('ratings = "ratings.csv"', "", "needs 'ratings'", "[data] ratings", ""),
    ("[data]", '[data]\nsource = "simulate"', "are simulated", "[data] responses", ""),
    ('"girl"', '"boy"', "both 'boy'", "[groups.gender] focal", ""),
    ('"girl"', "1", "text in quotes", "[groups.gender] focal", ""),
    ("[groups.gender]", "[groups.gender.x]", "Unknown key 'x'", "[groups.gender] x", ""),
    (
        '[groups.gender]\nreference = "boy"\nfocal = "girl"',
        "[groups]",
        "compares no groups",
        "[groups]",
        "groups.gender",
    ),
    (
        'equivalence = "matched_answers"',
        'source = "second_scoring"',
        "needs 'first'",
        "[feedback]",
        "Name the rater",
    ),
    (
        'equivalence = "matched_answers"',
        'source = "second_scoring"\nfirst = "a"\nsecond = "a"',
        "both rater 'a'",
        "[feedback] second",
        "",
    ),
    (
        'equivalence = "matched_answers"',
        'source = "records"',
        "no file is named",
        "[feedback] records",
        "",
    ),
    ('"matched_answers"', '"alternates"', "which wording", "[feedback] neutral_wording", ""),
    ('"matched_answers"', '"alternate"', "must be one of", "[feedback] equivalence", '"alternates"'),
]


@pytest.mark.parametrize(
    ("old", "new", "message", "where", "mend"), REPLACED, ids=[row[2] for row in REPLACED]
)
def test_wrong_study(tmp_path: Path, old: str, new: str, message: str, where: str, mend: str) -> None:
    assert old in SMALL
    raised = error(tmp_path, SMALL.replace(old, new))
    assert message in raised.message
    assert where in str(raised.where)
    assert mend in str(raised.mend)


def test_equivalence_arm_needs_equivalences(tmp_path: Path) -> None:
    text = SMALL.replace('"matched_answers"', '"none"').replace('"dpo"]', '"dpo+equivalence"]')
    assert "'dpo+equivalence' needs equivalence feedback" in error(tmp_path, text).message


def test_plant_needs_real_answers(tmp_path: Path) -> None:
    text = SMALL.replace('responses = "responses.csv"\nratings = "ratings.csv"', 'source = "simulate"')
    assert "[plant]" in error(tmp_path, text + "[plant]\n").message


def test_other_problems_are_counted(tmp_path: Path) -> None:
    raised = error(tmp_path, SMALL + "betta = 1\nepochs = 0\nbatch_size = 'x'\n")
    assert raised.message == "Unknown key 'betta' in [align]. (And 2 more problems in this file.)"
    rules = error(tmp_path, SMALL.replace('"girl"', '"boy"') + "[split]\ntrain = 0.5\n")
    assert "(And 1 more problem in this file.)" in rules.message


@pytest.mark.parametrize(
    ("line", "number"), [("beta = ", 16), ("beta = .5", 16), ('title = "unclosed', 16), ("x = [1,\n\n", 18)]
)
def test_syntax_error_has_its_line(tmp_path: Path, line: str, number: int) -> None:
    raised = error(tmp_path, SMALL + line)
    assert "not valid TOML" in raised.message
    found = re.search(r"line (\d+)$", str(raised.where))
    assert found is not None
    assert abs(int(found.group(1)) - number) <= 1


def test_missing_file_and_encoding(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="not found"):
        load_study(tmp_path / "nothing.toml")
    (tmp_path / "study.toml").write_bytes(SMALL.encode() + 'x = "é"'.encode("latin-1"))
    with pytest.raises(StudyError, match="UTF-8"):
        load_study(tmp_path)


def test_braces_in_a_value_are_told_as_they_are(tmp_path: Path) -> None:
    raised = error(tmp_path, SMALL.replace('"girl"', '"{boy}"').replace('"boy"', '"{boy}"'))
    assert "{boy}" in raised.message


def test_lines_skip_text_between_fences(tmp_path: Path) -> None:
    text = SMALL.replace("[data]", '[data]\ninstructions = """\nbeta = 1\n[align]\n"""')
    assert "[align] beta (line 20)" in str(error(tmp_path, text + "beta = 0\n").where)


@pytest.mark.parametrize("name", ["workplace-sjt", "mindca", "mindca-wording"])
def test_shipped_studies_are_valid_and_resolve_to_themselves(name: str) -> None:
    study = load_study(shipped_folder("studies") / name)
    assert study.study.name == name
    again = Study.model_validate(tomllib.loads(resolved_toml(study)))
    assert resolved(again) == resolved(study)


def test_resolved_toml_survives_odd_text(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, SMALL))
    odd = 'quote " backslash \\ line\nbreak tab\t del\x7f é \u2028'
    groups = {"odd key é": study.groups["gender"].model_copy(update={"focal": odd})}
    changed = study.model_copy(update={"groups": groups})
    assert tomllib.loads(resolved_toml(changed)) == resolved(changed)
