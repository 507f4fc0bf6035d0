"""Sections to one HTML page that needs nothing else: no script, no font, no request."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from psyalign.report.content import Section
from psyalign.report.load import Manifest

__all__ = ["render"]


def render(manifest: Manifest, sections: Sequence[Section]) -> str:
    """The page. Every text is escaped; only our own style sheet and drawings go in as they are."""
    environment = Environment(
        loader=PackageLoader("psyalign.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # Drawings are XML that ElementTree wrote: what came from data is escaped in them already.
    environment.filters["drawing"] = Markup
    style = (files("psyalign.report") / "style.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.jinja").render(
        manifest=manifest, sections=sections, style=Markup(style), version=_version(manifest)
    )


def _version(manifest: Manifest) -> str:
    made = manifest.raw.get("provenance")
    return str(made.get("psyalign", "")) if isinstance(made, dict) else ""
