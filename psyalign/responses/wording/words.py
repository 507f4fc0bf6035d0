"""Everyday words and spellings."""

from __future__ import annotations

import re

from psyalign.responses.wording.rule import Rule, rule

__all__ = ["WORDS"]


def _nicked(match: re.Match[str]) -> str:
    return {"steal": "nick", "steals": "nicks", "stealing": "nicking"}.get(match[0], "nicked")


def _scarper(match: re.Match[str]) -> str:
    return {"ran": "scarpered", "run": "scarper", "runs": "scarpers", "running": "scarpering"}[match[1]]


# Words are matched in lower case only, so that a name ("Isle of Man") stays.
WORDS: tuple[Rule, ...] = (
    rule(
        "copper",
        r"\bpolice ?(?:man|officer)\b",
        "copper",
        "everyday word",
        ("the police man came", "the copper came"),
        capitals=False,
    ),
    rule(
        "cops",
        r"\bpolice(?:men| men)?\b(?! ?(?:station|office|lady|woman|car))",
        "cops",
        "everyday word",
        ("the police was there", "the cops was there"),
        capitals=False,
    ),
    rule(
        "bloke",
        r"\b(?:man|guy)(s?)\b|\bmen()(?=s?\b)",
        lambda match: "blokes" if match[1] or match[0] == "men" else "bloke",
        "everyday word; 'men' becomes 'blokes'",
        ("the man hid", "the bloke hid"),
        capitals=False,
    ),
    rule(
        "lady",
        r"\bwoman(s?)\b",
        r"lady\1",
        "everyday word",
        ("the woman 's scarf", "the lady 's scarf"),
        capitals=False,
    ),
    rule("lad", r"\bboy(s?)\b", r"lad\1", "everyday word", ("a greedy boy", "a greedy lad"), capitals=False),
    rule(
        "grub", r"\bfood\b", "grub", "everyday word", ("wants more food", "wants more grub"), capitals=False
    ),
    rule(
        "nick",
        r"\b(?:steal(?:s|ed|ing)?|stole|stolen)\b",
        _nicked,
        "everyday word for 'steal'",
        ("he stole her purse", "he nicked her purse"),
        capitals=False,
    ),
    rule(
        "scarper",
        r"\b(ran|runs?|running) (?:away|off)\b",
        _scarper,
        "everyday word for 'run away'",
        ("he ran away", "he scarpered"),
        capitals=False,
    ),
    rule(
        "passed-out",
        r"\bfainted\b",
        "passed out",
        "everyday word",
        ("she fainted", "she passed out"),
        capitals=False,
    ),
    rule(
        "scared",
        r"\b(?:frighte?ned|afraid)\b",
        "scared",
        "everyday word",
        ("she is afraid of him", "she is scared of him"),
        capitals=False,
    ),
    rule(
        "probs",
        r"\bprobabl?e?y\b|\bprobly\b",
        "probs",
        "everyday word",
        ("he probably hid", "he probs hid"),
        capitals=False,
    ),
    rule(
        "loads",
        r"\b(?:a ?lot|lots)\b",
        "loads",
        "everyday word for 'a lot'",
        ("he eats alot", "he eats loads"),
        capitals=False,
    ),
    rule(
        "proper",
        r"\bvery\b(?! (?:much|first|own|very))|\breally\b(?= (?:scared|hot|hungry|greedy|nervous|shocked|"
        r"mean|angry|confused|bad|big|sad|happy|sick|tired|surprised|clever|good|nice|worried|warm|paranoid)\b)",
        "proper",
        "everyday word of degree",
        ("he is very greedy", "he is proper greedy"),
        capitals=False,
    ),
    rule(
        "in-for-ing",
        r"\b([a-z]*[aeiouy][a-z]*)ing\b(?<!\bduring)",
        r"\1in",
        "spelling of -ing as it is often said",
        ("he is hiding something", "he is hidin somethin"),
        capitals=False,
    ),
    rule(
        "em",
        r"(?<=[a-z] )them\b(?! ?sel)",
        "em",
        "reduced form of 'them'",
        ("to trick them", "to trick em"),
        capitals=False,
    ),
    rule(
        "n",
        r"(?<=\S )and(?= \S)",
        "n",
        "reduced form of 'and'",
        ("hot and tired", "hot n tired"),
        capitals=False,
    ),
)
