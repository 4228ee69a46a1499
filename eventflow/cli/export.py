"""``eventflow export``: documents derived from an app's declarations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from eventflow.cli.command_names import NamedCommands
from eventflow.cli.options import (
    SETTINGS,
    environment_option,
    load_named_environment,
    load_target,
    quiet_log_level_option,
    target_options,
)
from eventflow.errors import ConfigurationError, Problem
from eventflow.model.permissions import INVOKE_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventflow.plan.plan import Plan
    from eventflow.ports import Statement


@click.group(cls=NamedCommands, context_settings=SETTINGS, short_help="Write documents derived from an app.")
def export() -> None:
    """Write documents derived from an app's declarations."""


@export.command(context_settings=SETTINGS, short_help="An IAM policy of what the app needs.")
@target_options()
@environment_option
@click.option(
    "--role",
    type=click.Choice(["runtime", "provisioning", "caller"]),
    default="runtime",
    help="Whose policy: the identity that runs the app, the one that provisions it, or one that invokes its functions.",
)
@quiet_log_level_option
def iam(*, target: str, app_dir: Path, factory: bool, env: str | None, role: str, log_level: str) -> None:
    """Print the least-privilege IAM policy of TARGET in an environment, as JSON.

    No service is asked. Every wildcard is reported on stderr with its reason.
    """
    from eventflow.cli.event_loop import run_async
    from eventflow.run.managing import permissions as permissions_of

    plan = load_target(target, app_dir=app_dir, factory=factory).freeze(load_named_environment(env))
    if role == "caller":
        statements: Sequence[Statement] = (_calling(plan),)
    else:
        found = run_async(permissions_of, plan)
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


@export.command(context_settings=SETTINGS, short_help="The resource policies of an app's functions.")
@target_options()
@environment_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["add-permission", "cloudformation"]),
    default="add-permission",
    help="Requests of Lambda's AddPermission, or the resources of a CloudFormation template.",
)
@quiet_log_level_option
def permissions(*, target: str, app_dir: Path, factory: bool, env: str | None, form: str, log_level: str) -> None:
    """Print, as JSON, which services may invoke the functions of TARGET in an environment, and on whose behalf.

    The statements are those that the decorators imply, and those of the environment. Each request is what
    aws lambda add-permission --cli-input-json takes; its StatementId is made of the rest.
    """
    from eventflow.cli.statements import as_requests, as_template
    from eventflow.plan.permissions import grants

    plan = load_target(target, app_dir=app_dir, factory=factory).freeze(load_named_environment(env))
    _check_account(plan)
    found = [grant.permission for grant in grants(plan)]
    click.echo(json.dumps(as_template(found) if form == "cloudformation" else as_requests(found), indent=2))


def _check_account(plan: Plan) -> None:
    """Raises ConfigurationError if a statement would let in another account's resources, or nobody's."""
    if not plan.environment.has_account:
        where = f"environment {plan.environment.name}"
        hint = "set account_id in the environment, or EVENTFLOW_ACCOUNT_ID"
        problem = Problem(where=where, field="account_id", message="is missing: statements name it", hint=hint)
        raise ConfigurationError([problem])


def _calling(plan: Plan) -> Statement:
    """What an identity has to be allowed that invokes the functions of an app."""
    from eventflow.ports import Statement

    environment = plan.environment
    arns = [environment.function_arn(name) for name in plan.functions]
    reason = None
    if not environment.has_account:
        arns = [arn.replace(f":{environment.account_id}:", ":*:") for arn in arns]
        reason = "the account is not known: set account_id in the environment"
    return Statement(sid="InvokeFunctions", actions=(INVOKE_FUNCTION,), resources=tuple(arns), wildcard=reason)


@export.command(context_settings=SETTINGS, short_help="A function for Lambda that forwards its events to eventflow.")
def forwarder() -> None:
    """Print the Python file of a function that hands events of Lambda's to a running eventflow, and answers back.

    It needs nothing but what Lambda's Python runtimes bring. What it is told by variables is said in it.
    """
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    [document] = entry_points(group="eventflow.documents", name="forwarder")
    spec = find_spec(document.module)
    assert spec is not None
    assert spec.origin is not None
    click.echo(Path(spec.origin).read_text(encoding="utf-8"), nl=False)


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
def sam(**options: Any) -> None:
    """Print an AWS SAM template that deploys TARGET into AWS Lambda.

    Each function is a Lambda function with its sources, destinations and a role of its own. No service is asked. What
    a template cannot say, and every wildcard of a role, is reported on stderr. `sam build` packs the directory of the
    code, which needs a requirements.txt with eventflow in it.
    """
    _print_template("SAM", **options)


@_template_command
def cloudformation(**options: Any) -> None:
    """Print a CloudFormation template that deploys TARGET into AWS Lambda.

    It is what AWS's own translator makes of the SAM template. The code is a zip archive that its parameters CodeBucket
    and CodeKey name. What a template cannot say is reported on stderr.
    """
    _print_template("CLOUDFORMATION", **options)


def _print_template(
    kind: Literal["SAM", "CLOUDFORMATION"],
    *,
    target: str,
    app_dir: Path,
    factory: bool,
    env: str | None,
    runtime: str,
    existing_resources: bool,
    log_level: str,
) -> None:
    from eventflow.cli.templates import export_template, yaml_text
    from eventflow.ports import TemplateKind

    found = export_template(
        target,
        app_dir=app_dir,
        factory=factory,
        env=env,
        runtime=runtime,
        existing=existing_resources,
        kind=TemplateKind[kind],
    )
    click.echo(yaml_text(found.document), nl=False)
    for remark in found.remarks:
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
