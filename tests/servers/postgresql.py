"""PostgreSQL, as the distribution packages it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Final

from tests.servers.process import Process
from tests.servers.server import HOST, Server, Started
from tests.servers.sources import from_debian

VERSION: Final = "distribution"
SETTINGS: Final = ["unix_socket_directories=", "fsync=off", "full_page_writes=off"]
"""A server that is killed loses nothing without fsync; only a machine that stops would."""


def install(directory: Path, /) -> None:
    if _found_binaries() is None:
        from_debian("postgresql")
    binaries = _found_binaries()
    if binaries is None:
        raise RuntimeError("no initdb in /usr/lib/postgresql/*/bin, nor on the path")
    (directory / "bin").symlink_to(binaries)


def program(directory: Path, /) -> Path:
    return directory / "bin" / "postgres"


def start(directory: Path, scratch: Path, /, *, port: int) -> Started:
    user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None  # the server refuses to run as root
    binaries = (directory / "bin").resolve()  # that user may not read the cache
    data = scratch / "data"
    if not data.exists():
        _initialise(binaries / "initdb", data, user)
    settings = [part for setting in SETTINGS for part in ("-c", setting)]
    command = [str(binaries / "postgres"), "-D", str(data), "-h", HOST, "-p", str(port), *settings]
    process = Process(
        "postgresql",
        command,
        scratch=scratch,
        user=user,
        stop_signal=signal.SIGINT,  # SIGTERM would wait for clients to leave
        crash_signal=signal.SIGQUIT,  # SIGKILL would leave its children in the way of the next start, for a moment
    )
    process.wait_until(lambda: _is_ready(binaries / "pg_isready", port))
    server = Server(name="postgresql", port=port, endpoint_url=f"postgresql://test@{HOST}:{port}/postgres")
    return Started(server, process)


def _found_binaries() -> Path | None:
    """The directory of the newest server's programs."""
    packaged = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(packaged, key=lambda initdb: float(initdb.parents[1].name), default=None)
    on_path = shutil.which("initdb")
    if newest is not None:
        return newest.parent
    return Path(on_path).resolve().parent if on_path else None


def _initialise(initdb: Path, data: Path, user: pwd.struct_passwd | None) -> None:
    if user is not None:
        os.chown(data.parent, user.pw_uid, user.pw_gid)
    command = [
        str(initdb),
        "--pgdata",
        str(data),
        "--username",
        "test",
        "--auth",
        "trust",
        "--encoding",
        "UTF8",
        "--no-locale",
    ]
    subprocess.run(
        [*command, "--no-sync"],
        check=True,
        cwd=data.parent,
        stdout=subprocess.DEVNULL,
        user=None if user is None else user.pw_uid,
        group=None if user is None else user.pw_gid,
        extra_groups=None if user is None else [],
    )


def _is_ready(pg_isready: Path, port: int) -> bool:
    return subprocess.run([pg_isready, "--quiet", "-h", HOST, "-p", str(port)], check=False).returncode == 0
