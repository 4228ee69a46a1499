"""How connections to the broker are encrypted."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from eventflow.errors import ConfigurationError, Problem
from eventflow_rabbitmq.options import KEY_PASSWORD_VARIABLE

if TYPE_CHECKING:
    from eventflow_rabbitmq.options import RabbitMQOptions


def ssl_context(options: RabbitMQOptions, *, where: str) -> ssl.SSLContext | None:
    """``None`` without encryption. Raises ConfigurationError if certificates cannot be read."""
    if not options.encrypted:
        return None
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
    except (ssl.SSLError, OSError) as exc:
        raise _unreadable(where, "ca_file", options.ca_file, exc) from exc
    if options.cert_file is not None:
        try:
            # Without a password given, OpenSSL asks for it at the terminal.
            context.load_cert_chain(options.cert_file, options.key_file, os.environ.get(KEY_PASSWORD_VARIABLE, ""))
        except (ssl.SSLError, OSError, ValueError) as exc:
            raise _unreadable(where, "cert_file", f"{options.cert_file} with {options.key_file}", exc) from exc
    return context


def _unreadable(where: str, key: str, value: str | None, exc: Exception) -> ConfigurationError:
    hint = f"certificates and key in PEM; the password of an encrypted key in {KEY_PASSWORD_VARIABLE}"
    reason = getattr(exc, "reason", None) or getattr(exc, "strerror", None) or str(exc)
    return ConfigurationError([Problem(where=where, field=key, message=f"cannot read {value}: {reason}", hint=hint)])
