"""Which section holds evidence that a standard, framework or law asks for; and what none holds.

Every requirement is told in our own words, briefly: the sources themselves say what they ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psyalign.report.content import Block, Paragraph, Section, Table, column

__all__ = ["CROSSWALK", "crosswalk_section"]

READING = (
    "This table helps to find the evidence; it certifies nothing. Each requirement is told in our own words "
    "and in brief: read the source. That a section is named means that it bears on the matter, not that what "
    "it shows is enough."
)
ABSENT = "Nothing in this run."


class Point(NamedTuple):
    """One requirement: where it stands, what it asks for, sections that bear on it, what they leave open."""

    place: str
    asks: str
    anchors: tuple[str, ...]
    open: str = ""


STANDARDS = (
    Point(
        "2.7",
        "Where scoring takes judgement: show that scorers agree with one another, and each with themselves.",
        ("agreement", "validity", "raters"),
        "Whether a rater would score the same response the same way again is not covered: it takes repeated "
        "ratings by the same rater.",
    ),
    Point(
        "3.3",
        "Have relevant subgroups in the studies by which a test is built and checked.",
        ("study", "data", "subgroups", "dif"),
        "Only the groups that the study names are covered.",
    ),
    Point(
        "3.6",
        "Where scores may mean different things for different groups, examine that for each of them.",
        ("dif", "wording", "subgroups", "distributions"),
        "Relations of the scores to other measures, by group, are not covered: the study has no such data.",
    ),
    Point(
        "3.8",
        "Where responses are scored by judgement or machine: evidence, by group, that the scores can be "
        "interpreted as meant.",
        ("subgroups", "agreement", "dif", "validity"),
    ),
    Point(
        "4.18",
        "Describe how responses are scored, and by which criteria, clearly enough to be followed.",
        ("items", "model-card"),
        "The scored sample responses are in the item bank, not in this report.",
    ),
    Point(
        "4.19",
        "For scoring by algorithm: document what responses at each score point are like, and on what theory "
        "and evidence the algorithm rests.",
        ("items", "model-card", "training", "agreement"),
        "Features of the responses by score point are not described: a language model has no list of them.",
    ),
    Point(
        "4.20",
        "Say how scorers are selected, trained, qualified and monitored.",
        ("raters",),
        "Selection and training of the raters are not covered: they happened before the study’s data.",
    ),
)
WILLIAMSON = (
    Point(
        "Fit to purpose",
        "Does what the engine can do suit what the scores are for, the task and the rubric?",
        ("purpose", "items", "model-card"),
        "A judgement by people who know the construct is needed.",
    ),
    Point(
        "Human scores",
        "Agreement with human scores, loss against two humans, differences in mean; guidelines in figures.",
        ("verdict", "agreement", "validity", "raters"),
    ),
    Point(
        "Independent measures",
        "Do automated scores relate to other measures as human scores do?",
        (),
        "It takes measures other than the scores of these items.",
    ),
    Point(
        "Generalisability",
        "Do the scores hold over tasks and forms?",
        ("data",),
        "Persons of the audit are new to the scorers, items and forms are not; other items and forms are not "
        "covered.",
    ),
    Point(
        "Consequences",
        "What does use of the scores do, for everyone and for subgroups?",
        ("impact", "subgroups", "dif"),
        "Consequences of use can be seen in use only.",
    ),
)
ANNEX_IV = (
    Point(
        "1",
        "General description: purpose, provider, versions, hardware, instructions for use.",
        ("purpose", "model-card", "provenance"),
        "Provider, product, interface and instructions for deployers are not covered.",
    ),
    Point(
        "2 (a)–(c)",
        "Development: methods, models of third parties, design choices, what is optimised, trade-offs, "
        "computing resources.",
        ("model-card", "training", "choice", "arms", "alignment"),
    ),
    Point(
        "2 (d)",
        "Data: origin, scope, selection, labelling, cleaning.",
        ("data", "raters", "items"),
        "How people were recruited and why they answered is not covered.",
    ),
    Point("2 (e)", "Human oversight, assessed.", (), "Oversight is arranged where the scores are used."),
    Point("2 (f)", "Changes planned beforehand.", (), "A run describes scorers as they are."),
    Point(
        "2 (g)",
        "Validation and testing: data, measures of accuracy and robustness, possible discrimination, logs "
        "and signed reports.",
        (
            "verdict",
            "plan",
            "agreement",
            "validity",
            "subgroups",
            "dif",
            "impact",
            "robustness",
            "provenance",
        ),
        "Robustness is covered only where a section of that name is listed; the report is dated and can be "
        "signed.",
    ),
    Point("2 (h)", "Cybersecurity.", (), "A matter of the system that the scorer runs in."),
    Point(
        "3",
        "Capabilities and limits, accuracy for groups, foreseeable risks, input data.",
        ("limits", "subgroups", "dif"),
        "Risks to rights of persons are not assessed.",
    ),
    Point("4", "Why the measures of performance suit the system.", ("plan", "verdict")),
    Point(
        "5–9",
        "Risk management, changes over the lifetime, standards applied, declaration of conformity, "
        "monitoring after release.",
        (),
        "Documents of the provider, made outside a study.",
    ),
)
SIOP = (
    Point(
        "Content and construct",
        "Evidence that the procedure samples or measures what the work takes.",
        ("purpose", "items"),
        "Analysis of the work, and the link of items to it, are not covered.",
    ),
    Point(
        "Relations to other variables",
        "Evidence that scores predict what they are to predict.",
        (),
        "It takes criteria of performance at work.",
    ),
    Point(
        "Measurement bias",
        "Do items or scores work differently for groups whose members are alike in what is measured?",
        ("dif", "wording", "subgroups"),
    ),
    Point(
        "Predictive bias",
        "Do the same scores predict differently for groups?",
        (),
        "It takes a criterion outside the test.",
    ),
    Point(
        "Group differences and cut scores",
        "Differences in scores and in decisions between groups, and how cut scores were set.",
        ("impact", "subgroups", "distributions"),
        "How cut scores were set is for the user to document.",
    ),
    Point(
        "Documentation",
        "A technical report from which others can judge, and repeat, the study.",
        ("data", "plan", "model-card", "limits", "provenance"),
    ),
)
# Source -> its points, in the order of the report.
CROSSWALK: tuple[tuple[str, tuple[Point, ...]], ...] = (
    ("Standards for Educational and Psychological Testing (AERA, APA & NCME, 2014)", STANDARDS),
    ("Framework for automated scoring (Williamson, Xi & Breyer, 2012)", WILLIAMSON),
    ("Technical documentation under the EU AI Act (Regulation 2024/1689), Annex IV", ANNEX_IV),
    ("Principles for personnel selection procedures (SIOP, 2018), by topic", SIOP),
)


def crosswalk_section(sections: Sequence[Section]) -> Section:
    """One table a source; each point with the titles of those of `sections` that bear on it."""
    titles = {section.anchor: section.title for section in sections}
    blocks: list[Block] = [Paragraph(READING)]
    for source, points in CROSSWALK:
        rows = tuple((point.place, point.asks, _found(point, titles)) for point in points)
        blocks.append(
            Table(
                f"{source}: where to look.",
                column("Point", "What it asks for, in brief", "In this report", text=(0, 1, 2)),
                rows,
            )
        )
    return Section("crosswalk", "Crosswalk to standards", tuple(blocks))


def _found(point: Point, titles: dict[str, str]) -> str:
    there = [titles[anchor] for anchor in point.anchors if anchor in titles]
    text = f"{'; '.join(there)}." if there else "Not covered." if not point.anchors else ABSENT
    return f"{text} {point.open}".strip()
