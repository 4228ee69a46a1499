"""ElasticMQ: a fast SQS."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.servers import java
from tests.servers.process import Process, answers
from tests.servers.server import HOST, Server, Started
from tests.servers.sources import from_maven

VERSION: Final = "1.7.1"


def install(directory: Path, /) -> None:
    from_maven(directory, f"org.elasticmq:elasticmq-server_2.13:{VERSION}")


def program(directory: Path, /) -> Path:
    return directory / "lib" / f"elasticmq-server_2.13-{VERSION}.jar"


def start(directory: Path, scratch: Path, /, *, port: int) -> Started:
    settings = {
        "rest-sqs.bind-hostname": HOST,
        "rest-sqs.bind-port": str(port),
        "node-address.host": "*",  # queue URLs name the host that was asked, so that they lead through a proxy
        "aws.region": "us-east-1",
        "aws.accountId": "000000000000",
    }
    options = java.with_archive(directory)
    command = java.command(directory, "org.elasticmq.server.Main", settings=settings, options=options)
    process = Process("elasticmq", command, scratch=scratch)
    process.wait_until(lambda: answers(port, "/health"))
    return Started(Server(name="elasticmq", port=port, endpoint_url=f"http://{HOST}:{port}"), process)
