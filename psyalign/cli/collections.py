"""Where a study keeps its collections of feedback."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psyalign.study import Study

__all__ = ["collection_file"]


def collection_file(study: Study, name: str) -> Path:
    """The SQLite file of a collection, there or not; UsageError if `name` cannot be a file's."""
    from psyalign.foundation.errors import UsageError

    if not name or name != Path(name).name or name.startswith("."):
        raise UsageError(
            f"'{name}' cannot be a file name.", where="--name", mend="Use letters, digits and '-'."
        )
    return study.folder / "collect" / f"{name}.sqlite"
