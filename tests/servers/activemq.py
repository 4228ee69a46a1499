"""ActiveMQ Classic: STOMP, AMQP 1.0 and OpenWire."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from tests.servers import java
from tests.servers.certificates import write_certificates
from tests.servers.process import Process, kept_ports
from tests.servers.server import HOST, Server, Started
from tests.servers.sources import from_java_source, from_maven

VERSION: Final = "6.3.1"
USER: Final = "test"
PASSWORD: Final = "secret"
MAIN: Final = Path(__file__).with_name("ActiveMqOnLoopback.java")
MODULES: Final = ("broker", "kahadb-store", "jaas", "stomp", "amqp")
TRANSPORTS: Final[Mapping[str, str]] = {
    "stomp": "stomp",
    "stomps": "stomp+ssl",
    "amqp": "amqp",
    "amqps": "amqp+ssl",
    "openwire": "tcp",
}
"""What the broker calls each protocol."""


def install(directory: Path, /) -> None:
    modules = [f"org.apache.activemq:activemq-{name}:{VERSION}" for name in MODULES]
    from_maven(directory, *modules, "org.slf4j:slf4j-simple:2.0.18")
    from_java_source(MAIN, libraries=directory / "lib")


def program(directory: Path, /) -> Path:
    return directory / "lib" / f"activemq-broker-{VERSION}.jar"


def start(directory: Path, scratch: Path, /, *, port: int) -> Started:
    ports = kept_ports(scratch, *TRANSPORTS) | {"stomp": port}
    certificates = scratch / "certificates"
    if not certificates.exists():
        write_certificates(certificates)
        _write_keystore(certificates, scratch / "keystore.p12")
    logging = {"org.slf4j.simpleLogger.defaultLogLevel": "warn"}
    command = java.command(directory, MAIN.stem, settings=logging, options=java.with_archive(directory), heap="1g")
    listeners = [f"{transport}://{HOST}:{ports[name]}" for name, transport in TRANSPORTS.items()]
    process = Process("activemq", [*command, scratch, USER, PASSWORD, *listeners], scratch=scratch)
    process.wait_until(lambda: _lets_in(port))
    server = Server(
        name="activemq",
        port=port,
        endpoint_url=f"stomp://{USER}:{PASSWORD}@{HOST}:{port}",
        addresses={name: f"{HOST}:{number}" for name, number in ports.items()},
        certificates=certificates,
    )
    return Started(server, process)


def _lets_in(port: int) -> bool:
    """Whether the user can log in: the broker takes connections before it has started."""
    hello = f"CONNECT\naccept-version:1.2\nhost:{HOST}\nlogin:{USER}\npasscode:{PASSWORD}\n\n\0"
    with suppress(OSError), socket.create_connection((HOST, port), timeout=5) as connection:
        connection.sendall(hello.encode())
        return connection.recv(9) == b"CONNECTED"
    return False


def _write_keystore(certificates: Path, path: Path) -> None:
    """The server's key and certificate, in Java's form."""
    certificate = x509.load_pem_x509_certificate((certificates / "server.pem").read_bytes())
    key = load_pem_private_key((certificates / "server.key").read_bytes(), password=None)
    assert isinstance(key, EllipticCurvePrivateKey)
    encryption = BestAvailableEncryption(PASSWORD.encode())
    path.write_bytes(serialize_key_and_certificates(b"server", key, certificate, None, encryption))
