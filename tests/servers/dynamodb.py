"""DynamoDB Local: tables, transactions and streams."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.servers import java
from tests.servers.process import Process, accepts
from tests.servers.server import HOST, Server, Started
from tests.servers.sources import from_java_source, from_maven

VERSION: Final = "2.6.1"
MAIN: Final = Path(__file__).with_name("DynamoDbOnLoopback.java")


def install(directory: Path, /) -> None:
    from_maven(directory, f"com.amazonaws:DynamoDBLocal:{VERSION}")
    from_java_source(MAIN, libraries=directory / "lib")


def program(directory: Path, /) -> Path:
    return directory / "lib" / f"DynamoDBLocal-{VERSION}.jar"


def start(directory: Path, scratch: Path, /, *, port: int) -> Started:
    settings = {"sqlite4java.library.path": str(directory / "lib")}
    command = java.command(directory, MAIN.stem, settings=settings)
    command += ["-port", str(port), "-inMemory", "-sharedDb", "-disableTelemetry"]
    process = Process("dynamodb", command, scratch=scratch)
    process.wait_until(lambda: accepts(port))
    return Started(Server(name="dynamodb", port=port, endpoint_url=f"http://{HOST}:{port}"), process)
