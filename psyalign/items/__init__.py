"""Items: rubrics, exemplars, the banks that hold them, and checks on them."""

from psyalign.items.bank import ItemBank, find_bank, load_bank
from psyalign.items.checks import Finding, check_bank, check_item
from psyalign.items.item import Exemplar, Item, RubricPoint, load_item
from psyalign.items.show import format_item

__all__ = [
    "Exemplar",
    "Finding",
    "Item",
    "ItemBank",
    "RubricPoint",
    "check_bank",
    "check_item",
    "find_bank",
    "format_item",
    "load_bank",
    "load_item",
]
