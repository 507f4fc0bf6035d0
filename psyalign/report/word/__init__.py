"""A report as a Word file (Office Open XML, ISO/IEC 29500): real headings, captions, tables, alt text."""

from __future__ import annotations

from psyalign.report.word.document import render_word

__all__ = ["render_word"]
