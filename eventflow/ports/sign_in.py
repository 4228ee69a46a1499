"""How adapters sign in to servers: what their tables may say of credentials and certificates.

A password comes from an environment variable or a file, never from the table: tables are committed, printed and shared.
Adapters that sign in import this module; it loads ``ssl``, which nobody else has to wait for.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from eventflow.errors import ConfigurationError, Problem
from eventflow.model.known_options import known_options

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

SIGN_IN_FILES: Final = ("username_file", "password_file", "ca_file", "cert_file", "key_file")
"""Options that name files."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """The way in of one kind of adapter: ``SignIn("kafka")`` reads ``EVENTFLOW_KAFKA_PASSWORD``."""

    adapter: str

    @property
    def username_variable(self) -> str:
        return f"EVENTFLOW_{self.adapter.upper()}_USERNAME"

    @property
    def password_variable(self) -> str:
        return f"EVENTFLOW_{self.adapter.upper()}_PASSWORD"

    @property
    def key_password_variable(self) -> str:
        """Of the one that an encrypted private key takes."""
        return f"EVENTFLOW_{self.adapter.upper()}_KEY_PASSWORD"

    # Reading

    def username(self, options: Mapping[str, Any]) -> str | None:
        """Of the table, of its file, or of the variable."""
        given: str | None = options.get("username")
        return given or _content(options.get("username_file"), self.username_variable)

    def password(self, options: Mapping[str, Any]) -> str | None:
        """Of the table's file, or of the variable."""
        return _content(options.get("password_file"), self.password_variable)

    def key_password(self) -> str:
        """Empty if there is none: without an answer OpenSSL would ask at the terminal."""
        return os.environ.get(self.key_password_variable, "")

    # Checking

    def has_username(self, options: Mapping[str, Any]) -> bool:
        """Whether there is one, wherever."""
        return bool({"username", "username_file"} & options.keys() or os.environ.get(self.username_variable))

    def has_password(self, options: Mapping[str, Any]) -> bool:
        """Whether there is one, wherever."""
        return "password_file" in options or bool(os.environ.get(self.password_variable))

    def unknown_option(self, where: str, key: str, known: Collection[str]) -> Problem:
        """A key that the adapter does not have, or a password, which it has elsewhere."""
        if key == "password":
            message, hint = "does not belong into a file of settings", f"set {self.password_variable}"
            return Problem(where=where, field=key, message=message, hint=f"{hint}, or name a password_file")
        message = f"is not an option of the {self.adapter} adapter"
        return Problem(where=where, field=key, message=message, hint=known_options(key, known))

    def misplaced_credentials(self, where: str, field: str) -> Problem:
        """An address has a user, or a password, in it. Its value is not repeated."""
        hint = f"set {self.username_variable} and {self.password_variable}, or username and password_file"
        return Problem(where=where, field=field, message="credentials do not belong into an address", hint=hint)

    def username_problems(self, where: str, options: Mapping[str, Any]) -> Iterator[Problem]:
        """What is said twice."""
        if {"username", "username_file"} <= options.keys():
            message = "there is a username already"
            yield Problem(where=where, field="username_file", message=message, hint="keep one of them")

    def credential_problems(self, where: str, options: Mapping[str, Any]) -> Iterator[Problem]:
        """What is said twice, and half of what takes two."""
        yield from self.username_problems(where, options)
        for key, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
            if key in options and other not in options:
                yield Problem(where=where, field=other, message=f"is missing: there is a {key}", hint="a file in PEM")

    def missing_credentials(self, where: str, options: Mapping[str, Any], *, why: str) -> Iterator[Problem]:
        """What is missing if both are needed, ``why`` says what for. A misplaced password is told elsewhere."""
        if not self.has_username(options):
            hint = f"set it, or {self.username_variable}, or username_file"
            yield Problem(where=where, field="username", message=f"is missing: {why}", hint=hint)
        if not self.has_password(options) and "password" not in options:
            hint = f"set {self.password_variable}, or name a file with it"
            yield Problem(where=where, field="password_file", message=f"there is no password: {why}", hint=hint)

    # Encrypting

    def ssl_context(
        self, where: str, *, ca_file: str | None, cert_file: str | None, key_file: str | None
    ) -> ssl.SSLContext:
        """Trusts what ``ca_file`` holds instead of the system's certificates, and shows the client's own. ``key_file``
        is ``None`` if the key lies beside its certificate.

        Raises ConfigurationError naming the file that cannot be used.
        """
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except (ssl.SSLError, OSError) as exc:
            raise self._unreadable(where, "ca_file", ca_file, exc) from exc
        if cert_file is not None:
            try:
                context.load_cert_chain(cert_file, key_file, self.key_password())
            except (ssl.SSLError, OSError, ValueError) as exc:
                both = cert_file if key_file is None else f"{cert_file} with {key_file}"
                raise self._unreadable(where, "cert_file", both, exc) from exc
        return context

    def _unreadable(self, where: str, key: str, value: str | None, exc: Exception) -> ConfigurationError:
        hint = f"certificates and key in PEM; the password of an encrypted key in {self.key_password_variable}"
        reason = getattr(exc, "reason", None) or getattr(exc, "strerror", None) or str(exc)
        problem = Problem(where=where, field=key, message=f"cannot read {value}: {reason}", hint=hint)
        return ConfigurationError([problem])


def _content(file: str | None, variable: str) -> str | None:
    if file is None:
        return os.environ.get(variable) or None
    return Path(file).read_text(encoding="utf-8").strip()
