"""Apache Kafka: one broker that is its own controller."""

from __future__ import annotations

import shutil
import socket
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.servers import java
from tests.servers.certificates import write_certificates
from tests.servers.process import Process, kept_ports
from tests.servers.server import HOST, Server, Started
from tests.servers.sources import from_maven, run

VERSION: Final = "4.3.1"
USER: Final = "test"
PASSWORD: Final = "secret"

LISTENERS: Final[Mapping[str, str]] = {
    "PLAINTEXT": "PLAINTEXT",
    "SASL_PLAINTEXT": "SASL_PLAINTEXT",
    "SASL_SSL": "SASL_SSL",
    "SSL": "SSL",
    "MUTUAL_TLS": "SSL",
    "BEHIND_PROXY": "PLAINTEXT",
    "CONTROLLER": "PLAINTEXT",
}
"""The security protocol of each listener, for ``USER`` and ``PASSWORD`` where it is SASL.

``MUTUAL_TLS`` wants the client's certificate too. ``BEHIND_PROXY`` sends its clients on to the address ``PROXY``:
there a test listens, and forwards to it.
"""
PROXY: Final = "PROXY"

SCRAM: Final = ("SCRAM-SHA-256", "SCRAM-SHA-512")

_TEMPLATE: Final = Path(__file__).with_name("kafka.properties")
_CLUSTER: Final = "eventflowTestServer0AA"
_LOGGING: Final = {"org.slf4j.simpleLogger.defaultLogLevel": "warn"}
_LOGIN: Final = "org.apache.kafka.common.security"
_METADATA_REQUEST: Final = struct.pack(">ihhihi", 14, 3, 0, 1, -1, 0)
"""Its length, then version 0, for all topics, from a client without a name."""


def install(directory: Path, /) -> None:
    from_maven(directory, f"org.apache.kafka:kafka_2.13:{VERSION}", "org.slf4j:slf4j-simple:1.7.36")
    _format(directory)


def program(directory: Path, /) -> Path:
    return directory / "lib" / f"kafka_2.13-{VERSION}.jar"


def start(directory: Path, scratch: Path, /, *, port: int) -> Started:
    ports = kept_ports(scratch, *LISTENERS, PROXY) | {"PLAINTEXT": port}
    addresses = {name: f"{HOST}:{number}" for name, number in ports.items()}
    data, certificates = scratch / "data", scratch / "certificates"
    if not data.exists():
        shutil.copytree(directory / "formatted", data)
        _write_keys(certificates)
    settings = scratch / "server.properties"
    settings.write_text(_settings(addresses, data=data))
    options = ["-XX:TieredStopAtLevel=1", *java.with_archive(directory)]  # compiles less: starts in half the time
    command = java.command(directory, "kafka.Kafka", settings=_LOGGING, options=options)
    process = Process("kafka", [*command, settings], scratch=scratch, grace_seconds=120.0)  # it may write its archive
    process.wait_until(lambda: _has_broker(port))
    server = Server(
        name="kafka",
        port=port,
        endpoint_url=addresses["PLAINTEXT"],
        addresses=addresses,
        certificates=certificates,
    )
    return Started(server, process)


def _format(directory: Path) -> None:
    """Make the directory that every broker begins with; it knows the user, and no addresses."""
    settings = directory / "format.properties"
    addresses = {name: f"{HOST}:{number}" for number, name in enumerate([*LISTENERS, PROXY], start=1)}  # any
    settings.write_text(_settings(addresses, data=directory / "formatted"))
    login = f"[name={USER},password={PASSWORD}]"
    users = [part for mechanism in SCRAM for part in ("--add-scram", f"{mechanism}={login}")]
    tool = java.command(directory, "kafka.tools.StorageTool", settings=_LOGGING)
    run([*tool, "format", "--cluster-id", _CLUSTER, "--config", settings, *users])


def _settings(addresses: Mapping[str, str], *, data: Path) -> str:
    reached_at = {name: addresses[name] for name in LISTENERS if name != "CONTROLLER"}
    reached_at["BEHIND_PROXY"] = addresses[PROXY]
    own = {
        "log.dirs": str(data),
        "listeners": _joined(f"{name}://{addresses[name]}" for name in LISTENERS),
        "advertised.listeners": _joined(f"{name}://{address}" for name, address in reached_at.items()),
        "listener.security.protocol.map": _joined(f"{name}:{protocol}" for name, protocol in LISTENERS.items()),
        "controller.quorum.voters": f"1@{addresses['CONTROLLER']}",
    }
    for listener in ("sasl_plaintext", "sasl_ssl"):
        prefix = f"listener.name.{listener}"
        own[f"{prefix}.plain.sasl.jaas.config"] = f'{_LOGIN}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        # Whoever brings a token that nobody signed is who it says: enough to see the handshake.
        bearer = f'{_LOGIN}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="{USER}";'
        own[f"{prefix}.oauthbearer.sasl.jaas.config"] = bearer
        for mechanism in SCRAM:
            own[f"{prefix}.{mechanism.lower()}.sasl.jaas.config"] = f"{_LOGIN}.scram.ScramLoginModule required;"
    return _TEMPLATE.read_text() + "".join(f"{name}={value}\n" for name, value in own.items())


def _joined(parts: Iterable[str]) -> str:
    return ",".join(parts)


def _write_keys(directory: Path) -> None:
    write_certificates(directory)
    parts = ("server.key", "server.pem")
    (directory / "keystore.pem").write_text("".join((directory / part).read_text() for part in parts))


def _has_broker(port: int) -> bool:
    """Whether the broker names itself to clients: it accepts connections a little earlier."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=5) as connection:
        connection.sendall(_METADATA_REQUEST)
        answer = connection.recv(12)
        return len(answer) == 12 and struct.unpack(">iii", answer)[2] > 0
    return False
