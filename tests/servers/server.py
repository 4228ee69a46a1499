"""A running server, as tests see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, TypedDict

from tests.servers.process import Process

HOST: Final = "127.0.0.1"


class ClientOptions(TypedDict):
    """Keyword arguments of ``create_client`` and ``client``, of aiobotocore and of boto3 alike."""

    endpoint_url: str
    region_name: str
    aws_access_key_id: str
    aws_secret_access_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a running server is; what any process of the tests may know of it.

    ``addresses`` has the address of every protocol of a server with several, as its module names them.
    """

    name: str
    port: int
    endpoint_url: str
    addresses: Mapping[str, str] = field(default_factory=dict)
    certificates: Path | None = None
    """The directory with ``ca.pem``, and with ``client.pem`` and ``client.key``, of a server that speaks TLS."""

    @property
    def dsn(self) -> str:
        """The endpoint, under the name that databases give it."""
        return self.endpoint_url

    @property
    def client_options(self) -> ClientOptions:
        """What an AWS client needs to talk to this server and to nothing else."""
        return {
            "endpoint_url": self.endpoint_url,
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }


class Started(NamedTuple):
    """A server, for whoever started it and has to end it."""

    server: Server
    process: Process
