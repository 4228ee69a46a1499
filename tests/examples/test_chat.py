"""``examples/chat.py``: on virtual time, and served for a client that nobody here wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from eventflow.testing import ConnectionRefusedByAppError, TestApp
from examples import chat

PATIENCE_SECONDS = 60


@pytest.fixture(autouse=True)
def _nobody_is_there() -> Iterator[None]:
    chat.NAMES.clear()
    yield
    chat.NAMES.clear()


async def test_on_virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with TestApp(chat) as app:
        monkeypatch.setattr(chat, "management", lambda endpoint: app.connections)
        async with app.websocket("/?name=ada") as ada:
            async with app.websocket("/?name=bob") as bob:
                await ada.send({"action": "say", "text": "hello"})
                for socket in (ada, bob):
                    assert await socket.receive_json() == {"from": "ada", "text": "hello"}
                await bob.send({"action": "who"})
                assert await bob.receive_json() == ["ada", "bob"]
                with pytest.raises(ConnectionRefusedByAppError, match="409: ada is here already"):
                    async with app.websocket("/?name=ada"):
                        pass
                with pytest.raises(ConnectionRefusedByAppError, match="401"):
                    async with app.websocket("/"):
                        pass
            assert await ada.receive_json() == {"left": "bob"}
    assert chat.NAMES == {}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The example, served by the command; its address."""
    example = Path(chat.__file__)
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    command = [sys.executable, "-m", "eventflow", "serve", str(example), "--port", "0", "--log-format", "json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env={**os.environ, **credentials}
    ) as process:
        try:
            assert process.stdout is not None
            address = next(record["address"] for record in map(json.loads, process.stdout) if "address" in record)
            yield process, f"ws{address.removeprefix('http')}"
        finally:
            process.kill()


joined = partial(connect, open_timeout=PATIENCE_SECONDS, ping_interval=None)


def heard(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(timeout=PATIENCE_SECONDS))


def test_served(served: tuple[subprocess.Popen[str], str]) -> None:
    """A real client connects, sends, gets what was posted back, and is disconnected; then the server stops."""
    process, address = served
    with joined(f"{address}/local?name=ada") as ada, joined(f"{address}/?name=bob") as bob:
        ada.send('{"action": "say", "text": "hello"}')
        assert heard(ada) == heard(bob) == {"from": "ada", "text": "hello"}
        bob.send('{"action": "who"}')
        assert heard(bob) == ["ada", "bob"]
        bob.send('{"action": "dance"}')
        assert heard(bob)["message"] == "Forbidden"
        for path, status in (("/local", 401), ("/local?name=ada", 409), ("/elsewhere?name=eve", 403)):
            with pytest.raises(InvalidStatus) as refused:
                joined(f"{address}{path}")
            assert refused.value.response.status_code == status
        bob.send('{"action": "bye"}')
        with pytest.raises(ConnectionClosed) as closed:
            bob.recv(timeout=PATIENCE_SECONDS)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1000
        assert heard(ada) == {"left": "bob"}
        process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as gone:
            ada.recv(timeout=PATIENCE_SECONDS)
        assert gone.value.rcvd is not None
        assert (gone.value.rcvd.code, gone.value.rcvd.reason) == (1001, "Going away")
    assert process.wait(timeout=PATIENCE_SECONDS) == 0
