"""Where a study keeps its collections of feedback."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psyalign.study import Study

__all__ = ["asked_responses", "collection_file"]


def collection_file(study: Study, name: str) -> Path:
    """The SQLite file of a collection, there or not; UsageError if `name` cannot be a file's."""
    from psyalign.foundation.errors import UsageError

    if not name or name != Path(name).name or name.startswith("."):
        raise UsageError(
            f"'{name}' cannot be a file name.", where="--name", mend="Use letters, digits and '-'."
        )
    return study.folder / "collect" / f"{name}.sqlite"


def asked_responses(path: Path) -> tuple[str, ...]:
    """The ids in a table's column response_id, in its order; one with several questions counts once."""
    from psyalign.foundation.errors import DataError
    from psyalign.foundation.tables import read_table, require_columns

    table = read_table(path, text_columns=["response_id"])
    require_columns(table, ["response_id"], path)
    names = table["response_id"].dropna()
    if names.empty:
        raise DataError(
            "The table has no response.", where=str(path), mend="Fill the column response_id, or drop --ask."
        )
    return tuple(str(name) for name in names.drop_duplicates())
