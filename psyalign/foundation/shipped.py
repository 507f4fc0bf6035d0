"""Where the item banks and studies that come with psyalign lie."""

from __future__ import annotations

from pathlib import Path

__all__ = ["shipped_folder"]


def shipped_folder(kind: str) -> Path:
    """Folder of what is shipped: `kind` is "items" or "studies".

    A wheel carries them in ``psyalign/_shipped``; a checkout has them at its top.
    """
    package = Path(__file__).resolve().parent.parent
    inside = package / "_shipped" / kind
    return inside if inside.is_dir() else package.parent / kind
