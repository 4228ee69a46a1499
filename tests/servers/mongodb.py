"""mongo-java-server: the protocol of MongoDB, with the change streams of collections.

Inserts, deletes and resuming are as MongoDB's. An update has a wrong ``documentKey``, a replacement is an update
without a document, no event has ``ns``, nothing tells of a drop, every resume token is taken, and a read that finds
nothing returns at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.servers import java
from tests.servers.process import Process, accepts
from tests.servers.server import HOST, Server, Started
from tests.servers.sources import from_java_source, from_maven

VERSION: Final = "1.47.0"
MAIN: Final = Path(__file__).with_name("MongoDbOnLoopback.java")


def install(directory: Path, /) -> None:
    server = f"de.bwaldvogel:mongo-java-server-h2-backend:{VERSION}"
    from_maven(directory, server, "org.slf4j:slf4j-simple:2.0.17")
    from_java_source(MAIN, libraries=directory / "lib")


def program(directory: Path, /) -> Path:
    return directory / "lib" / f"mongo-java-server-h2-backend-{VERSION}.jar"


def start(directory: Path, scratch: Path, /, *, port: int) -> Started:
    logging = {"org.slf4j.simpleLogger.defaultLogLevel": "warn"}
    command = java.command(directory, MAIN.stem, settings=logging, options=java.with_archive(directory))
    process = Process("mongodb", [*command, scratch / "data", str(port)], scratch=scratch)
    process.wait_until(lambda: accepts(port))
    return Started(Server(name="mongodb", port=port, endpoint_url=f"mongodb://{HOST}:{port}/"), process)
