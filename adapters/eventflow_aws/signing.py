"""Signature Version 4 for a POST to ``/``, with a signing key that is derived once a day and not once a request.

Source: IAM guide: create a signed AWS API request. botocore's signer does the same for any request, and takes a fifth
of a call for it.
"""

from __future__ import annotations

import hmac
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from botocore.auth import SIGNED_HEADERS_BLACKLIST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.credentials import ReadOnlyCredentials

ALGORITHM: Final = "AWS4-HMAC-SHA256"
UNSIGNED_HEADERS: Final = frozenset(SIGNED_HEADERS_BLACKLIST)
"""Those that proxies may change."""


class Scope(NamedTuple):
    """What a signature is good for."""

    region: str
    service: str


class _Key(NamedTuple):
    """What signs for one scope on one day."""

    secret: str | None
    scope: str
    key: bytes


class Signer:
    """Signs requests; remembers the last key."""

    def __init__(self) -> None:
        self._key = _Key(None, "", b"")

    def sign(
        self,
        host: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        credentials: ReadOnlyCredentials,
        scope: Scope,
        now: float,
    ) -> dict[str, str]:
        """``headers`` (without ``Host``) and those that a signature adds. ``now`` is in epoch seconds."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        signed = {**headers, "X-Amz-Date": moment}
        if credentials.token:
            signed["X-Amz-Security-Token"] = credentials.token
        names, lines = _canonical(host, signed)
        request = f"POST\n/\n\n{lines}\n{names}\n{sha256(body).hexdigest()}"
        key = self._key_of(credentials.secret_key, f"{moment[:8]}/{scope.region}/{scope.service}/aws4_request")
        text = f"{ALGORITHM}\n{moment}\n{key.scope}\n{sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(key.key, text.encode(), "sha256").hex()
        credential = f"{credentials.access_key}/{key.scope}"
        signed["Authorization"] = f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
        return signed

    def _key_of(self, secret: str | None, scope: str) -> _Key:
        if self._key.secret != secret or self._key.scope != scope:
            key = f"AWS4{secret}".encode()
            for part in scope.split("/"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key = _Key(secret, scope, key)
        return self._key


def _canonical(host: str, headers: Mapping[str, str]) -> tuple[str, str]:
    """The names of the headers that are signed, and a line for each."""
    values = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    values["host"] = host
    names = sorted(values.keys() - UNSIGNED_HEADERS)
    return ";".join(names), "".join(f"{name}:{values[name]}\n" for name in names)
