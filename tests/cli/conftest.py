"""A directory to work in, the command line in this process, and nothing left behind by either."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from eventflow.cli.group import cli

Write = Callable[[str, str], Path]
RunCli = Callable[..., Result]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("EVENTFLOW_") or name == "NO_COLOR"]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _imports_are_forgotten() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if not name.startswith(("eventflow", "click", "pydantic")):
            del sys.modules[name]


@pytest.fixture(autouse=True)
def _logging_is_restored() -> Iterator[None]:
    root, access = logging.getLogger(), logging.getLogger("uvicorn.access")
    handlers, level, propagate = list(root.handlers), root.level, access.propagate
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    access.propagate = propagate
    logging.captureWarnings(False)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(directory: Path) -> Write:
    """Write a file, by its path under the current directory."""

    def write_file(name: str, text: str) -> Path:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return path

    return write_file


@pytest.fixture
def run_cli(directory: Path) -> RunCli:
    """Run a command line in this process; ``env`` and ``input`` are click's."""

    def run(*arguments: str, **options: object) -> Result:
        return CliRunner().invoke(cli, list(arguments), prog_name="eventflow", catch_exceptions=False, **options)  # type: ignore[arg-type]

    return run
