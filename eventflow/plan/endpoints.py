"""Building endpoints: which shapes go with which trigger."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from eventflow.events import EventCodec, codec_for
from eventflow.model.http import HttpApiRoute, RestApiRoute
from eventflow.model.trigger import InvocationModel
from eventflow.model.websocket import CONNECT, DISCONNECT
from eventflow.plan.endpoint import ArgumentShapes, Endpoint, compile_call, is_generator
from eventflow.plan.shapes import (
    UNKNOWN_IDENTITY,
    BatchShapes,
    DirectShapes,
    EventShapes,
    HttpShapes,
    RecordShapes,
    SentRecordShapes,
)
from eventflow.policy.routes import ANY, parse_route_key

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from eventflow.errors import Problem
    from eventflow.model.context import Context
    from eventflow.model.function import FunctionDefinition
    from eventflow.model.http import HttpSource
    from eventflow.model.records import SourceIdentity
    from eventflow.model.trigger import Trigger
    from eventflow.plan.endpoint import Call

DIRECT: Final = "direct"


def direct_endpoint(definition: FunctionDefinition) -> tuple[Endpoint | None, list[Problem]]:
    """The endpoint of a function with no source."""
    return _endpoint(definition, None, DirectShapes(), where=definition.where)


def trigger_endpoint(
    definition: FunctionDefinition, trigger: Trigger, identity: SourceIdentity = UNKNOWN_IDENTITY
) -> tuple[Endpoint | None, list[Problem]]:
    """The endpoint of a function as one of its triggers calls it. ``identity`` is the opened source's."""
    where = f"{definition.where} {trigger.decorator}"
    return _endpoint(definition, trigger, _shapes(trigger, identity), where=where)


def opened_endpoint(endpoint: Endpoint, identity: SourceIdentity) -> Endpoint:
    """``endpoint`` for a source that is open now: its events carry the source's ARN."""
    if endpoint.trigger is None:
        return endpoint
    opened, _ = trigger_endpoint(endpoint.function, endpoint.trigger, identity)
    return opened or endpoint


def sent_endpoint(endpoint: Endpoint) -> Endpoint:
    """``endpoint``, which takes single records, for those of an event that arrived whole: its subjects are
    :class:`~eventflow.plan.shapes.SentRecord`."""
    assert endpoint.trigger is not None, "what has no source has no records"
    codec: Any = codec_for(endpoint.trigger.service)
    sent, problems = _endpoint(endpoint.function, endpoint.trigger, SentRecordShapes(codec), where="")
    assert sent is not None, problems  # the signature was found good for single records
    return sent


def _shapes(trigger: Trigger, identity: SourceIdentity) -> ArgumentShapes:
    codec: Any = codec_for(trigger.service)
    if trigger.http is not None:
        return _http_shapes(trigger.http, codec)
    if trigger.websocket is not None and trigger.websocket.route_key in (CONNECT, DISCONNECT):
        return EventShapes(codec.event_model, None, of="the event")
    if trigger.per_record:
        return RecordShapes(codec, identity)
    if trigger.invocation_model is InvocationModel.POLLING:
        return BatchShapes(codec, identity)
    return EventShapes.whole(codec)


def _http_shapes(source: HttpSource, codec: EventCodec) -> HttpShapes:
    if isinstance(source, HttpApiRoute | RestApiRoute):
        try:
            route = parse_route_key(source.route_key)
        except ValueError:  # the trigger's own problems() reports a bad route key
            return HttpShapes(codec.event_model, ANY, ())
        return HttpShapes(codec.event_model, route.method, route.parameters)
    return HttpShapes(codec.event_model, ANY, ())


def _endpoint(
    definition: FunctionDefinition, trigger: Trigger | None, shapes: ArgumentShapes, *, where: str
) -> tuple[Endpoint | None, list[Problem]]:
    call, problems, missed, inputs = compile_call(
        definition.handler, shapes, where=where, streams=trigger is None or trigger.streams
    )
    if call is None:
        return None, problems
    if trigger is not None and trigger.invocation_model is not InvocationModel.POLLING:
        call = _completing(call, codec_for(trigger.service))
    endpoint = Endpoint(
        function=definition,
        trigger=trigger,
        source=trigger.service if trigger else DIRECT,
        call=call,
        is_async=inspect.iscoroutinefunction(definition.handler) or inspect.isasyncgenfunction(definition.handler),
        is_stream=is_generator(definition.handler),
        per_record=trigger.per_record if trigger else False,
        missed=missed,
        inputs=inputs,
    )
    return endpoint, []


def _completing(call: Call, codec: Any) -> Call:
    """``call`` with its results as the source's caller takes them."""
    if type(codec).completed is EventCodec.completed:
        return call

    def completing(wire: Any, context: Context) -> Any:
        result = call(wire, context)
        return _later(wire, result) if inspect.isawaitable(result) else codec.completed(wire, result)

    async def _later(wire: Any, result: Awaitable[Any]) -> Any:
        return codec.completed(wire, await result)

    return completing
