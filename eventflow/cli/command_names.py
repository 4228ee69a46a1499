"""Commands that have commands of their own, and what they say of one that they do not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence


class NamedCommands(click.Group):
    """A group that tells what was meant, or what there is, when a command does not exist."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as exc:
            if args[0].startswith("-"):  # an option, which says so itself
                raise
            message = f"there is no command {args[0]!r}; {_what_there_is(args[0], self.list_commands(ctx))}"
            raise click.UsageError(message, ctx) from exc


def _what_there_is(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches  # only mistakes need it

    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
