"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from eventflow.cli.group import DEBUG
from eventflow.model.permissions import AuthType

if TYPE_CHECKING:
    from eventflow.app import App
    from eventflow.plan.environment import Environment

Command = TypeVar("Command", bound=Callable[..., Any])

SETTINGS: Final[dict[str, Any]] = {"auto_envvar_prefix": "EVENTFLOW", "show_default": True}
"""Context settings of every command: ``--log-level`` is ``EVENTFLOW_LOG_LEVEL``."""

LOG_LEVELS: Final = ("critical", "error", "warning", "info", "debug")


def target_options(*, required: bool = True) -> Callable[[Command], Command]:
    """TARGET, ``--app-dir`` and ``--factory``: which app."""

    def decorate(command: Command) -> Command:
        for option in (
            click.option("--factory", is_flag=True, help="TARGET names a function that returns the app."),
            click.option(
                "--app-dir",
                type=click.Path(exists=True, file_okay=False, path_type=Path),
                default=".",
                help="Where modules are looked for first.",
            ),
            click.argument("target", required=required),
        ):
            command = option(command)
        return command

    return decorate


environment_option = click.option(
    "--env", metavar="NAME", help="The environment in eventflow.toml.  [default: local]", show_default=False
)


def _note_debug(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    ctx.meta[DEBUG] = value == "debug"
    return value


def _log_to_stderr(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    if not ctx.resilient_parsing:
        from eventflow.cli.logs import configure_logging

        configure_logging(level=value, log_format="auto", stream=sys.stderr)
    return _note_debug(ctx, parameter, value)


def _log_level(
    default: str, callback: Callable[[click.Context, click.Parameter, str], str]
) -> Callable[[Command], Command]:
    return click.option(
        "-l",
        "--log-level",
        type=click.Choice(LOG_LEVELS, case_sensitive=False),
        default=default,
        envvar="EVENTFLOW_LOG_LEVEL",
        callback=callback,
        help="The least severe level that is logged; debug shows errors with their traceback.",
    )


log_level_option = _log_level("info", _note_debug)
"""Of commands that run functions; they set up logging themselves."""


def invoke_options(command: Command) -> Command:
    """Where the Invoke API is served, and to whom."""
    for option in (
        click.option(
            "--invoke-auth-type",
            type=_AuthTypeChoice([item.value for item in AuthType], case_sensitive=False),
            default=None,
            help="Whether callers of the Invoke API have to sign, with an access key of the environment.  "
            "[default: AWS_IAM unless only this machine reaches it]",
            show_default=False,
        ),
        click.option(
            "--invoke-api/--no-invoke-api",
            default=None,
            help="Answer Lambda's Invoke API.  [default: if only this machine reaches it, or if there are access keys]",
        ),
        click.option("--host", default="127.0.0.1", help="The address to listen on; 0.0.0.0 for every one."),
    ):
        command = option(command)
    return command


class _AuthTypeChoice(click.Choice[str]):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return AuthType(super().convert(value, param, ctx))


quiet_log_level_option = _log_level("warning", _log_to_stderr)
"""Of commands that look or send: it sets up logging, on standard error."""

log_format_option = click.option(
    "--log-format",
    type=click.Choice(("auto", "json", "text")),
    default="auto",
    help="One JSON object or one line of text per log record; auto is text on a terminal.",
)


def load_target(target: str, *, app_dir: Path, factory: bool) -> App:
    """The app that a command line names. Raises TargetError."""
    from eventflow.run.targets import load_app

    return load_app(target, app_dir=app_dir, factory=factory)


def load_named_environment(name: str | None) -> Environment:
    """The environment that a command line and the process's variables name. Raises ConfigurationError."""
    from eventflow.plan.environment import load_environment

    return load_environment(name, variables=os.environ)
