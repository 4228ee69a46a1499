"""``eventflow export``: documents derived from an app's declarations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from eventflow.cli.options import (
    SETTINGS,
    environment_option,
    load_named_environment,
    load_target,
    quiet_log_level_option,
    target_options,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from eventflow.ports import Statement, Template


@click.group(context_settings=SETTINGS, short_help="Write documents derived from an app.")
def export() -> None:
    """Write documents derived from an app's declarations."""


@export.command(context_settings=SETTINGS, short_help="An IAM policy of what the app needs.")
@target_options()
@environment_option
@click.option(
    "--role",
    type=click.Choice(["runtime", "provisioning"]),
    default="runtime",
    help="Whose policy: the identity that runs the app, or the one that provisions it.",
)
@quiet_log_level_option
def iam(*, target: str, app_dir: Path, factory: bool, env: str | None, role: str, log_level: str) -> None:
    """Print the least-privilege IAM policy of TARGET in an environment, as JSON.

    No service is asked. Every wildcard is reported on stderr with its reason.
    """
    from eventflow.cli.event_loop import run_async
    from eventflow.run.managing import permissions

    plan = load_target(target, app_dir=app_dir, factory=factory).freeze(load_named_environment(env))
    found = run_async(permissions, plan)
    statements = found.runtime if role == "runtime" else found.provisioning
    click.echo(json.dumps(_policy(statements), indent=2))
    for statement in statements:
        if statement.wildcard is not None:
            heading = click.style("wildcard:", fg="yellow", bold=True)
            click.echo(f"{heading} {statement.sid}: {statement.wildcard}", err=True)


def _template_command(command: Callable[..., None]) -> click.Command:
    """What both kinds of template are asked for with."""
    for decorate in (
        quiet_log_level_option,
        click.option(
            "--existing-resources",
            is_flag=True,
            help="Queues, topics, buckets ... are there already; without it those that the environment does not bind "
            "are made by the stack.",
        ),
        click.option("--runtime", default="python3.13", help="Lambda's name of the Python version."),
        environment_option,
        target_options(),
    ):
        command = decorate(command)
    return export.command(context_settings=SETTINGS)(command)


@_template_command
def sam(
    *,
    target: str,
    app_dir: Path,
    factory: bool,
    env: str | None,
    runtime: str,
    existing_resources: bool,
    log_level: str,
) -> None:
    """Print an AWS SAM template that deploys TARGET into AWS Lambda.

    Each function is a Lambda function with its sources, destinations and a role of its own. No service is asked. What
    a template cannot say, and every wildcard of a role, is reported on stderr. `sam build` packs the directory of the
    code, which needs a requirements.txt with eventflow in it.
    """
    from eventflow.cli.templates import export_template, yaml_text
    from eventflow.ports import TemplateKind

    found = export_template(
        target,
        app_dir=app_dir,
        factory=factory,
        env=env,
        runtime=runtime,
        existing=existing_resources,
        kind=TemplateKind.SAM,
    )
    click.echo(yaml_text(found.document), nl=False)
    _report(found)


@_template_command
def cloudformation(
    *,
    target: str,
    app_dir: Path,
    factory: bool,
    env: str | None,
    runtime: str,
    existing_resources: bool,
    log_level: str,
) -> None:
    """Print a CloudFormation template that deploys TARGET into AWS Lambda.

    It is what AWS's own translator makes of the SAM template. The code is a zip archive that its parameters CodeBucket
    and CodeKey name. What a template cannot say is reported on stderr.
    """
    from eventflow.cli.templates import export_template, yaml_text
    from eventflow.ports import TemplateKind

    found = export_template(
        target,
        app_dir=app_dir,
        factory=factory,
        env=env,
        runtime=runtime,
        existing=existing_resources,
        kind=TemplateKind.CLOUDFORMATION,
    )
    click.echo(yaml_text(found.document), nl=False)
    _report(found)


def _report(template: Template) -> None:
    for remark in template.remarks:
        click.echo(f"{click.style('note:', fg='yellow', bold=True)} {remark.where}: {remark.message}", err=True)


def _policy(statements: Sequence[Statement]) -> dict[str, Any]:
    """Source: IAM guide: policy grammar."""
    return {"Version": "2012-10-17", "Statement": [_statement(statement) for statement in statements]}


def _statement(statement: Statement) -> dict[str, Any]:
    wire: dict[str, Any] = {
        "Sid": statement.sid,
        "Effect": "Allow",
        "Action": list(statement.actions),
        "Resource": list(statement.resources),
    }
    return {**wire, "Condition": statement.conditions} if statement.conditions else wire
