from __future__ import annotations

from typing import Any

import pytest

from eventflow.errors import AdapterError, ResourceNotFoundError
from eventflow.model.blueprint import Blueprint
from eventflow.model.destinations import Destination, Service
from eventflow.model.documentdb import CollectionAddress
from eventflow.model.mapping import BatchSettings, StartingPosition, StreamMapping
from eventflow.model.subscriptions import QueueSubscription, ScheduleRule, StreamSubscription
from eventflow.ports import AdapterSettings, Inspector
from eventflow_mongodb import MongodbAdapter
from eventflow_mongodb.client import make_client
from eventflow_mongodb.environment import Environment
from eventflow_mongodb.lease_table import LeaseTable
from eventflow_mongodb.options import MongodbOptions
from tests.contract.embedded import WallClock

CLUSTER = "arn:aws:rds:eu-west-1:123456789012:cluster:shop"
MAPPING = StreamMapping(batch=BatchSettings(batch_size=100), starting_position=StartingPosition.LATEST)


def settings(**options: Any) -> AdapterSettings:
    given = {"uri": "mongodb://b-1,b-2:27018", **options}
    resources = {"documentdb:shop.orders": "shop-prod.orders.v2"}
    return AdapterSettings(environment="production", options=given, resources=resources, clock=WallClock())


def environment(**options: Any) -> Environment:
    given = settings(**options)
    parsed = MongodbOptions.parse(given)
    client = make_client(parsed, where="here")
    return Environment(given, parsed, client, LeaseTable.of(client, parsed))


async def test_what_is_no_change_stream_is_refused_by_name() -> None:
    stream = StreamSubscription(service=Service.KINESIS, name="clicks", subscriber="f", mapping=MAPPING)
    queue = QueueSubscription(service=Service.SQS, name="orders", subscriber="f")
    async with MongodbAdapter(settings()) as adapter:
        for asked in (
            adapter.stream_source(stream),
            adapter.queue_source(queue),
            adapter.sink(Destination(Service.SNS, "alarms")),
            adapter.notification_source(ScheduleRule(name="n", subscriber="f", expression="rate(1 minute)")),
            adapter.event_queue("default"),
        ):
            with pytest.raises(ResourceNotFoundError, match="mongodb adapter serves"):
                await asked
        with pytest.raises(ResourceNotFoundError, match="writes nothing") as caught:
            await adapter.sink(Destination(Service.DOCUMENTDB, "shop.orders"))
        assert "client of MongoDB's" in str(caught.value.mend)
        blueprint = Blueprint(app_name="shop", subscriptions=(queue,), destinations=(Destination(Service.SNS, "t"),))
        assert isinstance(adapter, Inspector)
        assert [(found.rule, found.resource) for found in await adapter.inspect(blueprint)] == [
            ("unusable", "sqs:orders"),
            ("unusable", "sns:t"),
        ]


async def test_an_adapter_that_is_not_entered_says_so() -> None:
    with pytest.raises(AdapterError, match="async with"):
        await MongodbAdapter(settings()).resources()


async def test_events_name_the_cluster_by_its_arn_or_its_hosts() -> None:
    assert (environment().arn, environment().region) == ("mongodb://b-1:27017,b-2:27018", "us-east-1")
    assert environment(cluster_arn=CLUSTER).arn == CLUSTER
    assert environment(cluster_arn=CLUSTER).region == "eu-west-1"


async def test_names_are_bound_to_databases_and_collections() -> None:
    bound = environment()
    assert bound.collection("shop.orders") == CollectionAddress("shop-prod", "orders.v2")
    assert bound.collection("shop") == CollectionAddress("shop")
