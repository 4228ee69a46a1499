from __future__ import annotations

from typing import Any

import pytest

from eventflow.errors import AdapterError, ResourceNotFoundError
from eventflow.model.destinations import Destination, Service
from eventflow.model.mapping import BatchSettings, StartingPosition, StreamMapping
from eventflow.model.subscriptions import QueueSubscription, ScheduleRule, StreamSubscription
from eventflow.ports import AdapterSettings
from eventflow_kafka import KafkaAdapter
from eventflow_kafka.clients import Clients
from eventflow_kafka.cluster import Cluster
from eventflow_kafka.environment import Environment
from eventflow_kafka.options import KafkaOptions
from eventflow_kafka.security import security
from eventflow_kafka.source import KafkaSource
from tests.contract.embedded import WallClock

CLUSTER = "arn:aws:kafka:eu-west-1:123456789012:cluster/orders/9a1b-5"
MAPPING = StreamMapping(batch=BatchSettings(batch_size=100), starting_position=StartingPosition.LATEST)


def settings(**options: Any) -> AdapterSettings:
    given = {"bootstrap_servers": ["b-1:9092", "b-2:9092"], **options}
    resources = {"kafka:orders": "orders-prod"}
    return AdapterSettings(environment="production", options=given, resources=resources, clock=WallClock())


def source(**options: Any) -> KafkaSource:
    given = settings(**options)
    parsed = KafkaOptions.parse(given)
    clients = Clients(parsed, security(parsed, where="here", region="eu-west-1"))
    environment = Environment(given, parsed, clients, Cluster(clients))
    return KafkaSource(
        environment, StreamSubscription(service=Service.KAFKA, name="orders", subscriber="f", mapping=MAPPING)
    )


async def test_what_is_no_topic_is_refused_by_name() -> None:
    stream = StreamSubscription(service=Service.KINESIS, name="clicks", subscriber="f", mapping=MAPPING)
    queue = QueueSubscription(service=Service.SQS, name="orders", subscriber="f")
    async with KafkaAdapter(settings()) as adapter:
        for asked in (
            adapter.stream_source(stream),
            adapter.queue_source(queue),
            adapter.sink(Destination(Service.SNS, "orders")),
            adapter.notification_source(ScheduleRule(name="n", subscriber="f", expression="rate(1 minute)")),
            adapter.event_queue("default"),
        ):
            with pytest.raises(ResourceNotFoundError, match="kafka adapter serves"):
                await asked
        assert await adapter.resources() == ()


async def test_an_adapter_that_is_not_entered_says_so() -> None:
    with pytest.raises(AdapterError, match="async with"):
        await KafkaAdapter(settings()).sink(Destination(Service.KAFKA, "orders"))


async def test_a_cluster_of_ones_own_has_no_arn() -> None:
    identity = source().identity
    assert (identity.arn, identity.region) == ("", "us-east-1")
    assert identity.extras == {"bootstrapServers": "b-1:9092,b-2:9092"}


async def test_a_cluster_of_msk_has_an_arn_and_its_region() -> None:
    identity = source(cluster_arn=CLUSTER).identity
    assert (identity.arn, identity.region) == (CLUSTER, "eu-west-1")


async def test_a_cluster_of_msk_is_signed_in_to_with_aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aws_msk_iam_sasl_signer")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    given = KafkaOptions.parse(settings(authentication="msk-iam"))
    arguments = security(given, where="here", region="eu-west-1")
    assert (arguments["security_protocol"], arguments["sasl_mechanism"]) == ("SASL_SSL", "OAUTHBEARER")
    assert await arguments["sasl_oauth_token_provider"].token()
