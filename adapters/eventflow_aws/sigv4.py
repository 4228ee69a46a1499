"""Whose signature a request bears. Source: IAM guide: AWS Signature Version 4 for API requests.

botocore signs the request again, and the signatures are compared: what is signed, and how, is botocore's own code.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Final, NamedTuple

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, HTTPHeaders
from botocore.credentials import Credentials as SigningCredentials

from eventflow.errors import (
    ExpiredTokenError,
    IncompleteSignatureError,
    InvalidSignatureError,
    MissingAuthenticationTokenError,
    UnrecognizedClientError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eventflow.ports import Clock, Credentials, SignedRequest

ALGORITHM: Final = "AWS4-HMAC-SHA256"
TERMINATOR: Final = "aws4_request"
SKEW: Final = timedelta(minutes=5)
ALWAYS_SIGNED: Final = ("host", "x-amz-date")

_AUTHORIZATION: Final = "authorization"
_DATE: Final = "x-amz-date"
_TOKEN: Final = "x-amz-security-token"
_BODY_HASH: Final = "x-amz-content-sha256"
_PARTS: Final = ("Credential", "SignedHeaders", "Signature")
_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_WRONG: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


class SigV4Verifier:
    """A SignatureVerifier of the ``Authorization`` header. Presigned URLs are refused."""

    def __init__(self, credentials: Iterable[Credentials], *, region: str, clock: Clock) -> None:
        self._callers = {item.access_key_id: item for item in credentials}
        self._region = region
        self._clock = clock

    def verify(self, request: SignedRequest, *, service: str) -> str:
        """The id of the access key that signed the request for a service. Raises SignatureError."""
        headers = _Headers(request.headers)
        given = _Given.read(headers, request.query)
        self._check_scope(given, service)
        caller = self._caller(given, headers)
        self._check_time(given)
        _check_signed(given, headers)
        declared = headers.only(_BODY_HASH)
        # botocore takes the hash of a body from this header, so that the body itself has to be looked at.
        if declared is not None and not _same(declared, sha256(request.body).hexdigest()):
            raise InvalidSignatureError(f"The header {_BODY_HASH} is not the SHA-256 of the body.")
        if not _same(self._signature(request, given, caller), given.signature):
            raise InvalidSignatureError(_WRONG)
        return caller.access_key_id

    def _check_scope(self, given: _Given, service: str) -> None:
        for wanted, found, message in (
            (TERMINATOR, given.terminator, "Credential should be scoped with a valid terminator"),
            (service, given.service, "Credential should be scoped to correct service"),
            (self._region, given.region, "Credential should be scoped to a valid region"),
            (given.timestamp[:8], given.day, "Date in Credential scope does not match the day of X-Amz-Date"),
        ):
            if found != wanted:
                raise InvalidSignatureError(f"{message}: {wanted!r}, not {found!r:.100}.")

    def _caller(self, given: _Given, headers: _Headers) -> Credentials:
        caller = self._callers.get(given.access_key_id)
        token = headers.only(_TOKEN)
        if caller is None or not _same(token or "", caller.session_token or ""):
            raise UnrecognizedClientError
        if caller.expires_at is not None and caller.expires_at <= self._clock.time():
            raise ExpiredTokenError
        return caller

    def _check_time(self, given: _Given) -> None:
        signed, now = given.time, datetime.fromtimestamp(self._clock.time(), tz=UTC)
        earliest, latest = now - SKEW, now + SKEW
        if signed < earliest:
            raise InvalidSignatureError(
                f"Signature expired: {given.timestamp} is now earlier than {earliest:{_FORMAT}} "
                f"({now:{_FORMAT}} - 5 min.)"
            )
        if signed > latest:
            raise InvalidSignatureError(
                f"Signature not yet current: {given.timestamp} is still later than {latest:{_FORMAT}} "
                f"({now:{_FORMAT}} + 5 min.)"
            )

    def _signature(self, request: SignedRequest, given: _Given, caller: Credentials) -> str:
        query = f"?{request.query}" if request.query else ""
        again = AWSRequest(
            method=request.method,
            url=f"http://host{request.path}{query}",  # over http, botocore always signs the body
            data=request.body,
        )
        again.headers = _only(request.headers, given.signed_headers)
        again.context["timestamp"] = given.timestamp
        signer = _Signer(
            SigningCredentials(caller.access_key_id, caller.secret_access_key, caller.session_token),
            given.service,
            self._region,
        )
        return signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)


class _Signer(SigV4Auth):
    """Signs the very headers that the caller signed; botocore's own choice of them is not everybody's."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return request.headers


class _Headers:
    """A request's headers by name."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.names = frozenset(name for name, _ in pairs)
        self._pairs = pairs

    def only(self, name: str) -> str | None:
        """The value of a header that may be there once. Raises IncompleteSignatureError if it is there more often."""
        found = [value for key, value in self._pairs if key == name]
        if len(found) > 1:
            raise IncompleteSignatureError(f"There is more than one header {name}.")
        return found[0] if found else None


class _Given(NamedTuple):
    """What a request says of its signature."""

    access_key_id: str
    day: str
    region: str
    service: str
    terminator: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    time: datetime

    @classmethod
    def read(cls, headers: _Headers, query: str) -> _Given:
        """Raises MissingAuthenticationTokenError, IncompleteSignatureError."""
        authorization = headers.only(_AUTHORIZATION)
        if authorization is None:
            presigned = "X-Amz-Signature=" in query
            why = "presigned URLs are not accepted here; send an Authorization header" if presigned else ""
            raise MissingAuthenticationTokenError(f"Missing Authentication Token{why and f': {why}'}")
        algorithm, _, rest = authorization.strip().partition(" ")
        if algorithm != ALGORITHM:
            raise IncompleteSignatureError(f"Unsupported AWS 'algorithm': {algorithm!r:.40}; use {ALGORITHM}.")
        parts = _parts(rest)
        scope = parts["Credential"].split("/")
        if len(scope) != 5:
            raise IncompleteSignatureError(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term"
            )
        timestamp = headers.only(_DATE)
        if timestamp is None:
            raise IncompleteSignatureError("Authorization header requires existence of a 'X-Amz-Date' header.")
        key_id, day, region, service, terminator = scope
        return cls(
            access_key_id=key_id,
            day=day,
            region=region,
            service=service,
            terminator=terminator,
            signed_headers=tuple(parts["SignedHeaders"].split(";")),
            signature=parts["Signature"],
            timestamp=timestamp,
            time=_time(timestamp),
        )


def _parts(text: str) -> dict[str, str]:
    """The parts of an ``Authorization`` header, which has each of them once."""
    pairs = [part.strip().partition("=") for part in text.split(",")]
    found = {name: value for name, _, value in pairs if value}
    missing = [name for name in _PARTS if name not in found]
    if missing:
        raise IncompleteSignatureError(
            " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
        )
    if len(pairs) != len(_PARTS):
        raise IncompleteSignatureError(f"Authorization header has other parameters than {', '.join(_PARTS)}.")
    return found


def _time(timestamp: str) -> datetime:
    try:
        if not re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", timestamp):
            raise ValueError(timestamp)
        return datetime.strptime(timestamp, _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise IncompleteSignatureError(
            f"Date must be in ISO-8601 'basic format'. Got {timestamp!r:.40}. See http://en.wikipedia.org/wiki/ISO_8601"
        ) from None


def _check_signed(given: _Given, headers: _Headers) -> None:
    """All that means something is signed. Source: Signature Version 4: the host, and every ``x-amz-`` header."""
    signed = given.signed_headers
    for name in (*ALWAYS_SIGNED, *sorted(name for name in headers.names if name.startswith("x-amz-"))):
        if name not in signed:
            raise InvalidSignatureError(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")
    if list(signed) != sorted(set(signed)):
        raise InvalidSignatureError("SignedHeaders must be in lower case, sorted, and each of them once.")
    for name in signed:
        if name not in headers.names:
            raise InvalidSignatureError(f"The header {name!r:.60} is signed, but was not sent.")


def _only(pairs: Sequence[tuple[str, str]], names: Sequence[str]) -> HTTPHeaders:
    headers = HTTPHeaders()
    for name, value in pairs:
        if name in names:
            headers[name] = value  # one more, if there is one already
    return headers


def _same(one: str, other: str) -> bool:
    return compare_digest(one.encode(), other.encode())
