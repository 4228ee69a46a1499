"""``eventflow list``: the functions of an app, and the resources of an environment with their figures."""

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
    from collections.abc import Sequence
    from pathlib import Path

    from eventflow.plan.environment import Environment
    from eventflow.ports import ResourceStatus


@click.command("list", context_settings=SETTINGS, short_help="List resources, and an app's functions.")
@target_options(required=False)
@environment_option
@quiet_log_level_option
def list_resources(*, target: str | None, app_dir: Path, factory: bool, env: str | None, log_level: str) -> None:
    """List the resources of an environment, and the functions of TARGET."""
    from eventflow.cli.event_loop import run_async

    environment = load_named_environment(env)
    if target is not None:
        from eventflow.cli.startup import FUNCTION_HEADER, function_rows

        plan = load_target(target, app_dir=app_dir, factory=factory).freeze(environment)
        click.echo(table(FUNCTION_HEADER, list(function_rows(plan))) + "\n")
    click.echo(resource_table(run_async(_resources, environment), environment))


def resource_table(resources: Sequence[ResourceStatus], environment: Environment) -> str:
    """One row per resource, one column per figure that any of them has."""
    if not resources:
        return f"environment {environment.name} has no resources yet; they are made on first use"
    figures = list(dict.fromkeys(name for resource in resources for name in resource.figures))
    rows = [[resource.resource, *(str(resource.figures.get(name, "")) for name in figures)] for resource in resources]
    return table(["resource", *(name.replace("_", " ") for name in figures)], rows)


async def _resources(environment: Environment) -> list[ResourceStatus]:
    """What every adapter of the environment tells, the default one first."""
    from eventflow.run.adapters import Adapters
    from eventflow.run.runner import SystemClock

    async with Adapters(environment, clock=SystemClock()) as adapters:
        found = list(await (await adapters.serving("")).resources())
        for service in environment.sources:
            found += await (await adapters.serving(service)).resources()
    return list({resource.resource: resource for resource in found}.values())
