"""``eventflow provision``: make the queues, topics, streams ... that an app names."""

from __future__ import annotations

from collections import Counter
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
from eventflow.cli.output import counted

if TYPE_CHECKING:
    from pathlib import Path

    from eventflow.plan.plan import Plan
    from eventflow.ports import ProvisionAction, ProvisionStep

_COLOURS = {"exists": None, "create": "green", "update": "yellow"}


@click.command(context_settings=SETTINGS, short_help="Make the resources that an app names.")
@target_options()
@environment_option
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@quiet_log_level_option
def provision(*, target: str, app_dir: Path, factory: bool, env: str | None, dry_run: bool, log_level: str) -> None:
    """Make the resources that the functions of TARGET name in an environment, and connect them.

    What is there already stays as it is; running this again changes nothing. Nothing is ever removed.
    """
    from eventflow.cli.event_loop import run_async

    plan = load_target(target, app_dir=app_dir, factory=factory).freeze(load_named_environment(env))
    done = run_async(_provision, plan, dry_run)
    changes = done.total() - done["exists"]
    verb = "to make or change" if dry_run else "made or changed"
    click.echo(f"{counted(done.total(), 'resource')}: {changes:,} {verb}, {done['exists']:,} there already")


async def _provision(plan: Plan, dry_run: bool) -> Counter[ProvisionAction | str]:
    from eventflow.run import managing

    done: Counter[ProvisionAction | str] = Counter()
    async for step in managing.provision(plan, dry_run=dry_run):
        done[step.action] += 1
        click.echo(_line(step))
    return done


def _line(step: ProvisionStep) -> str:
    return f"{click.style(f'{step.action:7}', fg=_COLOURS[step.action])} {step.resource}  {step.detail}"
