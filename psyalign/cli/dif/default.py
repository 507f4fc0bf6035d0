"""A command group one of whose commands needs no name: `psyalign dif SCORES`, `psyalign dif compare …`."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

__all__ = ["DefaultGroup"]


class DefaultGroup(TyperGroup):
    """Runs its command `default` when the first argument is no command's name."""

    default = "test"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command's name first, unless a command or help is asked for."""
        helps = {"-h", "--help"}
        if args and args[0] not in self.commands and not helps & set(args[:1]):
            args = [self.default, *args]
        return super().parse_args(ctx, args)
