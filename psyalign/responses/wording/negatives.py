"""Negatives of the everyday wording, from "did n't" to "aint"."""

from __future__ import annotations

from psyalign.responses.wording.rule import Rule, rule

__all__ = ["NEGATIVES"]

# "n't" in all its spellings: did n't, didn't, didnt, did'nt, did't, did not
NOT = r"(?: ?n['’´]?t| ?['’´]n?t| not)\b"
DOES = r"(?:does|dose|dos|doese|dous|dosn|des|doesn)e?"

NEGATIVES: tuple[Rule, ...] = (
    rule(
        "dunno",
        rf"(^|\b(?:i|they|thay|we|you) )do{NOT} (?:know|kow|konw)\b",
        r"\1dunno",
        "reduced form of 'do not know'",
        ("I do n't know where it is", "I dunno where it is"),
    ),
    rule(
        "does-not",
        rf"\b{DOES}{NOT}",
        "dont",
        "third person without -s, as in many varieties",
        ("he does n't want to", "he dont want to"),
    ),
    rule("do-not", rf"\bdo{NOT}", "dont", "spelling", ("they do n't like her", "they dont like her")),
    rule(
        "did-not",
        rf"\b(?:d[ie]dd?[eo]?{NOT}|di n't|dint\b)",
        "didnt",
        "spelling",
        ("she did not see", "she didnt see"),
    ),
    rule(
        "aint",
        rf"\b(?:is|are|ar|am|has|have){NOT}|(?:(?<=\w) ?['’´](?:s|re|m)) not\b",
        lambda match: "aint" if match[0][0].isalpha() else " aint",
        "'ain't' for is not, are not, am not, has not, have not",
        ("he 's not scared and they are n't real", "he aint scared and they aint real"),
    ),
    rule(
        "aint-joined",
        r"\b(he|she|it|they|i|that)(?:s|re|m) not\b",
        r"\1 aint",
        "'ain't' for is not, are not, am not",
        ("hes not there", "he aint there"),
    ),
    rule(
        "wasnt",
        rf"\b(?:was|wase|wasa|were|wer)e?{NOT}",
        "wasnt",
        "'was' for all persons",
        ("they were n't there", "they wasnt there"),
    ),
    rule(
        "cannot",
        rf"\b(?:ca|can|cann){NOT}|\bcannot\b",
        "cant",
        "spelling",
        ("he can not see", "he cant see"),
    ),
    rule("will-not", rf"\b(?:wo|will){NOT}", "wont", "spelling", ("they will not look", "they wont look")),
    rule(
        "would-not",
        rf"\b(would|could|should|had)e?{NOT}",
        r"\1nt",
        "spelling",
        ("he would n't go", "he wouldnt go"),
    ),
)
