from __future__ import annotations

from typing import Any

import pytest

from eventflow.errors import AdapterError, ResourceNotFoundError
from eventflow.model.destinations import Destination, Service
from eventflow.model.mapping import BatchSettings, StartingPosition, StreamMapping
from eventflow.model.subscriptions import QueueSubscription, ScheduleRule, StreamSubscription
from eventflow.ports import AdapterSettings, Inspector
from eventflow_activemq import ActiveMQAdapter
from eventflow_activemq.brokers import Brokers
from eventflow_activemq.environment import Environment
from eventflow_activemq.options import ActiveMQOptions
from eventflow_activemq.producer import Producer
from eventflow_activemq.source import ActiveMQSource
from tests.contract.embedded import WallClock

ARN = "arn:aws:mq:eu-west-1:123456789012:broker:shop:b-9bcfa592-423a-4942-879d-eb284b418fc8"


def settings(**options: Any) -> AdapterSettings:
    given = {"brokers": "amqp://127.0.0.1", **options}
    resources = {"activemq:orders": "orders-prod"}
    return AdapterSettings(environment="production", options=given, resources=resources, clock=WallClock())


def environment(**options: Any) -> Environment:
    parsed = ActiveMQOptions.parse(settings(**options))
    brokers = Brokers(parsed, None)
    return Environment(settings(**options), parsed, brokers, Producer(brokers))


def source(*, attempts: int = -1, **options: Any) -> ActiveMQSource:
    subscription = QueueSubscription(
        service=Service.ACTIVEMQ, name="orders", subscriber="f", maximum_retry_attempts=attempts
    )
    return ActiveMQSource(environment(**options), subscription)


async def test_what_is_no_queue_of_activemq_is_refused_by_name() -> None:
    mapping = StreamMapping(batch=BatchSettings(batch_size=100), starting_position=StartingPosition.LATEST)
    async with ActiveMQAdapter(settings()) as adapter:
        for asked in (
            adapter.stream_source(
                StreamSubscription(service=Service.KAFKA, name="clicks", subscriber="f", mapping=mapping)
            ),
            adapter.queue_source(QueueSubscription(service=Service.RABBITMQ, name="orders", subscriber="f")),
            adapter.sink(Destination(Service.SNS, "orders")),
            adapter.notification_source(ScheduleRule(name="n", subscriber="f", expression="rate(1 minute)")),
            adapter.event_queue("default"),
        ):
            with pytest.raises(ResourceNotFoundError, match="activemq adapter serves"):
                await asked
        assert await adapter.resources() == ()
        assert isinstance(adapter, Inspector)


async def test_an_adapter_that_is_not_entered_says_so() -> None:
    with pytest.raises(AdapterError, match="async with"):
        await ActiveMQAdapter(settings()).sink(Destination(Service.ACTIVEMQ, "orders"))


def test_a_queue_is_what_its_name_is_bound_to() -> None:
    assert environment().queue("orders") == "orders-prod"
    assert environment().queue("invoices") == "invoices"


async def test_a_source_is_the_broker() -> None:
    amazon = source(broker_arn=ARN).identity
    assert (amazon.arn, amazon.region) == (ARN, "eu-west-1")
    assert source().identity.arn == "arn:aws:mq:us-east-1:000000000000:broker:activemq:b-self-managed"


async def test_the_limit_of_redeliveries_is_lambdas_unless_the_mapping_has_one() -> None:
    assert source().properties.maximum_receive_count == 7
    assert source(maximum_redeliveries=0).properties.maximum_receive_count == 1
    assert source(maximum_redeliveries=-1).properties.maximum_receive_count is None
    assert source(attempts=2).properties.maximum_receive_count is None
