"""Commands that have commands of their own, and what they say of one that they do not have."""

from __future__ import annotations

import click

from eventflow.model.suggestions import did_you_mean


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
            known = self.list_commands(ctx)
            hint = did_you_mean(args[0], known) or f"known: {', '.join(known)}"
            message = f"there is no command {args[0]!r}; {hint}"
            raise click.UsageError(message, ctx) from exc
