"""What ``serve`` and ``dev`` were told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from eventflow.cli.logs import LogFormat


class ServeOptions(NamedTuple):
    """What ``serve`` was told; the fields are its options."""

    target: str
    app_dir: Path
    factory: bool
    env: str | None
    host: str
    port: int
    invoke_api: bool | None
    docs: bool | None
    log_level: str
    log_format: LogFormat
    access_log: bool
    timeout_graceful_shutdown: float

    def arguments(self) -> list[str]:
        """The command line that serves the same way, without reloading."""
        arguments = ["serve", self.target, "--no-reload", "--app-dir", str(self.app_dir)]
        arguments += ["--factory"] if self.factory else []
        arguments += ["--env", self.env] if self.env else []
        arguments += ["--host", self.host, "--port", str(self.port)]
        if self.invoke_api is not None:
            arguments += ["--invoke-api" if self.invoke_api else "--no-invoke-api"]
        if self.docs is not None:
            arguments += ["--docs" if self.docs else "--no-docs"]
        arguments += ["--log-level", self.log_level, "--log-format", self.log_format]
        arguments += ["--access-log" if self.access_log else "--no-access-log"]
        return [*arguments, "--timeout-graceful-shutdown", str(self.timeout_graceful_shutdown)]


class WatchOptions(NamedTuple):
    """Which files restart the app. Patterns are shell patterns on a file's name or its path under a directory."""

    directories: tuple[Path, ...]
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
