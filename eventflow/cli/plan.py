"""``eventflow plan``: what was understood of an app, and who performs each setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from eventflow.cli.options import (
    SETTINGS,
    environment_option,
    load_named_environment,
    load_target,
    quiet_log_level_option,
    target_options,
)
from eventflow.cli.output import table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from eventflow.cli.description import FunctionDescription, Setting


@click.command(context_settings=SETTINGS, short_help="Show how functions are invoked, and by whom.")
@target_options()
@environment_option
@quiet_log_level_option
def plan(*, target: str, app_dir: Path, factory: bool, env: str | None, log_level: str) -> None:
    """Show how the functions of TARGET are invoked in an environment.

    For every setting it says whether the service performs it, or eventflow does.
    """
    from eventflow.cli.description import describe

    environment = load_named_environment(env)
    frozen = load_target(target, app_dir=app_dir, factory=factory).freeze(environment)
    click.echo(f"{frozen.app_name} in environment {environment.name}")
    for function in describe(frozen):
        click.echo("\n".join(_lines(function)))


def _lines(function: FunctionDescription) -> Iterator[str]:
    yield ""
    yield click.style(function.name, bold=True)
    yield _settings(function.settings, indent=2)
    for trigger in function.triggers:
        yield ""
        adapter = f", adapter {trigger.adapter}" if trigger.adapter else ""
        yield f"  {click.style(trigger.decorator, fg='cyan')}  {trigger.model}{adapter}"
        if trigger.settings:
            yield _settings(trigger.settings, indent=4)


def _settings(settings: tuple[Setting, ...], *, indent: int) -> str:
    return table(None, [(item.name, item.value, f"by {item.performed_by}") for item in settings], indent=indent)
