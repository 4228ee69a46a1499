"""What ``serve`` and ``dev`` were told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from eventflow.model.permissions import AuthType

if TYPE_CHECKING:
    from pathlib import Path

    from eventflow.cli.logs import LogFormat
    from eventflow.plan.environment import Environment


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
    invoke_auth_type: AuthType | None
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
        if self.invoke_auth_type is not None:
            arguments += ["--invoke-auth-type", self.invoke_auth_type]
        arguments += ["--log-level", self.log_level, "--log-format", self.log_format]
        arguments += ["--access-log" if self.access_log else "--no-access-log"]
        return [*arguments, "--timeout-graceful-shutdown", str(self.timeout_graceful_shutdown)]


class InvokeAccess(NamedTuple):
    """Whether the Invoke API is served, and to whom."""

    invoke_api: bool
    auth_type: AuthType

    @classmethod
    def of(
        cls, host: str, environment: Environment, *, invoke_api: bool | None, auth_type: AuthType | None
    ) -> InvokeAccess:
        """What flags say, else what ``host`` suggests: to everybody if only this machine reaches it, else to callers
        that sign, if there are any."""
        local = is_local(host)
        if auth_type is None:
            auth_type = AuthType.NONE if local else AuthType.AWS_IAM
        if invoke_api is None:
            invoke_api = local or (auth_type is AuthType.AWS_IAM and bool(environment.callers))
        return cls(invoke_api, auth_type)

    @property
    def asks_callers(self) -> bool:
        """Whether it is served to callers that sign."""
        return self.invoke_api and self.auth_type is AuthType.AWS_IAM


def is_local(host: str) -> bool:
    """Whether only this machine reaches an address."""
    return host in ("localhost", "::1") or host.startswith("127.")


class WatchOptions(NamedTuple):
    """Which files restart the app. Patterns are shell patterns on a file's name or its path under a directory."""

    directories: tuple[Path, ...]
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
