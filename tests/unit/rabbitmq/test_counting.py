"""How often a message has failed, by what a queue tells of it."""

from __future__ import annotations

from typing import Any, cast

import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from eventflow_rabbitmq import attempts as attempts_module
from eventflow_rabbitmq.attempts import Attempts
from eventflow_rabbitmq.holdings import Holding, Holdings, Subscription
from eventflow_rabbitmq.records import RecordFactory


def message(
    body: bytes = b"1", *, redelivered: bool = True, headers: dict[str, Any] | None = None, **properties: Any
) -> DeliveredMessage:
    known = Basic.Properties(headers=headers, **properties)
    return DeliveredMessage(
        delivery=Basic.Deliver("tag", 1, redelivered, "", "orders"),
        header=ContentHeader(body_size=len(body), properties=known),
        body=body,
        channel=cast("AbstractChannel", None),
    )


@pytest.mark.parametrize(
    ("redelivered", "headers", "count"),
    [
        (False, None, 1),
        (False, {"x-delivery-count": 4}, 1),  # of another queue, which has dead-lettered it
        (True, {"x-delivery-count": 1}, 2),
        (True, {"x-delivery-count": 3, "x-acquired-count": 7}, 4),
        (True, {"x-acquired-count": 7}, 1),  # given back seven times, and never tried
        (True, None, 2),
        (True, {"x-delivery-count": "many"}, 2),
    ],
)
def test_receive_count(redelivered: bool, headers: dict[str, Any] | None, count: int) -> None:
    factory = RecordFactory("orders::/", Attempts())
    assert factory.make("r", message(redelivered=redelivered, headers=headers)).receive_count == count


def test_a_classic_queue_is_counted_for() -> None:
    attempts = Attempts()
    factory = RecordFactory("orders::/", attempts)
    attempts.failed(message(redelivered=False))
    for count in (2, 3, 4):
        assert factory.make("r", message()).receive_count == count
        attempts.failed(message())
    attempts.done(message())
    assert factory.make("r", message()).receive_count == 2


def test_ids_go_before_content() -> None:
    attempts = Attempts()
    for _ in range(3):
        attempts.failed(message(message_id="a"))
    assert attempts.of(message(message_id="a")) == 4
    assert attempts.of(message(message_id="b")) == 1
    assert attempts.of(message()) == 1


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts_module, "MAXIMUM_REMEMBERED", 3)
    attempts = Attempts()
    for number in range(5):
        attempts.failed(message(message_id=str(number)))
        attempts.failed(message(message_id=str(number)))
    assert [attempts.of(message(message_id=str(number))) for number in range(5)] == [1, 1, 3, 3, 3]


def test_a_queue_that_counts_is_left_alone() -> None:
    attempts = Attempts()
    RecordFactory("orders::/", attempts).make("r", message(headers={"x-delivery-count": 1}))
    attempts.failed(message(message_id="a"))
    assert attempts.of(message(message_id="a")) == 1


def held(holdings: Holdings, *tags: int, subscription: Subscription | None = None) -> None:
    for tag in tags:
        holdings.add(f"r-{tag}", Holding(tag, message(), subscription))


def frames(holdings: Holdings, *tags: int) -> list[tuple[int, bool]]:
    ours = holdings.ours([f"r-{tag}" for tag in tags])
    return [(frame.delivery_tag, frame.multiple) for frame in holdings.acknowledgements(ours)]


def test_one_frame_acknowledges_what_lies_in_front() -> None:
    holdings = Holdings()
    held(holdings, 1, 2, 3, 4, 5)
    assert frames(holdings, 1, 2, 3) == [(3, True)]
    assert frames(holdings, 3, 1, 2, 5) == [(3, True), (5, False)]
    assert frames(holdings, 2, 3) == [(2, False), (3, False)]
    assert frames(holdings, 1) == [(1, False)]
    assert frames(holdings, 9) == []


def test_what_waits_or_is_busy_is_never_acknowledged_with_others() -> None:
    holdings = Holdings()
    held(holdings, 1, 2, 3, 4)
    waiting, busy = holdings.get("r-1"), holdings.get("r-3")
    assert waiting is not None
    assert busy is not None
    holdings.wait(waiting)
    busy.busy = True
    assert frames(holdings, 1, 2, 3, 4) == [(2, False), (4, False)]


def test_places_are_free_when_the_broker_was_told() -> None:
    holdings, subscription = Holdings(), Subscription("tag", 3)
    held(holdings, 1, 2, 3, subscription=subscription)
    assert subscription.credit == 0
    first = holdings.get("r-1")
    assert first is not None
    holdings.wait(first)
    assert (subscription.credit, subscription.waiting) == (0, 1)
    holdings.remove("r-1")
    holdings.remove("r-2")
    assert (subscription.credit, subscription.waiting) == (2, 0)
