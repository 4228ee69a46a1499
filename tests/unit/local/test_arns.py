"""The ARNs of embedded resources."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from eventflow.ports import AdapterSettings
from eventflow.testing.virtual_time import VirtualClock
from eventflow_local import buses, collections, kafka, queues, streams, tables, topics


@pytest.mark.parametrize(
    "arn_of", [queues.queue_arn, topics.topic_arn, buses.bus_arn, streams.stream_arn, tables.table_arn]
)
async def test_the_arn_of_a_resource_is_of_the_partition_of_its_region(
    arn_of: Callable[[AdapterSettings, str], str],
) -> None:
    assert arn_of(in_china(), "orders").startswith("arn:aws-cn:")


@pytest.mark.parametrize("arn_of", [kafka.cluster_arn, collections.cluster_arn])
async def test_so_is_that_of_a_cluster(arn_of: Callable[[AdapterSettings], str]) -> None:
    assert arn_of(in_china()).startswith("arn:aws-cn:")


def in_china() -> AdapterSettings:
    return AdapterSettings(
        environment="local", options={}, resources={}, clock=VirtualClock(), region="cn-north-1", account_id="1" * 12
    )
