"""``eventflow serve`` and ``eventflow dev``: their options. What they do is in ``serving`` and ``reload``."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from eventflow.cli.options import (
    SETTINGS,
    environment_option,
    invoke_options,
    log_format_option,
    log_level_option,
    target_options,
)
from eventflow.cli.serve_options import ServeOptions, WatchOptions

Command = TypeVar("Command", bound=Callable[..., Any])


def _serve_options(command: Command) -> Command:
    for decorate in (
        click.option(
            "--timeout-graceful-shutdown",
            type=click.FloatRange(min=0),
            default=25.0,
            metavar="SECONDS",
            help="How long work in flight may finish after the first signal to stop.",
        ),
        click.option("--access-log/--no-access-log", default=True, help="Log every HTTP request."),
        log_format_option,
        log_level_option,
        click.option(
            "--reload-exclude", multiple=True, metavar="PATTERN", help="Files that do not restart it. Repeatable."
        ),
        click.option(
            "--reload-include", multiple=True, metavar="PATTERN", help="Files that restart it, beside *.py. Repeatable."
        ),
        click.option(
            "--reload-dir",
            multiple=True,
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="A directory to watch instead of --app-dir. Repeatable.",
        ),
        click.option(
            "--docs/--no-docs",
            default=None,
            help="Show the app's HTTP side at /docs, and its OpenAPI document at /openapi.json.  "
            "[default: the environment's docs, or no]",
        ),
        click.option("--port", type=click.IntRange(0, 65535), default=8000, help="0 takes a free one."),
        invoke_options,
        environment_option,
        target_options(),
    ):
        command = decorate(command)
    return command


@click.command(context_settings=SETTINGS, short_help="Run the functions of an app.")
@_serve_options
@click.option("--reload/--no-reload", default=False, help="Restart when a file changes.")
def serve(*, reload: bool, **options: Any) -> None:
    """Run the functions of TARGET: answer HTTP, poll sources, deliver events.

    TARGET is module, module:attribute or path/to/file.py[:attribute].
    """
    _run(reload=reload, **options)


@click.command(context_settings=SETTINGS, short_help="Run them, and restart when a file changes.")
@_serve_options
def dev(**options: Any) -> None:
    """Run the functions of TARGET and restart when a file changes: serve --reload."""
    _run(reload=True, **options)


def _run(
    *,
    reload: bool,
    reload_dir: tuple[Path, ...],
    reload_include: tuple[str, ...],
    reload_exclude: tuple[str, ...],
    **options: Any,
) -> None:
    serve_options = ServeOptions(**options)
    if reload:
        from eventflow.cli.reload import serve_and_reload

        directories = reload_dir or (serve_options.app_dir,)
        watch = WatchOptions(directories=directories, include=reload_include, exclude=reload_exclude)
        exit_code = serve_and_reload(serve_options, watch)
    else:
        gc.disable()  # until everything runs: starting leaves hardly any garbage, and looking for it takes its time
        try:
            from eventflow.cli.serving import serve_app

            exit_code = serve_app(serve_options)
        finally:
            gc.enable()
    click.get_current_context().exit(exit_code)
