"""Numbers as APA prints them: true minus signs, no leading zero where 1 is the bound, no NaN.

Every function takes what a table cell may hold (a number, NaN, None) and returns text;
what is missing becomes an en dash.
"""

from __future__ import annotations

import math

__all__ = [
    "MISSING",
    "bounded",
    "count",
    "decimals_for",
    "finite",
    "interval",
    "percent",
    "pvalue",
    "real",
    "seconds",
]

MISSING = "–"
MINUS = "\N{MINUS SIGN}"
# Between the parts of one expression, so that a line never breaks inside it.
THIN = "\N{NARROW NO-BREAK SPACE}"


def finite(value: object) -> float | None:
    """`value` as a float, or None if it is missing, not a number or infinite."""
    if value is None or isinstance(value, str):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def real(value: object, decimals: int = 2, *, signed: bool = False) -> str:
    """A statistic that can exceed 1, such as an effect size: ``0.16``, ``−0.16``, ``+0.16``."""
    number = finite(value)
    if number is None:
        return MISSING
    text = f"{abs(number):.{decimals}f}"
    if not any(digit in text for digit in "123456789"):
        return text  # a negative zero is a zero
    return (MINUS if number < 0 else "+" if signed else "") + text


def bounded(value: object, decimals: int = 2, *, signed: bool = False) -> str:
    """A statistic that cannot exceed 1, such as QWK, r or p: ``.80``, ``−.05``, ``1.00``."""
    text = real(value, decimals, signed=signed)
    for sign in ("", MINUS, "+"):
        if text.startswith(f"{sign}0."):
            return sign + text[len(sign) + 1 :]
    return text


def pvalue(value: object) -> str:
    """A p value: ``.034``, ``< .001``."""
    number = finite(value)
    if number is None:
        return MISSING
    return f"<{THIN}.001" if number < 0.001 else bounded(number, 3)


def interval(low: object, high: object, decimals: int = 2, *, unit_bound: bool = False) -> str:
    """An interval: ``[−0.20, −0.12]``; the dash if an end is missing."""
    if finite(low) is None or finite(high) is None:
        return MISSING
    show = bounded if unit_bound else real
    return f"[{show(low, decimals)}, {show(high, decimals)}]"


def decimals_for(before: object, after: object, change: object, *ends: object) -> int:
    """2 decimals, or 3 where 2 would print a non-zero value as zero or a change that does not add up."""
    values = [finite(value) for value in (before, after, change, *ends)]
    if any(value is not None and 0 < abs(value) < 0.005 for value in values):
        return 3
    first, last, moved = (None if value is None else round(100 * value) for value in values[:3])
    adds_up = None in (first, last, moved) or last - first == moved  # type: ignore[operator]
    return 2 if adds_up else 3


def count(value: object) -> str:
    """A whole number with thin spaces between thousands: ``11 278``."""
    number = finite(value)
    if number is None:
        return MISSING
    return f"{round(number):,}".replace(",", THIN).replace("-", MINUS)


def percent(value: object) -> str:
    """A share as a whole percentage: ``84%``."""
    number = finite(value)
    return MISSING if number is None else f"{round(100 * number)}%".replace("-", MINUS)


def seconds(value: object) -> str:
    """A duration: ``8.4 s``, ``3 min 20 s``, ``1 h 05 min``."""
    number = finite(value)
    if number is None:
        return MISSING
    if number < 59.95:
        return f"{number:.1f}{THIN}s"
    whole = round(number)
    if whole < 3600:
        return f"{whole // 60}{THIN}min {whole % 60:02d}{THIN}s"
    return f"{whole // 3600}{THIN}h {whole % 3600 // 60:02d}{THIN}min"
