"""The contenders of the RabbitMQ benchmark still run."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from benchmarks import rabbitmq, rabbitmq_consumers
from benchmarks.consumers import SERVER
from benchmarks.measure import CPU, RATE, Effort
from tests.servers.server import Server


@pytest.mark.parametrize("name", rabbitmq_consumers.CONSUMERS)
def test_a_consumer_of_the_queue_is_measured(name: str, rabbitmq_server: Server) -> None:
    if name == rabbitmq_consumers.FASTSTREAM and find_spec("faststream") is None:
        pytest.skip("FastStream is of the extra `benchmark`")
    figures = rabbitmq.on_broker(rabbitmq_server, lambda: 0.0, Effort(rounds=1, scale=0.02), name)
    assert figures.keys() == {RATE, CPU, SERVER}
    assert figures[RATE] > 0
    assert figures[CPU] > 0
