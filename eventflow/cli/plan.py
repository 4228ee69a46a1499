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
from eventflow.plan.permissions import grants

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from eventflow.cli.description import FunctionDescription, Setting
    from eventflow.model.permissions import AccessKey, Permission
    from eventflow.plan.plan import Plan


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
    click.echo("\n".join(_access(frozen)))


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


def _access(plan: Plan) -> Iterator[str]:
    """Who may invoke functions where requests have to be signed."""
    callers = plan.environment.callers
    yield ""
    if not callers:
        yield "Invoke API: no access keys, so it is served to this machine only"
        return
    yield "Invoke API: other machines have to sign with an access key"
    rows = [(key.id, key.principal, _may(key, connections=bool(plan.websocket_routes))) for key in callers]
    yield table(("access key", "acts as", "may invoke"), rows, indent=2)
    yield ""
    statements = [(*_statement(grant.permission), grant.decorator or plan.environment.name) for grant in grants(plan)]
    if statements:
        yield table(("permission for", "of", "on behalf of", "from"), statements, indent=2)


def _may(key: AccessKey, *, connections: bool) -> str:
    """What a caller may invoke, and whether it may send to connections where there are any."""
    functions = "by permissions" if key.is_service else ", ".join(key.functions)
    return f"{functions}; send to connections" if connections and key.manages_connections else functions


def _statement(permission: Permission) -> tuple[str, str, str]:
    conditions = (permission.source_arn, permission.source_account, permission.event_source_token)
    return permission.principal, permission.function, " ".join(filter(None, conditions)) or "anybody"


def _settings(settings: tuple[Setting, ...], *, indent: int) -> str:
    return table(None, [(item.name, item.value, f"by {item.performed_by}") for item in settings], indent=indent)
