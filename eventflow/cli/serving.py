"""Serving an app in this process: logging, signals, the event loop, and what is printed once it runs."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import click

from eventflow.cli.event_loop import run_async
from eventflow.cli.failures import ExitCode, expected_errors, log_breakdown
from eventflow.cli.logs import configure_logging, is_text
from eventflow.cli.options import load_named_environment, load_target
from eventflow.cli.serve_options import InvokeAccess
from eventflow.cli.startup import ready_fields, startup_text
from eventflow.run.runner import RunOptions, Started, run_plan
from eventflow.runtime.printing import print_whole_lines
from eventflow.runtime.stopping import StopSignal

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventflow.cli.serve_options import ServeOptions
    from eventflow.plan.plan import Plan

_log = logging.getLogger("eventflow")

_LAST_SECONDS: Final = 3.0
YOUNG_OBJECTS: Final = 10_000
"""How many new containers make Python look for garbage. A thousand events in flight are more than its own 700, and
each of them would be walked several times before it ends."""


def serve_app(options: ServeOptions) -> int:
    """Run an app until a signal stops it; returns the exit code. Raises EventflowError, alone or in groups."""
    print_whole_lines()
    configure_logging(
        level=options.log_level, log_format=options.log_format, stream=sys.stdout, access_log=options.access_log
    )
    environment = load_named_environment(options.env)
    plan = load_target(options.target, app_dir=options.app_dir, factory=options.factory).freeze(environment)
    access = InvokeAccess.of(
        options.host, environment, invoke_api=options.invoke_api, auth_type=options.invoke_auth_type
    )
    run_options = RunOptions(
        host=options.host,
        port=options.port,
        invoke_api=access.invoke_api,
        invoke_auth_type=access.auth_type,
        docs=environment.docs if options.docs is None else options.docs,
        drain_seconds=options.timeout_graceful_shutdown,
        access_log=options.access_log,
    )
    announce = _show_table if is_text(options.log_format, sys.stdout) else _log_ready
    signals = Signals(drain_seconds=options.timeout_graceful_shutdown)
    try:
        run_async(_run, plan, run_options, signals, partial(announce, plan))
    except Exception as exc:
        if expected_errors(exc):
            raise
        return log_breakdown(exc)
    if signals.second is not None:
        _leave_at_once(128 + signals.second)
    return ExitCode.DONE


class Signals:
    """Turns the first SIGINT or SIGTERM into a graceful stop and the second into one at once.

    ``second`` is the signal that asked for the latter.
    """

    def __init__(self, *, drain_seconds: float) -> None:
        self.second: signal.Signals | None = None
        self._drain_seconds = drain_seconds

    def install(self, stop: StopSignal) -> None:
        """Listen, in the running event loop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._received, number, stop)

    def _received(self, number: signal.Signals, stop: StopSignal) -> None:
        if not stop.requested:
            text = "stopping; work in flight has %g s to finish, a second %s stops it at once"
            _log.info(text, self._drain_seconds, "Ctrl-C" if number is signal.SIGINT else number.name)
        elif self.second is None:
            self.second = number
            _log.warning("stopping at once; work in flight is cancelled")
        stop.request()


async def _run(plan: Plan, options: RunOptions, signals: Signals, announce: Callable[[Started], None]) -> None:
    stop = StopSignal()
    signals.install(stop)
    running = anyio.Event()

    def on_started(started: Started) -> None:
        running.set()
        gc.freeze()  # what is there by now stays
        if 0 < gc.get_threshold()[0] < YOUNG_OBJECTS:  # 0 is never
            gc.set_threshold(YOUNG_OBJECTS)
        gc.enable()
        announce(started)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_cancel_if_stuck, stop, running, tasks.cancel_scope)
        await run_plan(plan, options, stop=stop, on_started=on_started)
        tasks.cancel_scope.cancel()
    _log.info("stopped")


async def _cancel_if_stuck(stop: StopSignal, running: anyio.Event, scope: anyio.CancelScope) -> None:
    """Nothing is in flight before everything runs, so starting up is simply given up; and after a second signal the
    app's own clean-up has little time."""
    await stop.graceful()
    if running.is_set():
        await stop.now()
        await anyio.sleep(_LAST_SECONDS)
    scope.cancel()


def _show_table(plan: Plan, started: Started) -> None:
    click.echo(startup_text(plan, started))


def _log_ready(plan: Plan, started: Started) -> None:
    _log.info("ready", extra=ready_fields(plan, started))


def _leave_at_once(exit_code: int) -> None:
    """End the process without waiting for threads: a handler that blocks in one cannot be interrupted."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
