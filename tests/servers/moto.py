"""moto's server: many AWS services, none of them deep."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.servers.process import Process, answers
from tests.servers.server import HOST, Server, Started
from tests.servers.sources import from_pypi

VERSION: Final = "5.2.5"
CONSTRAINTS: Final = Path(__file__).with_name("moto_constraints.txt")


def install(directory: Path, /) -> None:
    from_pypi(directory, [f"moto[server,all]=={VERSION}"], constraints=CONSTRAINTS)


def program(directory: Path, /) -> Path:
    return directory / "venv" / "bin" / "moto_server"


def start(directory: Path, scratch: Path, /, *, port: int) -> Started:
    process = Process("moto", [program(directory), "-H", HOST, "-p", str(port)], scratch=scratch)
    process.wait_until(lambda: answers(port, "/moto-api/data.json"))
    return Started(Server(name="moto", port=port, endpoint_url=f"http://{HOST}:{port}"), process)
