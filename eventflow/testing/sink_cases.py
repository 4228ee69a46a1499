"""What every :class:`~eventflow.ports.DestinationSink` promises, as cases over a harness."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from eventflow.errors import AdapterError, InvalidMessageError, ResourceNotFoundError
from eventflow.testing.harness import Capability, SinkHarness, needs

if TYPE_CHECKING:
    from eventflow.model.destinations import OutboundMessage
    from eventflow.ports import DestinationSink

SinkCase: TypeAlias = Callable[[SinkHarness], Awaitable[None]]

DOCUMENT: Final = '{"name": "Zoë 🎉", "list": [1, 2.5, null], "text": "a\\nb"}'.encode()
"""JSON, because some services take nothing else; spelled as ``json.dumps`` would not."""


async def _expect(error: type[AdapterError], sink: DestinationSink, message: OutboundMessage, what: str) -> None:
    try:
        await sink.send(message)
    except error:
        return
    raise AssertionError(f"{error.__name__} was not raised for {what}")


async def message_arrives(h: SinkHarness) -> None:
    name, inbox = await h.create()
    sink = await h.open(name)
    message = h.message(DOCUMENT)
    await sink.send(message)
    [arrival] = await inbox.take(1)
    assert h.same_body(arrival.body, DOCUMENT), f"{arrival.body!r} arrived"
    assert arrival.key in (None, message.key)


async def every_message_arrives(h: SinkHarness) -> None:
    name, inbox = await h.create()
    sink = await h.open(name)
    sent = [b'{"n": %d}' % number for number in range(10)]
    async with anyio.create_task_group() as tasks:
        for body in sent:
            tasks.start_soon(sink.send, h.message(body))
    arrived = [arrival.body for arrival in await inbox.take(len(sent))]
    assert len(arrived) == len(sent)
    assert all(any(h.same_body(body, other) for other in arrived) for body in sent)


async def message_is_stored_when_send_returns(h: SinkHarness) -> None:
    name, inbox = await h.create()
    sink = await h.open(name)
    await sink.send(h.message(DOCUMENT))
    await sink.aclose()
    assert len(await inbox.take(1)) == 1


@needs(Capability.MESSAGE_ATTRIBUTES)
async def attributes_arrive(h: SinkHarness) -> None:
    name, inbox = await h.create()
    sink = await h.open(name)
    attributes: dict[str, str | int | bytes] = {"text": "Zoë", "number": -7, "bytes": b"\x00\xff"}
    await sink.send(replace(h.message(DOCUMENT), attributes=attributes))
    [arrival] = await inbox.take(1)
    assert arrival.attributes == attributes


async def fields_of_other_services_are_ignored(h: SinkHarness) -> None:
    """A failure record may go anywhere, whatever its sender filled in."""
    name, inbox = await h.create()
    sink = await h.open(name)
    message = h.message(DOCUMENT)
    foreign = replace(
        message,
        key=message.key or "some/key",
        subject="a subject",
        source=message.source or "somewhere",
        detail_type=message.detail_type or "Something",
        resources=("arn:aws:x",),
    )
    await sink.send(foreign)
    assert len(await inbox.take(1)) == 1


async def invalid_messages_are_refused_for_good(h: SinkHarness) -> None:
    name, inbox = await h.create()
    sink = await h.open(name)
    for what, message in h.refused.items():
        await _expect(InvalidMessageError, sink, message, what)
    await sink.send(h.message(DOCUMENT))
    [arrival] = await inbox.take(1)
    assert h.same_body(arrival.body, DOCUMENT), "a message that was refused arrived"


@needs(Capability.SIZE_LIMIT)
async def oversized_message_is_refused_for_good(h: SinkHarness) -> None:
    assert h.maximum_body_bytes is not None
    name, _ = await h.create()
    sink = await h.open(name)
    body = b'{"text": "' + b"x" * h.maximum_body_bytes + b'"}'
    await _expect(InvalidMessageError, sink, h.message(body), f"{len(body)} bytes")


@needs(Capability.MISSING_RESOURCES)
async def missing_destination_is_reported(h: SinkHarness) -> None:
    try:
        sink = await h.open("contract-no-such-destination")
    except ResourceNotFoundError:
        return
    await _expect(ResourceNotFoundError, sink, h.message(DOCUMENT), "a destination that does not exist")


async def sink_says_who_it_is(h: SinkHarness) -> None:
    name, _ = await h.create()
    sink = await h.open(name)
    assert sink.arn


async def close_is_idempotent(h: SinkHarness) -> None:
    name, _ = await h.create()
    sink = await h.open(name)
    await sink.aclose()
    await sink.aclose()


SINK_CASES: Final[tuple[SinkCase, ...]] = (
    message_arrives,
    every_message_arrives,
    message_is_stored_when_send_returns,
    attributes_arrive,
    fields_of_other_services_are_ignored,
    invalid_messages_are_refused_for_good,
    oversized_message_is_refused_for_good,
    missing_destination_is_reported,
    sink_says_who_it_is,
    close_is_idempotent,
)
