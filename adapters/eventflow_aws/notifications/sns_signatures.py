"""Whether a message over HTTP is SNS's own. Source: SNS guide: verifying the signatures of messages."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import Certificate, load_pem_x509_certificate

from eventflow.errors import NotAuthenticError
from eventflow_aws.certificates import Certificates, FetchCertificate, check_rsa_signature, check_validity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.ports import Clock

MAXIMUM_AGE_SECONDS: Final = 3_600
"""Within an hour, SNS has delivered a message or given it up: whoever brings it later replays it."""
CLOCK_SKEW_SECONDS: Final = 300
"""How far two clocks may be apart, as in AWS's own request signatures."""

_CONFIRMATION: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
SIGNED: Final[Mapping[str, tuple[str, ...]]] = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
"""What is signed, in this order, by the type of a message. The subject only if there is one."""
OPTIONAL: Final = frozenset({"Subject"})

_HASHES: Final = {"1": SHA1, "2": SHA256}
_HOST: Final = re.compile(r"sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?")
_PATH: Final = re.compile(r"/[A-Za-z0-9_.-]+\.pem")


class Signatures:
    """Checks messages against certificates that SNS publishes, a few of which are remembered."""

    def __init__(self, fetch: FetchCertificate, clock: Clock) -> None:
        self._clock = clock
        self._certificates = Certificates(fetch, parsed)

    async def check(self, message: Mapping[str, str]) -> None:
        """Return if SNS sent the message within the last hour.

        ``message`` has all that is signed, and ``SignatureVersion``, ``Signature`` and ``SigningCertURL``.
        Raises NotAuthenticError; UnavailableError if its certificate cannot be fetched now.
        """
        now = self._clock.time()
        check_timestamp(message["Timestamp"], now)
        check_certificate_url(message["SigningCertURL"])
        certificate = await self._certificates.at(message["SigningCertURL"])
        check_validity(certificate, now)
        check_signature(message, certificate)


def check_timestamp(text: str, now: float) -> None:
    """Raises NotAuthenticError for a time that is too long ago, or yet to come."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NotAuthenticError(f"the Timestamp {text:.40} is none") from None
    age = now - moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    if age > MAXIMUM_AGE_SECONDS + CLOCK_SKEW_SECONDS:
        raise NotAuthenticError(f"it is of {text}, and nothing older than {MAXIMUM_AGE_SECONDS} s is taken")
    if age < -CLOCK_SKEW_SECONDS:
        raise NotAuthenticError(f"it is of {text}, which is yet to come; is the clock here right?")


def check_certificate_url(url: str) -> None:
    """Raises NotAuthenticError unless only SNS can publish there: anybody can sign with a certificate of their own."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    rebuilt = f"https://{parts.netloc}{parts.path}"
    if url != rebuilt or not _HOST.fullmatch(parts.netloc) or not _PATH.fullmatch(parts.path):
        raise NotAuthenticError(f"the SigningCertURL {url!r:.200} is not one of SNS's")


def check_signature(message: Mapping[str, str], certificate: Certificate) -> None:
    """Raises NotAuthenticError unless the certificate's key signed the message."""
    version = message["SignatureVersion"]
    if version not in _HASHES:
        raise NotAuthenticError(f"the SignatureVersion {version!r:.40} is neither 1 nor 2")
    try:
        signed = string_to_sign(message)
    except ValueError:
        raise NotAuthenticError("its signature is wrong") from None
    check_rsa_signature(certificate, message["Signature"], signed, _HASHES[version]())


def string_to_sign(message: Mapping[str, str]) -> bytes:
    """What SNS signs: names and values, each on a line of its own. Raises ValueError for what UTF-8 does not have."""
    present = (name for name in SIGNED[message["Type"]] if name in message)
    return "".join(f"{name}\n{message[name]}\n" for name in present).encode()


def parsed(pem: bytes) -> Certificate:
    """Raises NotAuthenticError if this is no certificate."""
    try:
        return load_pem_x509_certificate(pem)
    except ValueError:
        raise NotAuthenticError("there is no certificate at its SigningCertURL") from None
