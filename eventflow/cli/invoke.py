"""``eventflow invoke``: call one function in this process, without a server."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from shlex import quote
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from eventflow.cli.options import (
    SETTINGS,
    environment_option,
    load_named_environment,
    load_target,
    log_format_option,
    log_level_option,
    target_options,
)
from eventflow.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from eventflow.cli.logs import LogFormat
    from eventflow.plan.plan import Plan

T = TypeVar("T")


class _EventFile(click.File):
    """Tells whoever gives the event itself how to."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> IO[Any]:
        if isinstance(value, str) and value.lstrip().startswith(("{", "[")) and not Path(value).exists():
            self.fail(
                f"this takes a file; to give the event: echo {quote(value)} | eventflow invoke ... -e -", param, ctx
            )
        return super().convert(value, param, ctx)


@click.command(context_settings=SETTINGS, short_help="Invoke one function in this process.")
@target_options()
@click.argument("function")
@click.option("-e", "--event", type=_EventFile("rb"), help="A JSON file with the event; - is standard input.")
@click.option(
    "--invocation-type",
    type=click.Choice(("RequestResponse", "Event", "DryRun"), case_sensitive=False),
    default="RequestResponse",
    help="Wait for the result; or accept the event and run it once, leaving retries to `serve`; or only check.",
)
@environment_option
@log_level_option
@log_format_option
def invoke(
    *,
    target: str,
    function: str,
    app_dir: Path,
    factory: bool,
    event: IO[bytes] | None,
    invocation_type: str,
    env: str | None,
    log_level: str,
    log_format: LogFormat,
) -> None:
    """Invoke FUNCTION of TARGET with an event ({} by default) and print its response.

    A function error is printed on standard error, and the exit code is 1. Logs, and what the function prints, go to
    standard error, too. With --invocation-type Event the request id is printed.
    """
    from eventflow.cli.logs import configure_logging

    configure_logging(level=log_level, log_format=log_format, stream=sys.stderr)
    environment = load_named_environment(env)
    with redirect_stdout(sys.stderr):
        plan = load_target(target, app_dir=app_dir, factory=factory).freeze(environment)
    payload = event.read() if event else b"{}"
    _require_function(plan, target, function)
    match invocation_type:
        case "DryRun":
            from eventflow.runtime.request_path import decode

            decode(payload)
        case "Event":
            _accept(plan, function, payload)
        case _:
            _invoke_and_wait(plan, function, payload)


def _require_function(plan: Plan, target: str, function: str) -> None:
    if function not in plan.functions:
        hint = f"functions: {', '.join(plan.functions)}"
        raise ConfigurationError([Problem(where=target, message=f"has no function {function!r}", hint=hint)])


def _accept(plan: Plan, function: str, payload: bytes) -> None:
    from eventflow.run.invoking import accept_once

    click.echo(_run(accept_once, plan, function, payload))


def _invoke_and_wait(plan: Plan, function: str, payload: bytes) -> None:
    from eventflow.model.outcome import Succeeded, Throttled
    from eventflow.run.invoking import invoke_once

    outcome, body = _run(invoke_once, plan, function, payload).response
    if isinstance(outcome, Throttled):
        click.echo(f"{click.style('error:', fg='red', bold=True)} throttled: {outcome.reason}", err=True)
        click.get_current_context().exit(1)
    failed = not isinstance(outcome, Succeeded)
    click.echo(body or b"null", err=failed)
    if failed:
        click.get_current_context().exit(1)


def _run(invoke: Callable[[Plan, str, bytes], Awaitable[T]], plan: Plan, function: str, payload: bytes) -> T:
    """What ``invoke`` returns; what is printed meanwhile goes to standard error. Exits if the app's lifespan fails."""
    from eventflow.cli.event_loop import run_async
    from eventflow.cli.failures import expected_errors, log_breakdown

    try:
        with redirect_stdout(sys.stderr):
            return run_async(invoke, plan, function, payload)
    except Exception as exc:
        if expected_errors(exc):
            raise
        click.get_current_context().exit(log_breakdown(exc))
