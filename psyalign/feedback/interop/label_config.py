"""Label Studio labelling configurations: how a project asks each kind of question."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from psyalign.feedback.interop.answers import HEADINGS, LABELS

__all__ = ["label_config"]

RUBRIC = {"score_preference", "rating"}
TWO_RESPONSES = {"response_preference", "equivalence"}


def label_config(kind: str, points: Sequence[int] = ()) -> str:
    """The labelling configuration (XML) of a kind of question.

    Score and response preferences use the tag Pairwise; as it knows no tie, a choice beside it says that
    two responses are equally good. Equivalences and ratings use the tag Choices (the tag Rating has no
    star for the score 0).

    Parameters
    ----------
    kind : str
        A record's kind.
    points : sequence of int
        The score points that a rating may have: those of all items.
    """
    view = Element("View")
    SubElement(view, "Header", value=HEADINGS[kind])
    SubElement(view, "Text", name="question", value="$question")
    if kind in RUBRIC:
        SubElement(view, "Text", name="rubric", value="$rubric")
    names = ("response_a", "response_b") if kind in TWO_RESPONSES else ("response",)
    if kind == "response_preference":
        SubElement(view, "Pairwise", name="better", toName=",".join(names))
    _side_by_side(view, names)
    if kind == "score_preference":
        SubElement(view, "Pairwise", name="fits", toName="left,right")
        _side_by_side(view, ("left", "right"))
    elif kind == "response_preference":
        _choices(view, "equal", "response_a", {"tie": LABELS[kind]["tie"]})
    elif kind == "equivalence":
        _choices(view, "intention", "response_a", LABELS[kind])
    else:
        _choices(view, "score", "response", {str(point): str(point) for point in points})
    indent(view)
    return tostring(view, encoding="unicode") + "\n"


def _side_by_side(view: Element, names: Sequence[str]) -> None:
    both = SubElement(view, "View", style="display: grid; grid-template-columns: repeat(2, 1fr); gap: 1em")
    for name in names:
        SubElement(both, "Text", name=name, value=f"${name}")


def _choices(view: Element, name: str, to: str, labels: dict[str, str]) -> None:
    made = SubElement(view, "Choices", name=name, toName=to, choice="single", showInline="true")
    for value, label in labels.items():
        SubElement(made, "Choice", alias=value, value=label)
