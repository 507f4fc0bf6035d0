"""What can be wrong in a study file: found by a rule, told by `load_study`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a study file.

    Attributes
    ----------
    key : tuple of str
        Path to the key, such as ``("align", "arms")``.
    message, mend : str
        What is wrong, and what to do about it.
    """

    key: tuple[str, ...]
    message: str
    mend: str
