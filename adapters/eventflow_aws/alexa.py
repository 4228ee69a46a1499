"""Whether a request is Alexa's own. Source: Alexa Skills Kit: host a custom skill as a web service."""

from __future__ import annotations

import posixpath
import re
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import (
    DNSName,
    ExtensionNotFound,
    KeyUsage,
    load_pem_x509_certificate,
    load_pem_x509_certificates,
)
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from eventflow.errors import NotAuthenticError
from eventflow_aws.certificates import (
    Certificates,
    FetchCertificate,
    check_rsa_signature,
    check_validity,
    fetch_certificate,
    is_valid,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Certificate

    from eventflow.ports import Clock, PushRequest

CHAIN_URL: Final = "signaturecertchainurl"
SIGNATURES: Final = (("signature-256", SHA256), ("signature", SHA1))
"""The headers that hold a signature, the better one first. Alexa sends both."""

_SIGNER: Final = DNSName("echo-api.amazon.com")
_HOST: Final = "s3.amazonaws.com"
_PATH: Final = "/echo.api/"
_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)


class AlexaVerifier:
    """A RequestVerifier: looks at the signature and at the certificates that it rests on."""

    def __init__(
        self, clock: Clock, *, fetch: FetchCertificate = fetch_certificate, roots: Sequence[Certificate] | None = None
    ) -> None:
        """``roots`` are whom a chain of certificates may end with; the AWS SDK's unless given."""
        self._clock = clock
        self._roots = roots
        self._chains = Certificates(fetch, parsed_chain)

    async def verify(self, request: PushRequest) -> None:
        """Return if Alexa signed the request's body. Raises NotAuthenticError; UnavailableError if the certificates
        cannot be fetched now."""
        url = request.headers.get(CHAIN_URL, "")
        header, algorithm = next(
            (found for found in SIGNATURES if request.headers.get(found[0])), (SIGNATURES[0][0], SHA256)
        )
        if not url or header not in request.headers:
            raise NotAuthenticError("it has no SignatureCertChainUrl, or no Signature-256")
        check_chain_url(url)
        chain = await self._chain(url)
        check_chain(chain, self._roots or trusted_roots(), self._clock.time())
        check_rsa_signature(chain[0], request.headers[header], request.body, algorithm())

    async def _chain(self, url: str) -> Sequence[Certificate]:
        """A chain that has ended was perhaps replaced at its URL since it was fetched."""
        chain = await self._chains.at(url)
        if all(is_valid(certificate, self._clock.time()) for certificate in chain):
            return chain
        self._chains.forget(url)
        return await self._chains.at(url)


def check_chain_url(url: str) -> None:
    """Raises NotAuthenticError unless only Alexa can publish there: anybody can sign with certificates of their own."""
    if not _is_alexas(url):
        raise NotAuthenticError(f"the SignatureCertChainUrl {url!r:.200} is not one of Alexa's")


def _is_alexas(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.scheme != "https" or host != _HOST or port not in (None, 443):
        return False
    # What a path means is settled before it is compared; one that has to be decoded first is not Alexa's.
    plain = not (parts.username is not None or parts.query or parts.fragment or set(parts.path) & set("%\\"))
    return plain and posixpath.normpath(parts.path).startswith(_PATH)


def check_chain(chain: Sequence[Certificate], roots: Sequence[Certificate], now: float) -> None:
    """Raises NotAuthenticError unless the first certificate is Alexa's, to sign with, valid, and vouched for."""
    leaf, *intermediates = chain
    for certificate in chain:
        check_validity(certificate, now)
    try:
        usage = leaf.extensions.get_extension_for_class(KeyUsage).value
    except ExtensionNotFound:
        raise NotAuthenticError("its certificate does not say what it is for") from None
    if not usage.digital_signature:
        raise NotAuthenticError("its certificate is not for signatures")
    policy = PolicyBuilder().store(Store(list(roots))).time(datetime.fromtimestamp(now, tz=UTC))
    try:
        policy.build_server_verifier(_SIGNER).verify(leaf, intermediates)
    except VerificationError as exc:
        raise NotAuthenticError(f"nobody vouches for its certificate as {_SIGNER.value}'s: {exc}") from None


def parsed_chain(pem: bytes) -> Sequence[Certificate]:
    """Raises NotAuthenticError if these are no certificates."""
    try:
        return load_pem_x509_certificates(pem)
    except ValueError:
        raise NotAuthenticError("there are no certificates at its SignatureCertChainUrl") from None


@cache
def trusted_roots() -> Sequence[Certificate]:
    """Those that the AWS SDK trusts, which Amazon's are among. A root that is not made by the rules is no root."""
    import botocore

    bundle = (Path(botocore.__file__).parent / "cacert.pem").read_bytes()
    roots = []
    with warnings.catch_warnings():
        warnings.simplefilter("error", CryptographyDeprecationWarning)
        for pem in _CERTIFICATE.findall(bundle):
            with suppress(ValueError, CryptographyDeprecationWarning):
                roots.append(load_pem_x509_certificate(pem))
    return roots
