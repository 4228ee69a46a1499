"""RabbitMQ, as the distribution packages it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.servers.certificates import write_certificates
from tests.servers.process import Process, accepts, kept_ports
from tests.servers.server import HOST, Server, Started
from tests.servers.sources import from_debian

VERSION: Final = "distribution"
USER: Final = "test"
PASSWORD: Final = "secret"
VIRTUAL_HOST: Final = "shop"
"""A second one besides ``/``."""
MAXIMUM_MESSAGE_BYTES: Final = 8_000_000

_PACKAGED: Final = Path("/usr/lib/rabbitmq/bin")
_RUN: Final = 'epmd -address "$ERL_EPMD_ADDRESS" -port "$ERL_EPMD_PORT" & exec "$0"'
"""The daemon that knows the ports of Erlang's nodes stays in the server's process group: each server has its own."""


def install(directory: Path, /) -> None:
    if not (_PACKAGED / "rabbitmq-server").exists():
        from_debian("rabbitmq-server")
    (directory / "bin").symlink_to(_PACKAGED)


def program(directory: Path, /) -> Path:
    return directory / "bin" / "rabbitmq-server"


def start(directory: Path, scratch: Path, /, *, port: int) -> Started:
    ports = _ports(scratch) | {"amqp": port}
    certificates = scratch / "certificates"
    if not certificates.exists():
        write_certificates(certificates)
    (scratch / "definitions.json").write_text(json.dumps(_definitions()))
    (scratch / "rabbitmq.conf").write_text(_settings(scratch, ports))
    (scratch / "plugins").write_text("[rabbitmq_management].\n")
    command = ["sh", "-c", _RUN, str(program(directory))]
    process = Process("rabbitmq", command, scratch=scratch, environment=_environment(scratch, ports))
    process.wait_until(lambda: accepts(ports["amqps"]) and accepts(ports["http"]) and _speaks_amqp(port))
    addresses = {scheme: f"{scheme}://{USER}:{PASSWORD}@{HOST}:{ports[scheme]}" for scheme in ("amqp", "amqps", "http")}
    server = Server(
        name="rabbitmq",
        port=port,
        endpoint_url=f"{addresses['amqp']}/",
        addresses=addresses,
        certificates=certificates,
    )
    return Started(server, process)


def control(server: Server, *arguments: str) -> None:
    """Run ``rabbitmqctl`` on a running server."""
    assert server.certificates is not None
    scratch = server.certificates.parent
    environment = {"PATH": os.environ["PATH"], **_environment(scratch, _ports(scratch))}
    command = [str(_PACKAGED / "rabbitmqctl"), *arguments]
    subprocess.run(command, cwd=scratch, env=environment, check=True, capture_output=True, timeout=180)


def _ports(scratch: Path) -> dict[str, int]:
    return kept_ports(scratch, "amqps", "http", "epmd", "nodes")


def _definitions() -> dict[str, list[dict[str, object]]]:
    hosts = ["/", VIRTUAL_HOST]
    all_rights = {"user": USER, "configure": ".*", "write": ".*", "read": ".*"}
    return {
        "users": [{"name": USER, "password": PASSWORD, "tags": ["administrator"]}],
        "vhosts": [{"name": host} for host in hosts],
        "permissions": [{"vhost": host, **all_rights} for host in hosts],
    }


def _settings(scratch: Path, ports: dict[str, int]) -> str:
    certificates = scratch / "certificates"
    settings = {
        "listeners.tcp.1": f"{HOST}:{ports['amqp']}",
        "listeners.ssl.1": f"{HOST}:{ports['amqps']}",
        "ssl_options.cacertfile": str(certificates / "ca.pem"),
        "ssl_options.certfile": str(certificates / "server.pem"),
        "ssl_options.keyfile": str(certificates / "server.key"),
        "ssl_options.verify": "verify_peer",  # of clients that have a certificate
        "ssl_options.fail_if_no_peer_cert": "false",
        "max_message_size": str(MAXIMUM_MESSAGE_BYTES),
        "management.tcp.ip": HOST,
        "management.tcp.port": str(ports["http"]),
        "load_definitions": str(scratch / "definitions.json"),
        "disk_free_limit.absolute": "50MB",
    }
    return "".join(f"{name} = {value}\n" for name, value in settings.items())


def _environment(scratch: Path, ports: dict[str, int]) -> dict[str, str]:
    return {
        "HOME": str(scratch),  # for the secret that Erlang's nodes share
        "ERL_EPMD_ADDRESS": HOST,
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "RABBITMQ_NODENAME": "eventflow@localhost",
        "RABBITMQ_DIST_PORT": str(ports["nodes"]),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_MNESIA_BASE": str(scratch / "data"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(scratch / "pid"),
        "RABBITMQ_CONFIG_FILE": str(scratch / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(scratch / "none.config"),
        "RABBITMQ_CONF_ENV_FILE": str(scratch / "none.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(scratch / "plugins"),
        "RUNNING_UNDER_SYSTEMD": "true",  # signals go to the server itself, which ends in order
    }


def _speaks_amqp(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), timeout=5) as connection:
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        return connection.recv(1) == b"\x01"
    return False
