"""Install the servers and tools of the tests, or show them: ``python -m tests.servers install [NAMES...]``."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tests.servers.catalog import INSTALLABLE
from tests.servers.installing import NotInstalledError, cache_directory, install, installation

AT_THE_SAME_TIME: Final = 4
"""They wait for the network most of the time, and each is started once."""

_RESET_COLOUR: Final = "\x1b[0m"
"""Maven sends it whatever one asks."""


def main() -> int:
    """The exit code is 1 if a server that was asked for cannot be installed."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    installing = commands.add_parser("install", help="install the named servers, or all of them")
    installing.add_argument("names", nargs="*", metavar="NAME", help=", ".join(INSTALLABLE))
    commands.add_parser("list", help="show which servers are installed")
    arguments = parser.parse_args()
    if arguments.command == "list":
        return _list()
    if unknown := [name for name in arguments.names if name not in INSTALLABLE]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(INSTALLABLE)}")
    return _install(arguments.names or list(INSTALLABLE))


def _install(names: Sequence[str]) -> int:
    """One here, with its output; several at the same time, each in a process whose output is shown if it fails."""
    if len(names) == 1:
        return 0 if _install_one(names[0]) else 1
    with ThreadPoolExecutor(AT_THE_SAME_TIME) as threads:
        done = list(threads.map(_install_apart, names))
    return 0 if all(done) else 1


def _install_apart(name: str) -> bool:
    command = [sys.executable, "-m", "tests.servers", "install", name]
    result = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output = result.stdout.replace(_RESET_COLOUR, "").strip()
    print(output if result.returncode else output.rpartition("\n")[2], flush=True)
    return result.returncode == 0


def _install_one(name: str) -> bool:
    started_at = time.monotonic()
    try:
        directory = install(name)
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        print(f"{name}: not installed: {error}", file=sys.stderr, flush=True)
        return False
    print(f"{name} {INSTALLABLE[name].VERSION}: {directory} ({time.monotonic() - started_at:.1f} s)", flush=True)
    return True


def _list() -> int:
    print(f"in {cache_directory()}")
    for name, kind in INSTALLABLE.items():
        print(f"{name:12} {_state(name):10} {kind.VERSION}")
    return 0


def _state(name: str) -> str:
    try:
        installation(name)
    except NotInstalledError:
        return "missing"
    return "installed"


if __name__ == "__main__":
    sys.exit(main())
