"""Sections to one HTML page that needs nothing else: no script, no font, no request."""

from __future__ import annotations

from collections.abc import Sequence

from psyalign.report.content import Section
from psyalign.report.cover import Cover
from psyalign.report.page import fill

__all__ = ["render"]


def render(cover: Cover, sections: Sequence[Section]) -> str:
    """The page. Every text is escaped; only our own style sheet and drawings go in as they are."""
    return fill("page.html.jinja", cover=cover, sections=sections)
