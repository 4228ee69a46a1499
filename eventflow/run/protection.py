"""Protecting what invokes functions: the secrets of an environment's callers, and who verifies their signatures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from eventflow.errors import ConfigurationError, Problem
from eventflow.plan.environment import KEY_VARIABLE
from eventflow.ports import Credentials
from eventflow.run.verifiers import find_verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eventflow.model.permissions import AccessKey
    from eventflow.plan.environment import Environment
    from eventflow.plan.plan import Plan
    from eventflow.ports import Clock, SignatureVerifier
    from eventflow.runtime.http.gate import Gate

SECRET_VARIABLE: Final = "EVENTFLOW_SECRET_ACCESS_KEY"
TOKEN_VARIABLE: Final = "EVENTFLOW_SESSION_TOKEN"
"""Those of a key that has a table end with ``_`` and its id."""


def open_gate(plan: Plan, clock: Clock) -> Gate:
    """The gate before a plan's functions.

    Raises ConfigurationError if nobody could pass it, a secret is missing, or signatures cannot be verified.
    """
    from eventflow.plan.permissions import grants
    from eventflow.runtime.http.gate import Gate

    environment = plan.environment
    credentials = read_credentials(environment, os.environ)
    make: Callable[..., SignatureVerifier] = find_verifier("aws-sigv4", of="callers that sign")
    verifier = make(credentials, region=environment.region, clock=clock)
    return Gate(environment, [grant.permission for grant in grants(plan)], verifier)


def read_credentials(environment: Environment, variables: Mapping[str, str]) -> list[Credentials]:
    """What the callers of an environment sign with. Raises ConfigurationError naming every secret that is missing."""
    where = f"environment {environment.name}"
    if not environment.callers:
        hint = (
            f"set {KEY_VARIABLE} and {SECRET_VARIABLE}, or add [environments.{environment.name}.access_keys.<id>]; "
            "--no-invoke-api serves no Invoke API, and --invoke-auth-type NONE lets whoever reaches it invoke functions"
        )
        problem = Problem(where=where, message="has no access keys, so nobody could sign a request", hint=hint)
        raise ConfigurationError([problem])
    found: list[Credentials] = []
    problems: list[Problem] = []
    for key in environment.callers:
        try:
            found.append(_credentials(key, variables, where))
        except ConfigurationError as exc:
            problems += exc.problems
    if problems:
        raise ConfigurationError(problems)
    return found


def _credentials(key: AccessKey, variables: Mapping[str, str], where: str) -> Credentials:
    suffix = "" if key.of_variables else f"_{key.id}"
    secret = _secret(key.secret_access_key_file, variables.get(SECRET_VARIABLE + suffix), key, where)
    if not secret:
        hint = f"set {SECRET_VARIABLE}{suffix}" + ("" if key.of_variables else ", or name a file with it")
        problem = Problem(where=where, field=f"access_keys.{key.id}", message="there is no secret", hint=hint)
        raise ConfigurationError([problem])
    return Credentials(
        access_key_id=key.id,
        secret_access_key=secret,
        session_token=_secret(key.session_token_file, variables.get(TOKEN_VARIABLE + suffix), key, where) or None,
        expires_at=key.expires_at,
    )


def _secret(file: str | None, variable: str | None, key: AccessKey, where: str) -> str | None:
    if file is None:
        return variable
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = getattr(exc, "strerror", None) or "it is no text"
        message = f"cannot read {file}: {reason}"
        raise ConfigurationError([Problem(where=where, field=f"access_keys.{key.id}", message=message)]) from exc
