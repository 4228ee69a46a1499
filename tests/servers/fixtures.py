"""Fixtures of real servers, one each for a whole run of the tests, started when the first test asks.

A server that is not installed skips the test, and fails it where the environment variable ``CI`` is set.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import pytest

from tests.servers.installing import NotInstalledError, installation
from tests.servers.lending import Lender, borrow, lending
from tests.servers.running import PrivateServer
from tests.servers.server import Server

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController


Servers: TypeAlias = Callable[[str], Server]
"""Returns the running server of that name."""

_LENDING: Final = "lending"
_OFFICE: Final = pytest.StashKey[str]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Of xdist, before a process that runs tests starts: all of them borrow their servers from this one."""
    config = node.config
    if _OFFICE not in config.stash:
        stack = ExitStack()
        config.stash[_OFFICE] = stack.enter_context(lending())
        config.add_cleanup(stack.close)
    node.workerinput[_LENDING] = config.stash[_OFFICE]


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """Those of this run: borrowed where several processes share them."""
    with ExitStack() as stack:
        worker: dict[str, str] = getattr(request.config, "workerinput", {})
        if _LENDING in worker:
            get: Servers = partial(borrow, worker[_LENDING])
        else:
            lender = Lender()
            stack.callback(lender.close)
            get = lender.lend

        def running(name: str) -> Server:
            with installed():
                installation(name)
                return get(name)

        yield running


@pytest.fixture(scope="session")
def moto_server(servers: Servers) -> Server:
    """Many AWS services, none of them deep. Everybody shares it: name your resources uniquely."""
    return servers("moto")


@pytest.fixture(scope="session")
def localstack_server(servers: Servers) -> Server:
    """SQS, SNS, S3, EventBridge and Lambda; see ``localstack_launch`` for what a function is there."""
    return servers("localstack")


@pytest.fixture(scope="session")
def dynamodb_server(servers: Servers) -> Server:
    """DynamoDB and its streams."""
    return servers("dynamodb")


@pytest.fixture(scope="session")
def elasticmq_server(servers: Servers) -> Server:
    """A fast SQS."""
    return servers("elasticmq")


@pytest.fixture(scope="session")
def kinesis_server(servers: Servers) -> Server:
    """Kinesis Data Streams."""
    return servers("kinesis")


@pytest.fixture(scope="session")
def postgresql_server(servers: Servers) -> Server:
    """PostgreSQL; ``dsn`` names its superuser and its one database."""
    return servers("postgresql")


@pytest.fixture(scope="session")
def kafka_server(servers: Servers) -> Server:
    """One Kafka broker; ``endpoint_url`` is its bootstrap address, ``addresses`` has its other listeners."""
    return servers("kafka")


@pytest.fixture(scope="session")
def rabbitmq_server(servers: Servers) -> Server:
    """RabbitMQ; ``endpoint_url`` logs in to the virtual host ``/``, ``addresses["amqps"]`` is the same over TLS."""
    return servers("rabbitmq")


@pytest.fixture(scope="session")
def activemq_server(servers: Servers) -> Server:
    """ActiveMQ Classic; ``addresses`` has STOMP, AMQP 1.0 and OpenWire."""
    return servers("activemq")


@pytest.fixture(scope="session")
def mongodb_server(servers: Servers) -> Server:
    """The protocol of MongoDB, with change streams."""
    return servers("mongodb")


@pytest.fixture
def start_server() -> Iterator[Callable[[str], PrivateServer]]:
    """Starts a server of this test's own, which may be stopped, killed and started again: ``start_server("moto")``."""
    with ExitStack() as stack:

        def start(name: str) -> PrivateServer:
            with installed():
                return stack.enter_context(closing(PrivateServer(name)))

        yield start


@contextmanager
def installed() -> Iterator[None]:
    """Skips the test if the server that is started inside is not installed; fails it where ``CI`` is set."""
    try:
        yield
    except NotInstalledError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
