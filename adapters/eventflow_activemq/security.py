"""How connections to brokers are encrypted."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from eventflow.errors import ConfigurationError, Problem
from eventflow_activemq.options import KEY_PASSWORD_VARIABLE

if TYPE_CHECKING:
    from eventflow_activemq.options import ActiveMQOptions


def ssl_context(options: ActiveMQOptions, *, where: str) -> ssl.SSLContext | None:
    """``None`` if no broker is spoken to over TLS. Raises ConfigurationError if certificates cannot be read."""
    if not any(address.tls for address in options.brokers):
        return None
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise _unreadable(where, "ca_file", exc) from exc
    if options.cert_file is not None:
        # A function, because without one OpenSSL asks at the terminal.
        password = os.environ.get(KEY_PASSWORD_VARIABLE, "")
        try:
            context.load_cert_chain(options.cert_file, options.key_file, password=lambda: password)
        except (OSError, ssl.SSLError) as exc:
            raise _unreadable(where, "cert_file", exc) from exc
    return context


def _unreadable(where: str, field: str, exc: Exception) -> ConfigurationError:
    hint = f"files in PEM, with the key's password in {KEY_PASSWORD_VARIABLE} if it has one"
    message = f"cannot be used: {getattr(exc, 'reason', None) or exc}"
    return ConfigurationError([Problem(where=where, field=field, message=message, hint=hint)])
