"""Fixtures of real servers, one each for the whole session, started when the first test asks.

A server that is not installed skips the test, and fails it where the environment variable ``CI`` is set.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from tests.servers.installing import NotInstalledError
from tests.servers.running import PrivateServer, running
from tests.servers.server import Server


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Server]:
    """Many AWS services, none of them deep. Everybody shares it: name your resources uniquely."""
    yield from _session_server("moto")


@pytest.fixture(scope="session")
def localstack_server() -> Iterator[Server]:
    """SQS, SNS, S3, EventBridge and Lambda; see ``localstack_launch`` for what a function is there."""
    yield from _session_server("localstack")


@pytest.fixture(scope="session")
def dynamodb_server() -> Iterator[Server]:
    """DynamoDB and its streams."""
    yield from _session_server("dynamodb")


@pytest.fixture(scope="session")
def elasticmq_server() -> Iterator[Server]:
    """A fast SQS."""
    yield from _session_server("elasticmq")


@pytest.fixture(scope="session")
def kinesis_server() -> Iterator[Server]:
    """Kinesis Data Streams."""
    yield from _session_server("kinesis")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """PostgreSQL; ``dsn`` names its superuser and its one database."""
    yield from _session_server("postgresql")


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[Server]:
    """One Kafka broker; ``endpoint_url`` is its bootstrap address, ``addresses`` has its other listeners."""
    yield from _session_server("kafka")


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[Server]:
    """RabbitMQ; ``endpoint_url`` logs in to the virtual host ``/``, ``addresses["amqps"]`` is the same over TLS."""
    yield from _session_server("rabbitmq")


@pytest.fixture(scope="session")
def activemq_server() -> Iterator[Server]:
    """ActiveMQ Classic; ``addresses`` has STOMP, AMQP 1.0 and OpenWire."""
    yield from _session_server("activemq")


@pytest.fixture(scope="session")
def mongodb_server() -> Iterator[Server]:
    """The protocol of MongoDB, with change streams."""
    yield from _session_server("mongodb")


@pytest.fixture
def start_server() -> Iterator[Callable[[str], PrivateServer]]:
    """Starts a server of this test's own, which may be stopped, killed and started again: ``start_server("moto")``."""
    with ExitStack() as stack:

        def start(name: str) -> PrivateServer:
            with installed():
                return stack.enter_context(closing(PrivateServer(name)))

        yield start


def _session_server(name: str) -> Iterator[Server]:
    with ExitStack() as stack:
        with installed():
            server = stack.enter_context(running(name))
        yield server


@contextmanager
def installed() -> Iterator[None]:
    """Skips the test if the server that is started inside is not installed; fails it where ``CI`` is set."""
    try:
        yield
    except NotInstalledError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
