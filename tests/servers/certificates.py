"""A certificate authority of a server's own, and what it signed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.servers.server import HOST

LIFETIME: Final = timedelta(days=2)


def write_certificates(directory: Path) -> None:
    """Write ``ca.pem``, and ``NAME.pem`` and ``NAME.key`` for the names ``server`` and ``client``.

    The server's certificate is for 127.0.0.1 and ``localhost``.
    """
    directory.mkdir()
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _unsigned("eventflow test authority", authority_key, issuer="eventflow test authority")
    authority = authority.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    _write_certificate(directory / "ca.pem", authority.sign(authority_key, hashes.SHA256()))
    addresses = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(IPv4Address(HOST))])
    for name in ("server", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        unsigned = _unsigned(name, key, issuer="eventflow test authority").add_extension(addresses, critical=False)
        _write_certificate(directory / f"{name}.pem", unsigned.sign(authority_key, hashes.SHA256()))
        pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (directory / f"{name}.key").write_bytes(pkcs8)


def _unsigned(name: str, key: ec.EllipticCurvePrivateKey, *, issuer: str) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_common_name(name))
        .issuer_name(_common_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LIFETIME)
        .not_valid_after(now + LIFETIME)
    )


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _write_certificate(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
