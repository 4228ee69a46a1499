"""Apps on a collection: a process that dies under load, a server that is away for twenty seconds, changes that cannot
be handled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError, PyMongoError

from tests.cloud.environments import EXAMPLES
from tests.cloud.ledger import Ledger
from tests.cloud.load import in_background, nothing_is_missing
from tests.cloud.network import network_to
from tests.cloud.serving import PATIENCE_SECONDS, Deployment, wait_until
from tests.servers.running import PrivateServer
from tests.servers.server import Server

AWAY_SECONDS: Final = 20.0


def deployment(directory: Path, uri: str, app: str = "app", *, lease_seconds: int = 20) -> tuple[Deployment, str]:
    """An app on a collection of its own, whose name is returned. What a lost lease covered is repeated."""
    collection = f"c{uuid4().hex}"
    (directory / "eventflow.toml").write_text(f"""
        [environments.cloud]
        data = "memory"
        [environments.cloud.resources]
        "documentdb:shop.orders" = "shop.{collection}"
        [environments.cloud.sources.documentdb]
        adapter = "mongodb"
        uri = "{uri}"
        lease_collection = "{collection}"
        lease_seconds = {lease_seconds}
    """)
    ledger = {"LEDGER": str(directory / "ledger.jsonl")}
    target = f"tests.cloud.mongodb_app:{app}"
    return Deployment(directory=directory, target=target, environment="cloud", variables=ledger), collection


@contextmanager
def client(uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](uri, retryWrites=False) as opened:
        yield opened


@contextmanager
def load(uri: str, collection: str) -> Iterator[list[str]]:
    """Insert documents while the block runs; the list has those that the server took."""
    accepted: list[str] = []

    def insert(stop: threading.Event) -> None:
        with client(uri) as opened:
            orders = opened["shop"][collection]
            while not stop.is_set():
                number = len(accepted)
                try:
                    orders.insert_one({"_id": number})
                except DuplicateKeyError:
                    pass  # it was taken, and the answer got lost
                except PyMongoError:
                    time.sleep(0.1)
                    continue
                accepted.append(str(number))
                time.sleep(0.01)

    with in_background(insert):
        yield accepted


@contextmanager
def positions(uri: str, collection: str) -> Iterator[list[str]]:
    """What was committed while the block runs, as often as one can look. Tokens of this server grow."""
    seen: list[str] = []

    def look(stop: threading.Event) -> None:
        with client(uri) as opened:
            while not stop.is_set():
                lease = opened["eventflow"][collection].find_one() or {}
                seen.extend([lease["position"]] if "position" in lease else [])

    with in_background(look):
        yield seen


def test_one_of_two_processes_reads_and_when_it_is_killed_the_other_goes_on(
    mongodb_server: Server, tmp_path: Path
) -> None:
    uri = mongodb_server.endpoint_url
    app, collection = deployment(tmp_path, uri, lease_seconds=4)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with app.serve() as one, app.serve() as two, positions(uri, collection) as committed:
        with load(uri, collection) as sent:
            wait_until(lambda: len(ledger.entries()) > 50, what="the load is handled")
            killed, other = (one, two) if ledger.last_process() == one.process.pid else (two, one)
            other.until_ready()  # to wait for the lease is no problem
            killed.kill()
            wait_until(lambda: ledger.last_process() == other.process.pid, what="the other takes over")
            known = len(sent)
            wait_until(lambda: len(sent) > known + 50, what="the load goes on")
        nothing_is_missing(ledger, sent)
        other.until_ready()
    assert not ledger.disorder()
    assert committed == sorted(committed), "a position went back"
    assert len(set(committed)) > 2


def test_a_process_that_stops_hands_over_and_nothing_is_repeated(mongodb_server: Server, tmp_path: Path) -> None:
    uri = mongodb_server.endpoint_url
    app, collection = deployment(tmp_path, uri)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with app.serve() as one, load(uri, collection) as sent:
        wait_until(lambda: len(ledger.entries()) > 50, what="the load is handled")
        with app.serve():
            one.process.terminate()
            assert one.process.wait(timeout=PATIENCE_SECONDS) == 0
            wait_until(lambda: len(ledger.processes()) == 2, what="the other takes over")
            known = list(sent)
            wait_until(lambda: not ledger.missing(known), what=lambda: f"{ledger.missing(known)}")
    assert not ledger.disorder()
    assert not ledger.repeated()


def test_a_server_that_is_away_for_twenty_seconds_loses_nothing(
    start_server: Callable[[str], PrivateServer], tmp_path: Path
) -> None:
    private = start_server("mongodb")
    uri = private.server.endpoint_url
    app, collection = deployment(tmp_path, uri, lease_seconds=4)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with app.serve() as serving:
        with load(uri, collection) as sent:
            wait_until(lambda: len(ledger.entries()) > 50, what="the load is handled")
            private.stop()
            back_at = time.monotonic() + AWAY_SECONDS
            serving.until_unready("shop.orders")
            time.sleep(max(0.0, back_at - time.monotonic()))
            private.restart()
            serving.until_ready()
            known = len(ledger.entries())
            wait_until(lambda: len(ledger.entries()) > known + 50, what="the load goes on")
        nothing_is_missing(ledger, sent)
        assert "Traceback" not in serving.log.read_text()
    assert not ledger.disorder()


def test_a_network_that_is_cut_for_longer_than_the_lease_loses_nothing(mongodb_server: Server, tmp_path: Path) -> None:
    uri = mongodb_server.endpoint_url
    with network_to(mongodb_server.port) as network:
        app, collection = deployment(tmp_path, network.url.replace("http:", "mongodb:"), lease_seconds=4)
        ledger = Ledger(tmp_path / "ledger.jsonl")
        with app.serve() as serving:
            with load(uri, collection) as sent:
                wait_until(lambda: len(ledger.entries()) > 50, what="the load is handled")
                network.cut()
                serving.until_unready()
                network.restore()
                serving.until_ready()
            nothing_is_missing(ledger, sent)
        assert not ledger.disorder()


def test_what_cannot_be_handled_is_put_aside_and_the_rest_goes_on(mongodb_server: Server, tmp_path: Path) -> None:
    uri = mongodb_server.endpoint_url
    app, collection = deployment(tmp_path, uri, "choosy_app")
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with app.serve(), client(uri) as opened:
        orders = opened["shop"][collection]
        orders.insert_one({"_id": "first"})
        orders.insert_one({"_id": "poison", "poison": True})
        orders.insert_one({"_id": "large", "text": "x" * (7 * 1024 * 1024)})
        orders.insert_one({"_id": "last"})
        expected = ["first", "RetryAttemptsExhausted", "MaximumPayloadSizeExceeded", "last"]
        wait_until(lambda: not ledger.missing(expected), what=lambda: f"{ledger.missing(expected)}")
    assert not ledger.repeated()


def test_the_brokers_example_runs_unchanged(mongodb_server: Server, tmp_path: Path) -> None:
    uri, database = mongodb_server.endpoint_url, f"d{uuid4().hex}"
    (tmp_path / "eventflow.toml").write_text(f"""
        [environments.cloud]
        data = "memory"
        [environments.cloud.resources]
        "documentdb:shop.customers" = "{database}.customers"
        [environments.cloud.sources.documentdb]
        adapter = "mongodb"
        uri = "{uri}"
        lease_collection = "{database}"
    """)
    app = Deployment(directory=tmp_path, target=str(EXAMPLES / "brokers.py"), environment="cloud", variables={})
    with app.serve() as serving, client(uri) as opened:
        customers = opened[database]["customers"]
        customers.insert_one({"_id": "1", "name": "Zoe"})
        customers.delete_one({"_id": "1"})
        wait_until(lambda: "delete 1: None" in serving.log.read_text(), what=serving.log.read_text)
        assert "insert 1: {'_id': '1', 'name': 'Zoe'}" in serving.log.read_text()
    listed = app.command("list", "--env", "cloud").stdout
    assert ["documentdb:shop.customers", "keep_in_touch"] in [line.split() for line in listed.splitlines()]
