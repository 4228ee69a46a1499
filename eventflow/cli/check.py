"""``eventflow check``: every mistake in an app's declarations, and what is probably not meant."""

from __future__ import annotations

import os
from dataclasses import astuple
from typing import TYPE_CHECKING

import click

from eventflow.cli.options import (
    SETTINGS,
    environment_option,
    invoke_options,
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
    from eventflow.cli.serve_options import InvokeAccess
    from eventflow.model.permissions import AuthType
    from eventflow.plan.environment import Environment
    from eventflow.plan.plan import Plan


@click.command(context_settings=SETTINGS, short_help="Find mistakes without running anything.")
@target_options()
@environment_option
@invoke_options
@click.option("--ignore", multiple=True, metavar="RULE", help="A rule whose findings do not matter here. Repeatable.")
@click.option("--offline", is_flag=True, help="Ask no service.")
@quiet_log_level_option
def check(
    *,
    target: str,
    app_dir: Path,
    factory: bool,
    env: str | None,
    host: str,
    invoke_api: bool | None,
    invoke_auth_type: AuthType | None,
    ignore: tuple[str, ...],
    offline: bool,
    log_level: str,
) -> None:
    """Check the functions of TARGET and the environment, without running anything.

    Where the environment's resources are a service's, they are looked at, and nothing is changed. What serve will be
    told of its address and of the Invoke API may be told here, too.
    The exit code is 1 if there are mistakes or findings.
    """
    from eventflow.cli.event_loop import run_async
    from eventflow.cli.failures import ExitCode, show_error
    from eventflow.cli.findings import OPEN_INVOKE_API, RULES, Finding, find, find_open_invoke_api
    from eventflow.cli.serve_options import InvokeAccess
    from eventflow.run.managing import inspect, inspection_rules

    environment = load_named_environment(env)
    access = InvokeAccess.of(host, environment, invoke_api=invoke_api, auth_type=invoke_auth_type)
    app = load_target(target, app_dir=app_dir, factory=factory)
    try:
        plan = _freeze(app, environment, access)
    except ConfigurationError as exc:
        show_error(exc)
        click.get_current_context().exit(ExitCode.FAILED)
    known = {rule.id for rule in RULES} | inspection_rules(environment) | {OPEN_INVOKE_API}
    if unknown := set(ignore) - known:
        raise click.UsageError(f"--ignore: no rule {', '.join(sorted(unknown))}; rules: {', '.join(sorted(known))}")
    found = find(plan) + find_open_invoke_api(host, access)
    if not offline:
        found += [Finding(*astuple(inspection)) for inspection in run_async(inspect, plan)]
    findings = [finding for finding in found if finding.rule not in ignore]
    _show(findings)
    click.echo(f"{counted(len(plan.functions), 'function')} checked, {counted(len(findings), 'finding')}")
    click.get_current_context().exit(ExitCode.FAILED if findings else ExitCode.DONE)


def _freeze(app: App, environment: Environment, access: InvokeAccess) -> Plan:
    """The plan; raises one ConfigurationError for the app's mistakes, those of the environment's adapters, and secrets
    of callers that are missing."""
    from eventflow.run.adapters import adapter_problems
    from eventflow.run.protection import read_credentials
    from eventflow.run.runner import SystemClock

    problems = adapter_problems(environment, clock=SystemClock())
    try:
        if access.asks_callers:
            read_credentials(environment, os.environ)
    except ConfigurationError as exc:
        problems += exc.problems
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
