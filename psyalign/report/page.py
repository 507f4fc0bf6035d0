"""A template of ours, filled: everything is escaped but our own style sheet and drawings."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

__all__ = ["fill"]


def fill(template: str, **values: object) -> str:
    """The page of a template in `templates/`, with the house's style sheet as `style`."""
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
    return environment.get_template(template).render(style=Markup(style), **values)
