"""Servers that several processes share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.servers import lending
from tests.servers.installing import NotInstalledError
from tests.servers.server import Server


class Recorded:
    """Stands for a server; ``log`` says what became of it."""

    log: list[str]

    def __init__(self, name: str) -> None:
        if name == "absent":
            raise NotInstalledError(name)
        self.server = Server(name=name, port=len(self.log), endpoint_url=f"http://{name}")
        self.log.append(f"start {name}")

    def kill(self) -> None:
        self.log.append(f"kill {self.server.name}")

    def close(self) -> None:
        pass


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    log: list[str] = []
    monkeypatch.setattr(Recorded, "log", log, raising=False)
    monkeypatch.setattr(lending, "PrivateServer", Recorded)
    return log


def test_everybody_gets_the_one_server_that_is_started(log: list[str]) -> None:
    with lending.lending() as address, ThreadPoolExecutor(8) as threads:
        borrowed = list(threads.map(lambda _: lending.borrow(address, "kafka"), range(20)))
        assert set(map(id, borrowed)) != {id(borrowed[0])}, "they came by the socket"
        assert all(server == Server(name="kafka", port=0, endpoint_url="http://kafka") for server in borrowed)
        assert log == ["start kafka"]


def test_what_was_started_ends_with_the_lender(log: list[str]) -> None:
    with suppress(KeyError), lending.lending() as address:
        lending.borrow(address, "kafka")
        lending.borrow(address, "moto")
        raise KeyError
    assert log[:2] == ["start kafka", "start moto"]
    assert set(log[2:]) == {"kill kafka", "kill moto"}


def test_a_server_that_cannot_be_lent_is_an_error_that_says_why(log: list[str]) -> None:
    with (
        lending.lending() as address,
        pytest.raises(RuntimeError, match="absent is not installed"),
    ):
        lending.borrow(address, "absent")
    assert log == []
