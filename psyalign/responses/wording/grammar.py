"""Grammar of the everyday wording: reduced forms, levelled verbs, dropped words."""

from __future__ import annotations

import re

from psyalign.responses.wording.rule import Rule, rule

__all__ = ["GRAMMAR"]

# Words that can begin a clause, so that "that" before them is a conjunction
SUBJECTS = (
    r"(?:i|he|she|they|thay|it|its|hes|shes|we|you|the|there|theres|theyre|a|his|her|someone|somebody|"
    r"simon|harold|mildred|brian|jim|mrs)"
)
BECAUSE = (
    r"\b(?:because|becuse|becaus|becase|becuase|becouse|becas|becus|bechase|becos|becaouse|becaue|becasue|becuas|"
    r"becauase|beceause|beccause|becous|bechose|beacuse|beacause|beause|becacuse|becaurse|becorse|becose|becuce|"
    r"becuz|becoz|beacase|bcause|beacaus|beacouse|bcuse|becauce|becosue|coz|cos|cus)\b"
)
THOUGHT = r"(?:thought|thougt|thout|thort|tought|thot|thaught|thourght|throught)"
# "where it is because …": the verb stands at the end of its clause and is not joined
CLAUSE_END = r"(?!(?:because|cuz|and|n|or|but|so|if|when|then|as|that|too)\b)"
NO_WORDS = {
    "one": "no one",
    "body": "nobody",
    "thing": "nothin",
    "where": "nowhere",
    "more": "no more",
    "": "no",
}
JOINED_SUBJECTS = {"i": "im", "they": "theyre", "thay": "theyre", "you": "youre"}


def _double_negative(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]} {NO_WORDS[(match[3] or '').strip().lower()]}"


def _gonna(match: re.Match[str]) -> str:
    subject = match[1]
    if subject.lower() in JOINED_SUBJECTS:
        return f"{JOINED_SUBJECTS[subject.lower()]} gonna"
    if subject.lower() in ("he", "she", "it"):
        return f"{subject}s gonna"
    return f"{subject} is gonna"


def _contracted(match: re.Match[str]) -> str:
    subject = next(group for group in match.groups() if group).lower()
    return JOINED_SUBJECTS.get(subject, subject + "s")


def _reckon(match: re.Match[str]) -> str:
    word = match[0].lower()
    if word in ("think", "thinks"):
        return word.replace("think", "reckon")
    return "reckoned"


GRAMMAR: tuple[Rule, ...] = (
    rule(
        "cuz",
        rf"{BECAUSE}|\bcause(?= {SUBJECTS}\b)",
        "cuz",
        "reduced form of 'because', children's spellings included",
        ("Because he is greedy", "Cuz he is greedy"),
    ),
    rule(
        "reckon",
        rf"(?<!\ba )(?<!his )(?<!her )(?<!the )\b(?:thinks?|{THOUGHT})\b(?! (?:about|abut|of|up)\b)"
        r"|(?<=he )though(?= (?:it|he|the|that|they|there|she|his|harold)\b)",
        _reckon,
        "everyday word for 'think'; thinking of something stays",
        ("I think he thought it was real", "I reckon he reckoned it was real"),
    ),
    rule(
        "that-dropped",
        r"\b(thinks?|thought|reckon(?:s|ed)?|know|knows|knew|says?|said|tells?|told (?:him|her|them)|so|"
        r"scared|afraid|frighte?ned|worried|realise[sd]?|hopes?|sure|believe[sd]?|means|meant) "
        rf"that (?={SUBJECTS}\b)",
        r"\1 ",
        "'that' before a clause carries no meaning",
        ("he thought that the van was empty", "he thought the van was empty"),
    ),
    rule(
        "gonna-future",
        r"\b(i|he|she|it|they|thay|you|jim|simon|brian|harold|man|guy|bloke|army|someone|somebody|lady|woman|"
        r"policeman|person|brother|burglar|prisoner|team|side) will (?=[a-z])",
        lambda match: _gonna(match) + " ",
        "'going to' for the future",
        ("he will lie and Jim will look", "hes gonna lie and Jim is gonna look"),
    ),
    rule(
        "gonna",
        r"\b(?:going|goin) to (?=[a-z])(?!(?:the|a|an|his|her|their|my|prison|jail|school|"
        r"bed|work|him|it|there)\b)|\bgon na\b ?",
        "gonna ",
        "reduced form of 'going to' before a verb; going somewhere stays",
        ("was going to rob her", "was gonna rob her"),
    ),
    rule(
        "wanna",
        r"\b(?:want|whant)(?: ?'?s)? to\b|\bwan na\b",
        "wanna",
        "reduced form of 'want to'",
        ("they want to win", "they wanna win"),
    ),
    rule(
        "double-negative",
        r"\b(dont|dunno|didnt|aint|cant|wont|wasnt|couldnt|wouldnt|shouldnt|hadnt)"
        r"((?: (?!but\b|because\b|cuz\b|if\b|so\b|and\b|n\b|any)[a-z]+){0,3}) "
        r"any( ?(?:one|body|thing|where|more))?\b",
        _double_negative,
        "double negatives deny once, as in many varieties",
        ("he didnt do anything", "he didnt do nothin"),
    ),
    rule(
        "tryna",
        r"\btr[iy]+ing? to\b",
        "tryna",
        "reduced form of 'trying to'",
        ("trying to hide", "tryna hide"),
    ),
    rule(
        "meant-to",
        r"\bs[uio]r?p+os+e?[dt]? to\b",
        "meant to",
        "everyday word for 'supposed to'",
        ("they were not suposed to be there", "they were not meant to be there"),
    ),
    rule(
        "contracted-is",
        r"(?<!where )(?<!what )(?<!were )(?<!than )(?<!time )\b(?:(he|she|it|that)(?: is| ?['’´]s)|"
        r"(they|thay|you)(?: are| ?['’´]re)"
        rf"|(i)(?: am| ?['’´]m)) (?=[a-z]){CLAUSE_END}",
        lambda match: _contracted(match) + " ",
        "spelling of 'he is', 'they are', 'I am' in one word",
        ("he is lying and they are hiding", "hes lying and theyre hiding"),
    ),
    rule(
        "theres",
        r"(?<!where )(?<!were )\bthere(?: is| are| ?['’´]s) (?=[a-z])" + CLAUSE_END,
        "theres ",
        "'there's' for one and many",
        ("there are two men", "theres two men"),
    ),
    rule(
        "was-levelled",
        r"\b(they|thay|we|you|there|men|people|police|tanks|who) (?:were|where(?= [a-z]+(?:ing?|ed)\b))",
        r"\1 was",
        "'was' for all persons, as in many varieties",
        ("they were hiding", "they was hiding"),
    ),
    rule(
        "done",
        r"\b(i|he|she|they|we|who|simon|brian|jim|harold|mildred|man|woman|lady|burglar|"
        r"prisoner|robber|driver) did (?=(?:it|this|that|the|what)\b)",
        r"\1 done ",
        "'done' as a past tense, as in many varieties",
        ("he did that because", "he done that because"),
    ),
    rule(
        "seen",
        r"\b(i|he|she|they|we) saw\b",
        r"\1 seen",
        "'seen' as a past tense",
        ("he saw them", "he seen them"),
    ),
)
