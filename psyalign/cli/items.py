"""`psyalign items`: check an item bank, show its items."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from psyalign.cli.output import show_findings, show_table
from psyalign.foundation.errors import UsageError

if TYPE_CHECKING:
    from psyalign.items import Item, ItemBank

__all__ = ["app"]

Bank = Annotated[str, typer.Argument(metavar="BANK", help="A shipped bank's name, or a bank's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(
    help="Check and show item banks.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)


@app.command()
def check(bank: Bank, as_json: AsJson = False) -> None:
    """Check every item of a bank: its file, its rubric, its exemplars."""
    from psyalign.items import check_bank

    loaded = _load(bank)
    findings = check_bank(loaded)
    errors = show_findings(
        findings, as_json=as_json, silence=f"{loaded.id}: {len(loaded.items)} items, no findings."
    )
    if errors:
        raise typer.Exit(3)


@app.command()
def show(
    bank: Bank,
    item: Annotated[
        str | None, typer.Argument(metavar="[ITEM]", help="An item's id; default: a list.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the items of a bank, or show one item in full."""
    loaded = _load(bank)
    if item is None:
        _show_bank(loaded, as_json)
        return
    if item not in loaded.items:
        raise UsageError(f"There is no item '{item}'.", where=str(loaded.folder), mend=_guess(item, loaded))
    _show_item(loaded.items[item], as_json)


def _load(name: str) -> ItemBank:
    from psyalign.items import find_bank, load_bank

    return load_bank(find_bank(name, Path.cwd()))


def _guess(item: str, bank: ItemBank) -> str:
    import difflib

    near = difflib.get_close_matches(item, list(bank.items), n=1)
    start = f"Did you mean '{near[0]}'? " if near else ""
    return f"{start}The bank has: {', '.join(bank.items)}."


def _show_bank(bank: ItemBank, as_json: bool) -> None:
    rows = [
        {
            "item": item.id,
            "title": item.title,
            "construct": item.construct,
            "scores": f"0–{item.max_score}",
            "exemplars": len(item.exemplars),
        }
        for item in bank.items.values()
    ]
    show_table(rows, as_json=as_json, title=f"{bank.title} ({bank.id} {bank.version}, {bank.licence})")


def _show_item(item: Item, as_json: bool) -> None:
    from dataclasses import asdict

    from psyalign.items import format_item

    if as_json:
        show_table([asdict(item)], as_json=True)
    else:
        print(format_item(item))
