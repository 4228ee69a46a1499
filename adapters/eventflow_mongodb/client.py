"""Makes the driver's client of an environment."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from eventflow.errors import ConfigurationError, Problem
from eventflow_mongodb.options import SIGN_IN, Authentication

if TYPE_CHECKING:
    from eventflow_mongodb.options import MongodbOptions

SELECTION_SECONDS: Final = 10.0
"""How long a request looks for a primary before it says that there is none."""
CONNECT_SECONDS: Final = 10.0
SILENT_SECONDS: Final = 20.0
"""Longer than any answer takes: a change stream answers every second, be it with nothing."""

_MECHANISMS: Final = {Authentication.X509: "MONGODB-X509", Authentication.AWS: "MONGODB-AWS"}
"""With a password, the driver and the server agree on one."""


def make_client(options: MongodbOptions, *, where: str) -> AsyncMongoClient[dict[str, Any]]:
    """A client that connects when it is used. What the URI says about waiting stands.

    Raises ConfigurationError if a certificate cannot be read, or the driver refuses the URI.
    """
    _check_files(options, where)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # that is how the driver ignores what it does not understand
            warnings.filterwarnings("ignore", "You appear to be connected", UserWarning)  # to somebody else's product
            return AsyncMongoClient(options.uri, **_arguments(options))
    except (PyMongoError, ValueError, TypeError, UserWarning) as exc:
        # The driver's own words may quote the URI, but for these.
        said = str(exc) if str(exc).startswith("Unknown option") else type(exc).__name__
        hint = "are its parameters MongoDB's own, and is pymongo[aws] installed where that is needed?"
        problem = Problem(where=where, field="uri", message=f"the driver refuses it ({said})", hint=hint)
        raise ConfigurationError([problem]) from None


def _arguments(options: MongodbOptions) -> dict[str, Any]:
    said = {name.lower() for name in options.address.parameters}
    waits = {
        "serverSelectionTimeoutMS": SELECTION_SECONDS,
        "connectTimeoutMS": CONNECT_SECONDS,
        "socketTimeoutMS": SILENT_SECONDS,
    }
    arguments: dict[str, Any] = {
        name: int(seconds * 1_000) for name, seconds in waits.items() if name.lower() not in said
    }
    # DocumentDB has no retryable writes, and ours say themselves when they may be repeated.
    arguments["retryWrites"] = False
    if options.tls is not None or options.encrypted:
        arguments["ssl" if "ssl" in said else "tls"] = options.encrypted  # the driver takes one of its two words
    if options.ca_file is not None:
        arguments["tlsCAFile"] = options.ca_file
    if options.cert_file is not None:
        arguments["tlsCertificateKeyFile"] = options.cert_file
        if password := SIGN_IN.key_password():
            arguments["tlsCertificateKeyFilePassword"] = password
    if options.authentication is Authentication.SCRAM:
        arguments |= {"username": options.username, "password": options.password}
    elif mechanism := _MECHANISMS.get(options.authentication):
        arguments |= {"authMechanism": mechanism, "authSource": "$external"}
    return arguments if "appname" in said else {**arguments, "appname": "eventflow"}


def _check_files(options: MongodbOptions, where: str) -> None:
    """The driver would read them when it connects, and then tells of any mistake as if a server were away."""
    SIGN_IN.ssl_context(where, ca_file=options.ca_file, cert_file=options.cert_file, key_file=None)
