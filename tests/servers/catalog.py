"""The servers there are, and the tools that are installed like them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from tests.servers import (
    activemq,
    dynamodb,
    elasticmq,
    kafka,
    kinesis,
    lambda_runtime,
    localstack,
    mongodb,
    moto,
    postgresql,
    rabbitmq,
    sam,
)
from tests.servers.server import Started


class Tool(Protocol):
    """One program; its module is one."""

    @property
    def VERSION(self) -> str:
        """What is installed; another version is installed anew."""
        ...

    def install(self, directory: Path, /) -> None:
        """Install into an empty directory of its own."""
        ...

    def program(self, directory: Path, /) -> Path:
        """The file that is run: an installation without it is not complete."""
        ...


class Kind(Tool, Protocol):
    """One kind of server; its module is one."""

    def start(self, directory: Path, scratch: Path, /, *, port: int) -> Started:
        """Start on loopback and return once it answers.

        ``scratch`` is a directory for this server alone; started again in the same one, it finds its data.

        Raises:
            ServerStartError: it ended, or did not answer in time.
        """
        ...


SERVERS: Final[Mapping[str, Kind]] = {
    "moto": moto,
    "localstack": localstack,
    "lambda": lambda_runtime,
    "kafka": kafka,
    "dynamodb": dynamodb,
    "elasticmq": elasticmq,
    "activemq": activemq,
    "mongodb": mongodb,
    "rabbitmq": rabbitmq,
    "kinesis": kinesis,
    "postgresql": postgresql,
}
TOOLS: Final[Mapping[str, Tool]] = {"sam": sam}
INSTALLABLE: Final[Mapping[str, Tool]] = {**TOOLS, **SERVERS}
"""Those whose installation takes longest come first."""
