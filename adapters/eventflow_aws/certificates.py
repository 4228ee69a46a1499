"""Certificates that Amazon's services sign requests with: fetched when they are needed, a few of them remembered."""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

import aiohttp
import anyio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from eventflow.errors import NotAuthenticError, UnavailableError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import HashAlgorithm
    from cryptography.x509 import Certificate

T = TypeVar("T")

FetchCertificate: TypeAlias = Callable[[str], Awaitable[bytes]]
"""The PEM text at a URL that was found trustworthy. Raises UnavailableError."""

FETCH_SECONDS: Final = 5.0
"""SNS waits 15 seconds for the answer to a message, Alexa 8."""
MAXIMUM_BYTES: Final = 64 * 1024
MAXIMUM_CERTIFICATES: Final = 16
"""SNS has one per Region, Alexa a few; they change about once a year."""
MAXIMUM_WAITING: Final = 100
"""Requests that may wait for a certificate; until it is there nobody knows whether they are authentic."""


class Certificates(Generic[T]):
    """What is published at trustworthy URLs, parsed, the last few of them in memory."""

    def __init__(self, fetch: FetchCertificate, parse: Callable[[bytes], T]) -> None:
        """``parse`` raises NotAuthenticError."""
        self._fetch = fetch
        self._parse = parse
        self._known: OrderedDict[str, T] = OrderedDict()
        self._fetching = anyio.Lock()

    async def at(self, url: str) -> T:
        """Raises UnavailableError, and what ``parse`` raises."""
        if url not in self._known:
            if self._fetching.statistics().tasks_waiting >= MAXIMUM_WAITING:
                raise UnavailableError(url, "too many messages wait for certificates")
            async with self._fetching:  # one request for all who need it
                if url not in self._known:
                    self._remember(url, self._parse(await self._fetch(url)))
        return self._known[url]

    def forget(self, url: str) -> None:
        """The next who needs it fetches it again."""
        self._known.pop(url, None)

    def _remember(self, url: str, parsed: T) -> None:
        self._known[url] = parsed
        if len(self._known) > MAXIMUM_CERTIFICATES:
            self._known.popitem(last=False)


def check_validity(certificate: Certificate, now: float) -> None:
    """Raises NotAuthenticError if the certificate is not valid at this time."""
    if not is_valid(certificate, now):
        first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        raise NotAuthenticError(f"its certificate is valid from {first:%Y-%m-%d} to {last:%Y-%m-%d}")


def is_valid(certificate: Certificate, now: float) -> bool:
    """Whether the certificate's time has come, and is not over."""
    moment = datetime.fromtimestamp(now, tz=UTC)
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc


def check_rsa_signature(certificate: Certificate, signature: str, signed: bytes, algorithm: HashAlgorithm) -> None:
    """Raises NotAuthenticError unless the certificate's key signed this; ``signature`` is base64."""
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        raise NotAuthenticError("its certificate has no RSA key")
    try:
        key.verify(base64.b64decode(signature, validate=True), signed, PKCS1v15(), algorithm)
    except (ValueError, InvalidSignature):
        raise NotAuthenticError("its signature is wrong") from None


async def fetch_certificate(url: str) -> bytes:
    """The content at a URL, which the caller trusts; redirections are not followed. Raises UnavailableError."""
    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise UnavailableError(url, f"was answered with {response.status}")
            return await _bounded(url, response)
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise UnavailableError(url, f"cannot be fetched: {exc!r}") from exc


async def _bounded(url: str, response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > MAXIMUM_BYTES:
            raise UnavailableError(url, f"has more than {MAXIMUM_BYTES:,} bytes; that is no certificate")
    return bytes(content)
