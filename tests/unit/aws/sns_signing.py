"""Messages as SNS signs them, with keys of our own."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

TOPIC: Final = "arn:aws:sns:us-east-1:123456789012:orders"
CERTIFICATE_URL: Final = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
SUBSCRIBE_URL: Final = f"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=token-1"
NOW: Final = "2026-01-01T00:00:00.000Z"
"""When virtual time begins."""

_UNSIGNED: Final = ("MessageAttributes", "Signature", "SignatureVersion", "SigningCertURL", "UnsubscribeURL")


class Signer:
    """A key and its certificate, which is valid from ``first`` to ``last``."""

    def __init__(self, *, first: str = "2025-06-01", last: str = "2026-06-01") -> None:
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.fromisoformat(first).replace(tzinfo=UTC))
            .not_valid_after(datetime.fromisoformat(last).replace(tzinfo=UTC))
            .sign(self._key, hashes.SHA256())
        )
        self.pem = certificate.public_bytes(Encoding.PEM)
        self.fetched: list[str] = []

    async def fetch(self, url: str) -> bytes:
        """What is published at any URL."""
        self.fetched.append(url)
        return self.pem

    def signed(self, message: dict[str, Any], *, version: str = "2") -> dict[str, Any]:
        """The message with a signature. The names that are signed are in alphabetical order."""
        lines = [f"{name}\n{message[name]}\n" for name in sorted(message) if name not in _UNSIGNED]
        algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
        signature = self._key.sign("".join(lines).encode(), PKCS1v15(), algorithm)
        return {
            **message,
            "SignatureVersion": version,
            "Signature": base64.b64encode(signature).decode(),
            "SigningCertURL": message.get("SigningCertURL", CERTIFICATE_URL),
        }


def notification(**fields: Any) -> dict[str, Any]:
    """A notification without its signature; a field that is ``None`` is left out."""
    message = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "An order",
        "Message": '{"id": "1"}\nand a second line, with Zoë 🎉',
        "Timestamp": NOW,
        "UnsubscribeURL": f"https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={TOPIC}:abc",
        **fields,
    }
    return {name: value for name, value in message.items() if value is not None}


def confirmation(kind: str = "SubscriptionConfirmation", **fields: Any) -> dict[str, Any]:
    """The first or the last message of a subscription, without its signature."""
    return {
        "Type": kind,
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "Token": "token-1",
        "TopicArn": TOPIC,
        "Message": "You have chosen to subscribe to the topic.",
        "SubscribeURL": SUBSCRIBE_URL,
        "Timestamp": NOW,
        **fields,
    }


def body(message: dict[str, Any]) -> bytes:
    return json.dumps(message, indent=2).encode()
