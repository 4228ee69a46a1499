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
    from collections.abc import Sequence
    from pathlib import Path

    from eventflow.ports import Statement


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


@export.command(context_settings=SETTINGS, short_help="The OpenAPI document of what it answers.")
@target_options()
@environment_option
@click.option("--title", help="The document's title.  [default: the app's name]", show_default=False)
@click.option(
    "--api-version", metavar="VERSION", help="The version of the API.  [default: the app's]", show_default=False
)
@click.option("--server", "servers", multiple=True, metavar="URL", help="Where it is served. Repeatable.")
@click.option(
    "--function-url",
    metavar="FUNCTION",
    help="The document of this function's URL, which is a host of its own.",
)
@quiet_log_level_option
def openapi(
    *,
    target: str,
    app_dir: Path,
    factory: bool,
    env: str | None,
    title: str | None,
    api_version: str | None,
    servers: tuple[str, ...],
    function_url: str | None,
    log_level: str,
) -> None:
    """Print the OpenAPI 3.1 document of TARGET's HTTP side, as JSON.

    Nothing is opened or run. A route that has no place in the document is reported on stderr.
    """
    from eventflow.runtime.openapi.document import openapi_of

    plan = load_target(target, app_dir=app_dir, factory=factory).freeze(load_named_environment(env))
    found = openapi_of(plan, title=title, version=api_version, servers=servers, function_url=function_url)
    click.echo(json.dumps(found.document, indent=2, ensure_ascii=False))
    for line in found.left_out:
        click.echo(f"{click.style('left out:', fg='yellow', bold=True)} {line}", err=True)


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
