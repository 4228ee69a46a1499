"""What stands between an app and its collection: one clear message each, at start and in ``check``, without secrets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.cloud.serving import Deployment
from tests.servers.process import free_port
from tests.unit.mongodb import stories
from tests.unit.mongodb.scripted_mongodb import ScriptedMongoDb, opened

SECRET: Final = "s3cret"
TARGET: Final = "tests.cloud.mongodb_app:app"


class Mistake(NamedTuple):
    """What the server says, the finding's rule, and what has to be in its message."""

    answers: dict[str, dict[str, Any]]
    rule: str
    says: tuple[str, ...]
    password: str = SECRET


MISTAKES: Final = {
    "wrong password": Mistake({}, "access-denied", ("user and password",), "another"),
    "no permission": Mistake({"aggregate": stories.UNAUTHORIZED}, "access-denied", ("`find` and `changeStream`",)),
    "no replica set": Mistake({"aggregate": stories.NO_REPLICA_SET}, "no-replica-set", ("--replSet",)),
    "not enabled": Mistake({"aggregate": stories.NOT_ENABLED}, "change-streams-disabled", ("modifyChangeStreams: 1",)),
}


@contextmanager
def playing(server: ScriptedMongoDb) -> Iterator[ScriptedMongoDb]:
    """The server, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(timeout=60)
        yield server
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(timeout=60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def deployment(directory: Path, uri: str) -> Deployment:
    (directory / "eventflow.toml").write_text(f"""
        [environments.cloud]
        data = "memory"
        [environments.cloud.sources.documentdb]
        adapter = "mongodb"
        uri = "{uri}"
        username = "anna"
    """)
    variables = {"LEDGER": str(directory / "ledger"), "EVENTFLOW_MONGODB_PASSWORD": SECRET}
    return Deployment(directory=directory, target=TARGET, environment="cloud", variables=variables)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_mend(name: str, tmp_path: Path) -> None:
    mistake = MISTAKES[name]
    with playing(ScriptedMongoDb(passwords={"anna": mistake.password})) as server:
        server.always.update(mistake.answers)
        app = deployment(tmp_path, server.uri)
        checked = app.command("check", TARGET, "--env", "cloud")
        served = app.command("serve", TARGET, "--env", "cloud", "--port", "0")
    assert checked.returncode == 1
    assert mistake.rule in checked.stdout
    assert served.returncode not in (0, None)
    for told in (checked.stdout, served.stderr):
        assert "documentdb:shop.orders" in told
        assert all(text in " ".join(told.split()) for text in mistake.says)
    assert SECRET not in checked.stdout + checked.stderr + served.stdout + served.stderr


def test_an_address_where_nobody_listens_is_unreachable(tmp_path: Path) -> None:
    port = free_port()
    app = deployment(tmp_path, f"mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=300")
    checked = app.command("check", TARGET, "--env", "cloud")
    assert checked.returncode == 1
    assert "unreachable" in checked.stdout
    assert f"127.0.0.1:{port}" in checked.stdout
    served = app.command("serve", TARGET, "--env", "cloud", "--port", "0")
    assert served.returncode == 4
    assert "documentdb:shop.orders" in served.stderr


def test_a_position_that_is_too_old_is_found_before_it_is_needed(tmp_path: Path) -> None:
    lease = {"_id": "each/shop.orders", "place": {"token": "8201"}, "counter": 1, "heartbeat": 1, "position": "8201"}
    with playing(ScriptedMongoDb(passwords={"anna": SECRET})) as server:
        server.always["find"] = {"cursor": {"firstBatch": [lease], "id": 0, "ns": "eventflow.leases"}, "ok": 1.0}
        app = deployment(tmp_path, server.uri)
        server.answer("aggregate", opened())
        server.always["aggregate"] = stories.HISTORY_LOST
        checked = app.command("check", TARGET, "--env", "cloud")
    assert "history-lost" in checked.stdout


def test_plan_shows_who_does_what_and_no_secret(tmp_path: Path) -> None:
    app = deployment(tmp_path, "mongodb://db-1.example.com")
    planned = app.command("plan", TARGET, "--env", "cloud")
    lines = [line.split() for line in planned.stdout.splitlines()]
    assert ["full_document", "Default", "by", "documentdb"] in lines
    assert ["batch_size", "100", "by", "eventflow"] in lines
    assert SECRET not in planned.stdout
