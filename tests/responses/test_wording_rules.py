"""The everyday wording: every rule alone, what must stay, and what happens to real answers."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psyalign.responses import render, rendering_summary
from psyalign.responses.wording import RULES, Rule, rules_used

NAMES = ("Simon", "Harold", "Mildred", "Brian", "Jim", "Mrs Peabody")
NEGATION = re.compile(
    r"n['’]t\b|\bnot\b|\b(?:never|no|aint|dont|dunno|didnt|cant|wont|wasnt|wouldnt|couldnt|shouldnt|hadnt|"
    r"cannot|nothing?|nobody|nowhere)\b",
    re.IGNORECASE,
)
BY_NAME = {rule.name: rule for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_turns_its_example(rule: Rule) -> None:
    before, after = rule.example
    assert rule.apply(before) == after
    assert rule.apply(after) == after
    assert rule.why


def test_there_are_enough_rules_with_names_of_their_own() -> None:
    assert len(BY_NAME) == len(RULES) >= 15


# the same negation as tokenised, as one word, as children spell it, and in full
@pytest.mark.parametrize(
    ("spellings", "rendered"),
    [
        ("did n't|didn't|didn’t|didnt|did'nt|did't|did not|dident|diddent|di n't|dint", "didnt"),
        ("does n't|doesn't|doesnt|dose n't|dosent|does not|dose not|dos n't|does'nt|doesent", "dont"),
        ("do n't|don't|dont|do not", "dont"),
        ("is n't|isn't|isnt|is not|are n't|are not|arent|has n't|have not", "aint"),
        ("was n't|wasnt|was not|were n't|were not|wernt|was'nt", "wasnt"),
        ("ca n't|cant|can't|can not|cannot", "cant"),
        ("wo n't|won't|wont|will not", "wont"),
        ("would n't|wouldnt|would not|would'nt", "wouldnt"),
    ],
)
def test_spellings_of_a_negation(spellings: str, rendered: str) -> None:
    for spelling in spellings.split("|"):
        assert render(f"Simon {spelling} go") == f"Simon {rendered} go", spelling


def test_spellings_of_because() -> None:
    for word in ("because", "becuse", "becaus", "beacause", "becouse", "becuase", "cos", "coz"):
        assert render(f"scared {word} it fell") == "scared cuz it fell"
        assert render(f"{word.capitalize()} it fell") == "Cuz it fell"


@pytest.mark.parametrize(
    "text",
    [
        "he wants the sea",  # going and wanting things, not doing them
        "a thought of hers",
        "the cause of the fire",
        "during the king's spring",
        "where is he ?",
        "The Isle of Man",
        "Andy Andrews",
        "themselves",
        "what time it is she asked",
        "he must not know",
        "a police station",
    ],
)
def test_what_stays(text: str) -> None:
    assert render(text) == text
    assert rules_used(text) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("it is what it is , maybe", "its what it is , maybe"),
        ("he is going to the sea", "hes goin to the sea"),
        ("she knows where he is because he told her", "she knows where he is cuz he told her"),
        ("He said that because he lied", "He said that cuz he lied"),
        ("I do n't know , he does n't know", "I dunno , he dont know"),
        ("They are n't allowed any food", "They aint allowed no grub"),
        ("he said they 're not here", "he said they aint here"),
        ("going gon na wan na", "goin gonna wanna"),
    ],
)
def test_rules_together(before: str, after: str) -> None:
    assert render(before) == after


def test_digits_stay() -> None:
    text = "He wants 4 sausages and 12.50 for them at 10:30"
    assert re.findall(r"\d+", render(text)) == re.findall(r"\d+", text)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [*NAMES, *(word for rule in RULES for word in rule.example[0].split()), "4", ".", ",", "?"]
        ),
        max_size=14,
    )
)
def test_any_mixture_keeps_names_and_digits(words: list[str]) -> None:
    text = " ".join(words)
    rendering = render(text)
    for kept in (*NAMES, "4"):
        assert len(re.findall(rf"\b{kept}\b", rendering)) == len(re.findall(rf"\b{kept}\b", text))
    assert render(text) == rendering


def test_summary_counts_by_hand() -> None:
    summary = rendering_summary(["Because he hid", "sausages", "hot and tired"])
    # "Because" of 3 tokens, none of 1, "and" of 3
    assert (summary.texts, summary.share_changed) == (3, pytest.approx(2 / 3))
    assert summary.mean_tokens == pytest.approx(7 / 3)
    assert summary.mean_changed_tokens == pytest.approx(2 / 3)
    assert {name: count for name, count in summary.rules.items() if count} == {"cuz": 1, "n": 1}


def test_real_answers(mindca_table: Path) -> None:
    answers = pd.read_csv(mindca_table, keep_default_na=False)["answer"]
    summary = rendering_summary(answers)
    assert summary.share_changed >= 0.85
    assert summary.mean_changed_tokens >= 2.5
    assert min(summary.rules.values()) >= 5, "a rule that meets nothing real is no use here"
    kept = re.compile("|".join([*(rf"\b{name}\b" for name in NAMES), r"\d+"]))
    lost = {"idempotence": 0, "names and digits": 0, "negation": 0}
    for answer in answers:  # counted, so that a failure shows no answer
        rendering = render(answer)
        lost["idempotence"] += render(rendering) != rendering
        lost["names and digits"] += kept.findall(answer) != kept.findall(rendering)
        lost["negation"] += bool(NEGATION.search(answer)) and not NEGATION.search(rendering)
    assert lost == {"idempotence": 0, "names and digits": 0, "negation": 0}
