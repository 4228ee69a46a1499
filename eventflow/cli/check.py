"""``eventflow check``: every mistake in an app's declarations, and what is probably not meant."""

from __future__ import annotations

from dataclasses import astuple
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
@click.option("--offline", is_flag=True, help="Ask no service.")
@quiet_log_level_option
def check(
    *,
    target: str,
    app_dir: Path,
    factory: bool,
    env: str | None,
    ignore: tuple[str, ...],
    offline: bool,
    log_level: str,
) -> None:
    """Check the functions of TARGET and the environment, without running anything.

    Where the environment's resources are a service's, they are looked at, and nothing is changed.
    The exit code is 1 if there are mistakes or findings.
    """
    from eventflow.cli.event_loop import run_async
    from eventflow.cli.failures import ExitCode, show_error
    from eventflow.cli.findings import RULES, Finding, find
    from eventflow.run.managing import inspect, inspection_rules

    environment = load_named_environment(env)
    app = load_target(target, app_dir=app_dir, factory=factory)
    try:
        plan = _freeze(app, environment)
    except ConfigurationError as exc:
        show_error(exc)
        click.get_current_context().exit(ExitCode.FAILED)
    known = {rule.id for rule in RULES} | inspection_rules(environment)
    if unknown := set(ignore) - known:
        raise click.UsageError(f"--ignore: no rule {', '.join(sorted(unknown))}; rules: {', '.join(sorted(known))}")
    found = find(plan)
    if not offline:
        found += [Finding(*astuple(inspection)) for inspection in run_async(inspect, plan)]
    findings = [finding for finding in found if finding.rule not in ignore]
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
