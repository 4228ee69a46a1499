"""``eventflow check``: every mistake in an app's declarations, and what is probably not meant."""

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
from eventflow.cli.output import counted
from eventflow.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from eventflow.app import App
    from eventflow.cli.findings import Finding
    from eventflow.plan.environment import Environment
    from eventflow.plan.plan import Plan


@click.command(context_settings=SETTINGS, short_help="Find mistakes without running anything.")
@target_options()
@environment_option
@click.option("--ignore", multiple=True, metavar="RULE", help="A rule whose findings do not matter here. Repeatable.")
@quiet_log_level_option
def check(
    *, target: str, app_dir: Path, factory: bool, env: str | None, ignore: tuple[str, ...], log_level: str
) -> None:
    """Check the functions of TARGET and the environment, without running anything or asking any service.

    The exit code is 1 if there are mistakes or findings.
    """
    from eventflow.cli.failures import ExitCode, show_error
    from eventflow.cli.findings import RULES, find

    known = {rule.id for rule in RULES}
    if unknown := set(ignore) - known:
        raise click.UsageError(f"--ignore: no rule {', '.join(sorted(unknown))}; rules: {', '.join(sorted(known))}")
    environment = load_named_environment(env)
    app = load_target(target, app_dir=app_dir, factory=factory)
    try:
        plan = _freeze(app, environment)
    except ConfigurationError as exc:
        show_error(exc)
        click.get_current_context().exit(ExitCode.FAILED)
    findings = [finding for finding in find(plan) if finding.rule not in ignore]
    _show(findings)
    click.echo(f"{counted(len(plan.functions), 'function')} checked, {counted(len(findings), 'finding')}")
    click.get_current_context().exit(ExitCode.FAILED if findings else ExitCode.DONE)


def _freeze(app: App, environment: Environment) -> Plan:
    """The plan; raises one ConfigurationError for the app's mistakes and those of the environment's adapters."""
    from eventflow.run.adapters import adapter_problems
    from eventflow.run.runner import SystemClock

    problems = adapter_problems(environment, clock=SystemClock())
    try:
        plan = app.freeze(environment)
    except ConfigurationError as exc:
        raise ConfigurationError([*exc.problems, *problems]) from exc
    if problems:
        raise ConfigurationError(problems)
    return plan


def _show(findings: Sequence[Finding]) -> None:
    for finding in findings:
        heading = click.style("warning:", fg="yellow", bold=True)
        rule = click.style(f"[{finding.rule}]", dim=True)
        click.echo(f"{heading} {finding.where}: {finding.message} {rule}\n         {finding.mend}")
