"""An item bank: a folder with bank.toml and one file per item."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from psyalign.foundation.errors import ItemError
from psyalign.foundation.shipped import shipped_folder
from psyalign.foundation.toml import read_toml, refuse_unknown, suggest, text
from psyalign.items.item import Item, load_item

__all__ = ["ItemBank", "find_bank", "load_bank"]

BANK_FILE = "bank.toml"
BANK_KEYS = ("id", "title", "version", "language", "licence", "source", "notes")


@dataclass(frozen=True)
class ItemBank:
    """Items that belong together, and where they come from.

    Attributes
    ----------
    id, title, version : str
        Name, readable name, version.
    language : str
        Language of the items, such as "en".
    licence, source, notes : str
        Terms of use, origin, and remarks for those who use the bank.
    items : dict of str to Item
        By item id, in alphabetical order.
    folder : Path
        Where the bank was read from.
    """

    id: str
    title: str
    version: str
    language: str
    licence: str
    source: str
    notes: str
    items: dict[str, Item]
    folder: Path


def load_bank(folder: Path) -> ItemBank:
    """Read an item bank.

    Parameters
    ----------
    folder : Path
        Folder with bank.toml and one TOML file per item. Subfolders are left alone.

    Raises
    ------
    ItemError
        The folder or bank.toml is missing, there are no items, or a file is wrong;
        names the file and the key.
    """
    path = folder / BANK_FILE
    if not folder.is_dir():
        raise ItemError("This item bank does not exist.", where=str(folder), mend="Check the path.")
    if not path.is_file():
        raise ItemError(
            f"This folder has no {BANK_FILE}.", where=str(folder), mend=f"Name a folder with a {BANK_FILE}."
        )
    table = read_toml(path)
    refuse_unknown(table, BANK_KEYS, path)
    files = sorted(file for file in folder.glob("*.toml") if file.name != BANK_FILE and file.name[0] != ".")
    if not files:
        raise ItemError(
            "The bank has no items.", where=str(folder), mend="Add one TOML file per item beside bank.toml."
        )
    return ItemBank(
        id=text(table, "id", path),
        title=text(table, "title", path),
        version=text(table, "version", path),
        language=text(table, "language", path),
        licence=text(table, "licence", path),
        source=text(table, "source", path),
        notes=text(table, "notes", path, default=""),
        items={file.stem: load_item(file) for file in files},
        folder=folder,
    )


def find_bank(name_or_path: str, base: Path) -> Path:
    """Folder of an item bank that a study or a command names.

    Parameters
    ----------
    name_or_path : str
        Path of a bank's folder, absolute or relative to `base`, or the name of a shipped bank.
    base : Path
        Folder that relative paths start from (a study's folder, or the working directory).

    Returns
    -------
    Path
        A folder that has a bank.toml. A path comes first, then a shipped bank.

    Raises
    ------
    ItemError
        Neither is there; suggests the shipped bank that was probably meant.
    """
    path = base / Path(name_or_path).expanduser()
    if name_or_path and (path / BANK_FILE).is_file():
        return path
    shipped = {
        file.parent.name: file.parent for file in sorted(shipped_folder("items").glob(f"*/{BANK_FILE}"))
    }
    if name_or_path in shipped:
        return shipped[name_or_path]
    if name_or_path and path.is_dir():
        raise ItemError(
            f"This folder has no {BANK_FILE}.", where=str(path), mend=f"Name a folder with a {BANK_FILE}."
        )
    raise ItemError(
        f"There is no item bank '{name_or_path}'.",
        where=f"looked for the folder {path} and among the banks that come with psyalign",
        mend=suggest(name_or_path, shipped),
    )
