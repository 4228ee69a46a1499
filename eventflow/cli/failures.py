"""Errors as a terminal user sees them: what is wrong, what would mend it, and the exit code."""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from enum import IntEnum
from itertools import groupby
from typing import TYPE_CHECKING, Final

import click

from eventflow.errors import (
    AdapterError,
    ConfigurationError,
    DataDirectoryError,
    EnvironmentUnavailableError,
    EventflowError,
    InvalidMessageError,
    PortInUseError,
    ResourceNotFoundError,
    TargetError,
    UnavailableError,
)
from eventflow.run.mending import mend_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.errors import Problem

_log = logging.getLogger("eventflow")


class ExitCode(IntEnum):
    """What the exit code of the process says. 2 is click's own: the command line is wrong."""

    DONE = 0
    FAILED = 1
    MISCONFIGURED = 3
    UNREACHABLE = 4


_EXIT_CODES: Final[tuple[tuple[type[EventflowError], ExitCode], ...]] = (
    (ConfigurationError, ExitCode.MISCONFIGURED),
    (ResourceNotFoundError, ExitCode.MISCONFIGURED),
    (PortInUseError, ExitCode.UNREACHABLE),
    (UnavailableError, ExitCode.UNREACHABLE),
    (DataDirectoryError, ExitCode.UNREACHABLE),
    (InvalidMessageError, ExitCode.FAILED),
    (AdapterError, ExitCode.MISCONFIGURED),
)


def expected_errors(exc: BaseException) -> list[EventflowError]:
    """The errors of ours that ``exc`` is, or is made of; empty if there is any other among them."""
    if isinstance(exc, EventflowError):
        return [exc]
    if not isinstance(exc, BaseExceptionGroup):
        return []
    found = [expected_errors(member) for member in exc.exceptions]
    return [error for errors in found for error in errors] if all(found) else []


def exit_code_of(error: EventflowError) -> ExitCode:
    """The exit code that an error ends the process with."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), ExitCode.FAILED)


def log_breakdown(exc: Exception) -> ExitCode:
    """Log what ended a run that is none of our errors, such as a lifespan that fails; returns the exit code."""
    culprit = exc
    while isinstance(culprit, ExceptionGroup) and len(culprit.exceptions) == 1:
        culprit = culprit.exceptions[0]
    _log.critical("the run broke down: %s: %s", type(culprit).__name__, culprit, exc_info=culprit)
    return ExitCode.FAILED


def show_error(error: EventflowError, *, with_traceback: bool = False) -> None:
    """Print an error on stderr. A user's module that fails while it is loaded is shown with its own traceback."""
    if with_traceback:
        click.echo("".join(traceback.format_exception(error)), err=True)
    elif isinstance(error, TargetError) and error.__cause__ is not None:
        click.echo("".join(traceback.format_exception(error.__cause__)), err=True)
    heading = click.style("error:", fg="red", bold=True)
    if isinstance(error, ConfigurationError | EnvironmentUnavailableError):
        click.echo(f"{heading} {_problems(error.problems)}", err=True)
        return
    text = f"{error.resource}: {error.message}" if isinstance(error, AdapterError) else str(error)
    click.echo(f"{heading} {text}", err=True)
    if mend := mend_of(error):
        click.echo(_hint(mend), err=True)


def _problems(problems: Sequence[Problem]) -> str:
    if len(problems) == 1:
        [problem] = problems
        field = f" {problem.field}:" if problem.field else ""
        line = f"{problem.where}:{field} {problem.message}"
        return f"{line}\n{_hint(problem.hint)}" if problem.hint else line
    lines = [f"{len(problems)} problems"]
    width = max(len(problem.field or "") for problem in problems)
    common = _common_hint(problems)
    for where, group in groupby(problems, key=lambda problem: problem.where):
        lines += ["", f"  {click.style(where, bold=True)}"]
        for problem in group:
            lines += _problem_lines(problem, width, with_hint=problem.hint != common)
    lines += ["", f"  {click.style(common, dim=True)}"] if common else []
    return "\n".join(lines)


def _common_hint(problems: Sequence[Problem]) -> str | None:
    """What would mend most of them: said once, at the end."""
    hints = Counter(problem.hint for problem in problems if problem.hint)
    hint, count = next(iter(hints.most_common(1)), (None, 0))
    return hint if count > 2 else None


def _problem_lines(problem: Problem, width: int, *, with_hint: bool) -> list[str]:
    margin = "    " + (f"{problem.field or '':{width}}  " if width else "")
    lines = [margin + problem.message]
    if problem.hint and with_hint:
        lines.append(" " * len(margin) + click.style(problem.hint, dim=True))
    return lines


def _hint(text: str) -> str:
    return click.style(f"       {text}", dim=True)
