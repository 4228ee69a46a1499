"""Buses: what an event reaches, and in which shape."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from eventflow.errors import InvalidEventPatternError, InvalidMessageError
from eventflow.model import limits
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.subscriptions import BusRule
from eventflow_local import LocalAdapter
from tests.unit.local.environments import environment
from tests.unit.local.notified import delivering

PLACED = OutboundMessage(body=b'{"id": "1"}', source="shop", detail_type="OrderPlaced", resources=("order/1",))


async def put(adapter: LocalAdapter, message: OutboundMessage) -> None:
    await (await adapter.sink(Destination(Service.EVENTBRIDGE, "orders"))).send(message)


def rule(pattern: str, *, subscriber: str = "audit") -> BusRule:
    return BusRule(name="orders", subscriber=subscriber, pattern=pattern)


async def test_an_event_arrives_in_its_envelope(directory: Path | None) -> None:
    async with environment(directory) as adapter:
        source = await adapter.notification_source(rule('{"source": ["shop"]}'))
        async with delivering(source) as inbox:
            await put(adapter, PLACED)
            [event] = await inbox.until(1)
    assert event.pop("id")
    assert event == {
        "version": "0",
        "detail-type": "OrderPlaced",
        "source": "shop",
        "account": "000000000000",
        "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": ["order/1"],
        "detail": {"id": "1"},
    }
    assert source.identity.arn == "arn:aws:events:us-east-1:000000000000:event-bus/orders"


async def test_an_event_goes_to_every_rule_it_matches_and_to_no_other(directory: Path | None) -> None:
    async with environment(directory) as adapter:
        patterns = ['{"source": ["shop"]}', '{"detail": {"id": ["1"]}}', '{"source": ["bank"]}']
        sources = [await adapter.notification_source(rule(pattern)) for pattern in patterns]
        await put(adapter, PLACED)
        assert [await source.backlog() for source in sources] == [1, 1, 0]


async def test_a_pattern_that_does_not_compile_is_refused() -> None:
    async with environment() as adapter:
        with pytest.raises(InvalidEventPatternError):
            await adapter.notification_source(rule('{"source": "shop"}'))


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (replace(PLACED, source=None), "needs a source"),
        (replace(PLACED, source="aws.s3"), "kept for AWS"),
        (replace(PLACED, detail_type=""), "needs a detail_type"),
        (replace(PLACED, detail_type="t" * 129), "needs a detail_type"),
        (replace(PLACED, body=b"{"), "not JSON"),
        (replace(PLACED, body=b"\xff"), "not JSON"),
        (replace(PLACED, body=b'{"a":' * 100_000), "not JSON"),
        (replace(PLACED, body=b"[1]"), "a JSON list"),
        (replace(PLACED, body=b'{"a": NaN}'), "not JSON"),
        (replace(PLACED, body=b'{"a": "%b"}' % (b"a" * limits.EVENTBRIDGE_ENTRY_BYTES)), "1,048,576 are allowed"),
    ],
)
async def test_what_eventbridge_refuses_is_refused(message: OutboundMessage, complaint: str) -> None:
    async with environment() as adapter:
        with pytest.raises(InvalidMessageError, match=complaint):
            await put(adapter, message)
