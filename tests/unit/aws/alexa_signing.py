"""Requests as Alexa signs them, with an authority of our own."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from eventflow.ports import PushRequest

CHAIN_URL: Final = "https://s3.amazonaws.com/echo.api/echo-api-cert-12.pem"


class Authority:
    """A root that signs an intermediate, which signs others."""

    def __init__(self) -> None:
        root_key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        self.root = self._authority("root", root_key.public_key(), root_key, "root", root_key.public_key())
        self.intermediate = self._authority("middle", self._key.public_key(), root_key, "root", root_key.public_key())

    @staticmethod
    def _authority(
        name: str, key: rsa.RSAPublicKey, signing: rsa.RSAPrivateKey, issuer: str, issuing: rsa.RSAPublicKey
    ) -> x509.Certificate:
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        return (
            _unsigned(name, key, issuer, issuing, "2020-01-01", "2035-01-01")
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(signing, hashes.SHA256())
        )

    def issue(self, key: rsa.RSAPublicKey, *, host: str, first: str, last: str, signs: bool = True) -> x509.Certificate:
        usage = x509.KeyUsage(
            digital_signature=signs,
            content_commitment=False,
            key_encipherment=True,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        return (
            _unsigned("alexa", key, "middle", self._key.public_key(), first, last)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )


class Alexa:
    """A key and its certificate, valid from ``first`` to ``last``."""

    def __init__(
        self,
        authority: Authority,
        *,
        host: str = "echo-api.amazon.com",
        first: str = "2025-06-01",
        last: str = "2026-06-01",
        signs: bool = True,
    ) -> None:
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        leaf = authority.issue(self._key.public_key(), host=host, first=first, last=last, signs=signs)
        chain = (leaf, authority.intermediate)
        self.pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)
        self.fetched: list[str] = []

    async def fetch(self, url: str) -> bytes:
        """What is published at any URL."""
        self.fetched.append(url)
        return self.pem

    def signature(self, body: bytes, algorithm: hashes.HashAlgorithm) -> str:
        return base64.b64encode(self._key.sign(body, PKCS1v15(), algorithm)).decode()

    def signed(self, body: bytes, *, url: str = CHAIN_URL, headers: tuple[str, ...] = ("256", "1")) -> PushRequest:
        """A request with the signature of SHA-256, of SHA-1, or, as Alexa sends it, with both."""
        made = {"signaturecertchainurl": url}
        if "256" in headers:
            made["signature-256"] = self.signature(body, hashes.SHA256())
        if "1" in headers:
            made["signature"] = self.signature(body, hashes.SHA1())
        return PushRequest(made, body)


def _unsigned(
    name: str, key: rsa.RSAPublicKey, issuer: str, issuing: rsa.RSAPublicKey, first: str, last: str
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromisoformat(first).replace(tzinfo=UTC))
        .not_valid_after(datetime.fromisoformat(last).replace(tzinfo=UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuing), critical=False)
    )
