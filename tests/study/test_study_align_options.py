"""Options of [align]: defaults, and what contradicts itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from psyalign.study import Align, Study, cautions, check_study, plan
from psyalign.study.rules import ALIGN_OPTIONS, reads_option

from .conftest import HEAD, assert_refused, read


def read_align(folder: Path, lines: str) -> Study:
    return read(folder, f"[align]\n{lines}")


def test_new_options_are_off_and_new_arms_are_asked_for_by_name(tmp_path: Path) -> None:
    settings = Align()
    assert not {"distill", "closed_form"} & set(settings.arms)
    assert all(getattr(settings, key) == default for key, (default, _) in ALIGN_OPTIONS.items())
    arms = 'arms = ["baseline", "ppo", "distill", "closed_form"]'
    study = read_align(tmp_path, arms)
    assert study.report.primary_arm == "closed_form", "the last aligned arm"
    rows = {row.stage: row for row in plan(study)}
    assert "optimum" in rows["align/distill"].what
    assert "two models" in rows["align/closed_form"].cost_note


# lines of [align] · part of the message · key · part of the mend
WRONG = [
    ('arms = ["baseline", "dpo"]\ndpo = "ipo"\nlabel_noise = 0.1', 'dpo is "ipo"', "label_noise", "robust"),
    ('arms = ["baseline", "dpo"]\ndpo = "robust"', "needs label_noise", "label_noise", "label_noise = 0.1"),
    ('arms = ["baseline", "dpo"]\nlabel_noise = 0.5', "less than 0.5", "label_noise", ""),
    ('arms = ["baseline", "dpo"]\ndpo = "hinge"', "must be one of sigmoid", "dpo", ""),
    ('arms = ["baseline", "ppo"]\ndpo = "ipo"', "no arm is 'dpo'", "dpo", "Drop 'dpo'"),
    ('arms = ["baseline", "dpo"]\nentropy = 0.1', "no arm is 'ppo'", "entropy", ""),
    ('arms = ["baseline", "refit"]\nkl_budget = 0.1', "'dpo' or 'ppo' or 'distill'", "kl_budget", ""),
    ('arms = ["baseline", "distill"]\nsft_anchor = 0.1', "no arm is 'dpo' or 'ppo'", "sft_anchor", ""),
    ('arms = ["baseline", "ppo"]\nkl = "adaptive"', "needs kl_target", "kl_target", "kl_target = 0.05"),
    ('arms = ["baseline", "ppo"]\nkl_target = 0.1', 'kl is "fixed"', "kl_target", "adaptive"),
    (
        'arms = ["baseline", "ppo"]\nkl = "adaptive"\nkl_target = 0.1\nkl_budget = 0.1',
        "before kl_target (0.1)",
        "kl_budget",
        "Raise",
    ),
    ('arms = ["baseline", "ppo"]\nsft_anchor = -1', "at least 0", "sft_anchor", ""),
    ('arms = ["baseline", "ppo"]\nppo_actions = "one"', "must be one of all", "ppo_actions", ""),
    (
        'arms = ["baseline", "dpo"]\nequivalence = "expected"',
        "no arm is 'equivalence'",
        "equivalence",
        "Drop 'equivalence'",
    ),
    (
        'arms = ["baseline", "dpo+equivalence"]\nequivalence_guard = 0\n[feedback]\nequivalence = "records"\n'
        'records = "feedback.jsonl"',
        "anchored term cannot be met by shrinking",
        "equivalence_guard",
        'equivalence = "expected"',
    ),
    (
        'arms = ["baseline", "equivalence"]\ndif_penalty = 1\n[feedback]\nequivalence = "matched_answers"',
        "no arm is 'refit' or 'dpo' or 'ppo' or 'distill'",
        "dif_penalty",
        "",
    ),
    ('arms = ["baseline", "refit"]\nparity_penalty = -1', "at least 0", "parity_penalty", ""),
]


@pytest.mark.parametrize(("lines", "message", "key", "mend"), WRONG, ids=[row[1] for row in WRONG])
def test_options_that_contradict_themselves(
    tmp_path: Path, lines: str, message: str, key: str, mend: str
) -> None:
    assert_refused(tmp_path, f"[align]\n{lines}", message, f"[align] {key}", mend)


def test_options_that_go_together(tmp_path: Path) -> None:
    lines = """arms = ["baseline", "dpo+equivalence", "ppo", "distill"]
dpo = "conservative"
label_noise = 0.1
kl = "adaptive"
kl_target = 0.05
kl_budget = 0.4
entropy = 0.01
ppo_actions = "sampled"
sft_anchor = 0.2
group_robust = 0.05
equivalence = "distribution"
equivalence_guard = 2
dif_penalty = 3
parity_penalty = 0.5
[feedback]
equivalence = "matched_answers"
"""
    settings = read_align(tmp_path, lines).align
    assert (settings.kl_target, settings.kl_budget, settings.ppo_actions) == (0.05, 0.4, "sampled")
    assert all(getattr(settings, key) != default for key, (default, _) in ALIGN_OPTIONS.items())


FAIR = 'arms = ["baseline", "refit", "equivalence"]\n{}\n[feedback]\nequivalence = "matched_answers"\n{}'


def test_an_arm_reads_the_options_of_each_part_of_its_name(tmp_path: Path) -> None:
    assert reads_option("dpo+equivalence", "equivalence") and reads_option("dpo+equivalence", "dif_penalty")
    assert not reads_option("equivalence", "dif_penalty") and not reads_option("refit", "equivalence")
    study = read_align(
        tmp_path, FAIR.format('equivalence = "expected"\ndif_penalty = 1\nparity_penalty = 1', "")
    )
    rows = {row.stage: row.what for row in plan(study)}
    assert rows["align/refit"].endswith("; conditional-DIF penalty, demographic-parity penalty")
    assert rows["align/equivalence"] == "equivalence (expected) alone, without score feedback"


# lines of [align] · lines after [feedback] · part of each caution
CAUTIONS = [
    ("", "", []),
    ('equivalence = "expected"', "", []),
    ('equivalence = "distribution"\nequivalence_guard = 0', "", ["QWK fell from .78 to .44"]),
    ("dif_penalty = 2", "", []),
    ("dif_penalty = 2", '[dif]\nmethods = ["smd", "mantel"]', ["by the SMD or its like alone"]),
    ("parity_penalty = 2", "", ["from −.36 to +.19"]),
]


@pytest.mark.parametrize(("lines", "more", "parts"), CAUTIONS, ids=[f"{row[0]}{row[1]}" for row in CAUTIONS])
def test_cautions_name_what_was_seen(tmp_path: Path, lines: str, more: str, parts: list[str]) -> None:
    study = read_align(tmp_path, FAIR.format(lines, more))
    found = cautions(study)
    assert len(found) == len(parts)
    for caution, part in zip(found, parts, strict=True):
        assert part in caution.message and caution.mend
    listed = [finding for finding in check_study(study) if finding.level == "warning"]
    assert [finding.message for finding in listed] == [f"{one.message} {one.mend}" for one in found]


def test_matching_on_the_scores_that_were_learned_is_cautioned(tmp_path: Path) -> None:
    files = 'source = "files"\nresponses = "r.csv"\nratings = "s.csv"\noperational = "a"\ncriterion = "{}"'
    head = HEAD.replace('source = "simulate"', files)
    lines = '[align]\narms = ["baseline", "refit"]\ndif_penalty = 1'
    for criterion, count in (("a", 1), ("b", 0)):
        study = read(tmp_path, lines, head=head.format(criterion))
        found = [caution.message for caution in cautions(study)]
        assert len(found) == count and all("operational scores" in message for message in found)
