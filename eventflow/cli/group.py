"""The ``eventflow`` command: which subcommands there are, each imported only when it is used."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import click

from eventflow.cli.command_names import NamedCommands
from eventflow.errors import EventflowError

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS: Final[Mapping[str, str]] = {
    "serve": "eventflow.cli.serve:serve",
    "dev": "eventflow.cli.serve:dev",
    "invoke": "eventflow.cli.invoke:invoke",
    "send": "eventflow.cli.send:send",
    "list": "eventflow.cli.list_resources:list_resources",
    "plan": "eventflow.cli.plan:plan",
    "check": "eventflow.cli.check:check",
    "provision": "eventflow.cli.provision:provision",
    "export": "eventflow.cli.export:export",
    "generate-event": "eventflow.cli.generate_event:generate_event",
}
"""In the order of ``--help``."""

ALIASES: Final[Mapping[str, str]] = {"run": "serve"}

DEBUG: Final = "eventflow.debug"
"""The key of ``Context.meta`` that says whether errors are shown with their traceback."""

_EPILOG: Final = """\b
Exit codes:
  0    done
  1    a function failed, `check` found something, or the run broke down
  2    the command line is wrong
  3    the app, its declarations or the environment cannot work
  4    the port is in use, or the environment cannot be reached
  130  stopped at once by a second Ctrl-C (143 by a second SIGTERM)

Every option is also an environment variable: --log-level is EVENTFLOW_LOG_LEVEL. The options of `send` are called
after their command: EVENTFLOW_SEND_S3_KEY.
"""


class CommandGroup(NamedCommands):
    """Imports commands when they are used, and turns eventflow's errors into messages and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = COMMANDS.get(ALIASES.get(cmd_name, cmd_name))
        if found is None:
            return None
        module, _, attribute = found.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (EventflowError, ExceptionGroup) as exc:
            from eventflow.cli.failures import exit_code_of, expected_errors, show_error

            errors = expected_errors(exc)
            if not errors:
                raise
            for error in errors:
                show_error(error, with_traceback=ctx.meta.get(DEBUG, False))
            ctx.exit(max(exit_code_of(error) for error in errors))


def _show_version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    import platform
    from importlib.metadata import version

    python = f"{platform.python_implementation()} {platform.python_version()}"
    click.echo(f"eventflow {version('eventflow')} ({python}, {platform.system()} {platform.machine()})")
    ctx.exit()


@click.group(cls=CommandGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-V",
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the versions of eventflow and Python, and the platform.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Run Python functions with AWS Lambda's invocation semantics."""
    if os.environ.get("NO_COLOR"):
        ctx.color = False
