"""kinesis-local: Kinesis Data Streams with shards that split, merge and end."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.servers.process import Process, answers, free_port
from tests.servers.server import HOST, Server, Started
from tests.servers.sources import from_npm

VERSION: Final = "0.6.2"
LOOPBACK: Final = Path(__file__).with_name("loopback.js")
"""Makes every server of a Node program listen on loopback."""


def install(directory: Path, /) -> None:
    from_npm(directory, f"kinesis-local@{VERSION}")


def program(directory: Path, /) -> Path:
    return directory / "node_modules" / "kinesis-local" / "main.js"


def start(directory: Path, scratch: Path, /, *, port: int) -> Started:
    environment = {
        "KINESIS_MOCK_PLAIN_PORT": str(port),
        "KINESIS_MOCK_TLS_PORT": str(free_port()),
        "KINESIS_MOCK_CERT_PATH": str(program(directory).with_name("server.json")),
        "AWS_ACCOUNT_ID": "000000000000",
        "AWS_REGION": "us-east-1",
        "LOG_LEVEL": "WARN",
        "SHARD_LIMIT": "1000",
    }
    command = ["node", "--require", str(LOOPBACK), str(program(directory))]
    process = Process("kinesis", command, scratch=scratch, environment=environment)
    process.wait_until(lambda: answers(port, "/healthcheck"))
    return Started(Server(name="kinesis", port=port, endpoint_url=f"http://{HOST}:{port}"), process)
