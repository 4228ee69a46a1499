"""What handlers may ask for, per kind of event: see :class:`~eventflow.plan.endpoint.ArgumentShapes`."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from functools import partial
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, Union, get_args, get_origin

from eventflow.errors import EventValidationError
from eventflow.events._base import EventModel
from eventflow.events._codec import EventCodec
from eventflow.events._wire import source_identity
from eventflow.model.records import SourceIdentity
from eventflow.model.request_parts import Header, Query
from eventflow.plan.batch_event import BatchEvent
from eventflow.plan.endpoint import Input, Named, UnsatisfiableError, is_raw
from eventflow.plan.validation import model_validator, payload_getter, payloads_getter, value_validator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventflow.events._codec import RecordCodec
    from eventflow.model.json import JsonObject
    from eventflow.plan.endpoint import Getter
    from eventflow.plan.http_request import HttpRequest


UNKNOWN_IDENTITY: Final = SourceIdentity(arn="", region="", extras={})
"""Stands in for a source that is not open yet, so that signatures can be checked before anything is."""


class _Shapes:
    """What most kinds have in common: the subject itself is the raw event, and no parameter has a meaning by
    its name."""

    def raw(self) -> Getter | None:
        return None

    def named(self, parameter: inspect.Parameter, annotation: Any) -> Named | None:
        if (part := _request_part(annotation)) is not None:
            raise UnsatisfiableError(f"is a {_of(part)} of an HTTP request, which this source does not give")
        return None


class DirectShapes(_Shapes):
    """An invocation with no source: the payload, decoded, is the event."""

    offers = "any type pydantic validates, dict, or Context"
    payload_name = "the event"

    def model(self, model: type[EventModel]) -> Getter | None:
        return model_validator(model, of="the event")

    def payload(self, annotation: Any) -> Getter | None:
        return _or_none(lambda: value_validator(annotation, of="the event"))


class EventShapes(_Shapes):
    """An event that arrives whole. ``data`` finds the user's own data in it, if the source has such a thing;
    ``opened`` the event in what arrives, if that is more."""

    def __init__(
        self, model: type[EventModel], data: Callable[[Any], Any] | None, *, of: str, opened: Getter | None = None
    ) -> None:
        self._model = model
        self._data = data
        self._opened = opened
        self.payload_name = of
        typed = f", {of} as a model or any type pydantic validates" if data else ""
        self.offers = f"{model.__name__}{typed}, dict, or Context"

    @classmethod
    def whole(cls, codec: EventCodec) -> EventShapes:
        """For an event that is pushed to us, or whose sender waits for an answer."""
        of = codec.payload_name
        opened = None if type(codec).opened is EventCodec.opened else codec.opened
        return cls(codec.event_model, codec.payload if of else None, of=of or "the event", opened=opened)

    def raw(self) -> Getter | None:
        return self._opened

    def model(self, model: type[EventModel]) -> Getter | None:
        return self._of_event(model_validator(model, of="the event")) if issubclass(model, self._model) else None

    def payload(self, annotation: Any) -> Getter | None:
        data = self._data
        if data is None:
            return None
        getter = _or_none(lambda: payload_getter(annotation, data, of=self.payload_name))
        return getter and self._of_event(getter)

    def _of_event(self, getter: Getter) -> Getter:
        opened = self._opened
        return getter if opened is None else lambda subject: getter(opened(subject))


_BODYLESS: Final = frozenset({"GET", "HEAD"})


class HttpShapes:
    """An HTTP request: the event, its body, and its path parameters by name."""

    payload_name = "the request body"

    def __init__(self, model: type[EventModel], method: str, path_parameters: Collection[str]) -> None:
        self.offers = (
            f"{model.__name__}, a path parameter by name, Annotated[..., Query()], Annotated[..., Header()], "
            "one model for the body, dict, or Context"
        )
        self._model = model
        self._method = method
        self._path_parameters = path_parameters

    def raw(self) -> Getter | None:
        return lambda request: request.wire()

    def model(self, model: type[EventModel]) -> Getter | None:
        if not issubclass(model, self._model):
            return None
        validate = model_validator(model, of="the event")
        return lambda request: validate(request.wire())

    def named(self, parameter: inspect.Parameter, annotation: Any) -> Named | None:
        name = parameter.name
        if (part := _request_part(annotation)) is not None:
            return _named_part(part, parameter, annotation)
        if name not in self._path_parameters:
            return None
        take = partial(_path_parameter, name)
        if annotation in (str, inspect.Parameter.empty):
            return Named(take, Input("path", name, str))
        try:
            validate = value_validator(annotation, of=f"the path parameter {name!r}")
        except TypeError as exc:
            raise UnsatisfiableError(f"no path parameter can become {annotation!r}", meant=True) from exc
        return Named(lambda request: validate(take(request)), Input("path", name, annotation))

    def payload(self, annotation: Any) -> Getter | None:
        getter = _or_none(lambda: payload_getter(annotation, _body, of=self.payload_name))
        if self._method in _BODYLESS:
            raise UnsatisfiableError(
                f"would be the body, and a {self._method} request has none; "
                "a query parameter is Annotated[..., Query()]",
                meant=getter is not None,
            )
        return getter


class RecordShapes(_Shapes):
    """One record of a polled source."""

    def __init__(self, codec: RecordCodec[Any], identity: SourceIdentity) -> None:
        self._codec = codec
        self._identity = identity
        self.payload_name = f"the {codec.service} record"
        self.offers = (
            f"{codec.record_model.__name__}, {codec.event_model.__name__}, str, bytes, "
            "a model or any type pydantic validates, dict, or Context"
        )

    def raw(self) -> Getter | None:
        wire_record, identity = self._codec.wire_record, self._identity
        return lambda record: wire_record(record, identity)

    def model(self, model: type[EventModel]) -> Getter | None:
        codec, identity = self._codec, self._identity
        validate = model_validator(model, of="the record")
        if issubclass(model, codec.record_model):
            return lambda record: validate(codec.wire_record(record, identity))
        if issubclass(model, codec.event_model):
            return lambda record: validate(codec.wire_event([record], identity))
        return None

    def payload(self, annotation: Any) -> Getter | None:
        take = self._codec.record_payload
        return _or_none(lambda: payload_getter(annotation, take, of=self.payload_name))


class BatchShapes(_Shapes):
    """A batch of a polled source: a :class:`~eventflow.plan.batch_event.BatchEvent`, or what was one, as a dict."""

    payload_name = "the records"

    def __init__(self, codec: RecordCodec[Any], identity: SourceIdentity) -> None:
        self._codec = codec
        self._record = RecordShapes(codec, identity)
        self.offers = f"{codec.event_model.__name__}, a list of what a single record can be, dict, or Context"

    def raw(self) -> Getter | None:
        return _wire

    def model(self, model: type[EventModel]) -> Getter | None:
        if not issubclass(model, self._codec.event_model):
            return None
        validate = model_validator(model, of="the event")
        return lambda event: validate(_wire(event))

    def payload(self, annotation: Any) -> Getter | None:
        """A list gives of every record what its type gives a per-record handler."""
        if get_origin(annotation) is not list:
            return None
        (item,) = get_args(annotation)
        each = self._each(item)
        return each and self._all(each, self._together(item, each))

    def _each(self, annotation: Any) -> Getter | None:
        if _is_payload(annotation):
            return self._record.payload(annotation)
        if is_raw(annotation):
            return self._record.raw()
        return self._record.model(annotation) if issubclass(annotation, self._codec.record_model) else None

    def _together(self, annotation: Any, each: Getter) -> Getter:
        """``each`` for many records, or what costs less."""
        if _is_payload(annotation):
            return payloads_getter(annotation, self._codec.record_payloads, of=self._record.payload_name)
        return lambda records: [each(record) for record in records]

    def _all(self, each: Getter, together: Getter) -> Getter:
        """``together`` for the records of an event; ``each`` finds the one at fault."""
        codec = self._codec

        def read_all(event: BatchEvent | JsonObject) -> Any:
            records = event.records if isinstance(event, BatchEvent) else read_records(codec, event)
            try:
                return together(records)
            except EventValidationError:
                for record in records:
                    try:
                        each(record)
                    except EventValidationError as exc:
                        raise EventValidationError(f"{exc.of} {codec.identifier(record)}", exc.details) from None
                raise

        return read_all


def _is_payload(annotation: Any) -> bool:
    """Whether it stands for the user's own data."""
    return not (is_raw(annotation) or (isinstance(annotation, type) and issubclass(annotation, EventModel)))


def read_records(codec: RecordCodec[Any], wire: JsonObject) -> Sequence[Any]:
    """The records of an event, which somebody may have written by hand for the Invoke API.

    Raises EventValidationError if it is no event of the source.
    """
    try:
        return codec.records(wire)
    except (KeyError, TypeError, AttributeError, ValueError):
        model_validator(codec.event_model, of="the event")(wire)
        raise


def _wire(event: BatchEvent | JsonObject) -> JsonObject:
    return event.wire() if isinstance(event, BatchEvent) else event


class SentRecord(NamedTuple):
    """One record of an event that arrived whole: read, as it stands there, and the event."""

    record: Any
    wire: dict[str, Any]
    event: dict[str, Any]


class SentRecordShapes(RecordShapes):
    """One record of an event that somebody else wrote: nothing of it is lost or written anew."""

    def __init__(self, codec: RecordCodec[Any]) -> None:
        super().__init__(codec, UNKNOWN_IDENTITY)

    def raw(self) -> Getter | None:
        return lambda sent: sent.wire

    def model(self, model: type[EventModel]) -> Getter | None:
        codec, validate = self._codec, model_validator(model, of="the record")
        if issubclass(model, codec.record_model):
            return lambda sent: validate(sent.wire)
        if issubclass(model, codec.event_model):
            return lambda sent: validate(codec.wire_event([sent.record], source_identity(sent.event)))
        return None

    def payload(self, annotation: Any) -> Getter | None:
        take = self._codec.record_payload
        return _or_none(lambda: payload_getter(annotation, lambda sent: take(sent.record), of=self.payload_name))


def _request_part(annotation: Any) -> Query | Header | None:
    """What an annotation says about where in a request its value is."""
    found = (item() if item in (Query, Header) else item for item in getattr(annotation, "__metadata__", ()))
    return next((item for item in found if isinstance(item, Query | Header)), None)


def _of(part: Query | Header) -> str:
    return "query parameter" if isinstance(part, Query) else "header"


def _named_part(part: Query | Header, parameter: inspect.Parameter, annotation: Any) -> Named:
    """The getter of a query parameter or header. One that is missing is the parameter's default."""
    is_query = isinstance(part, Query)
    name = part.name or (parameter.name if is_query else parameter.name.replace("_", "-").lower())
    of = f"the {_of(part)} {name!r}"
    take: Callable[[HttpRequest], Any]
    if is_query:
        several = _is_list(annotation)
        take = partial(_query_values if several else _last_query_value, name)
    else:
        take = partial(_header, name.lower())
    try:
        validate = value_validator(annotation, of=of)
    except TypeError as exc:
        raise UnsatisfiableError(f"no {_of(part)} can become {annotation!r}", meant=True) from exc
    default = parameter.default

    def get(request: HttpRequest) -> Any:
        value = take(request)
        if value is not None:
            return validate(value)
        if default is inspect.Parameter.empty:
            raise EventValidationError(of, [("", "it is missing")])
        return default

    return Named(get, Input("query" if is_query else "header", name, annotation, default))


def _is_list(annotation: Any) -> bool:
    """Whether a type, or one of its alternatives, takes several values."""
    if get_origin(annotation) is Annotated:
        return _is_list(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return any(map(_is_list, get_args(annotation)))
    kind = get_origin(annotation) or annotation
    return isinstance(kind, type) and issubclass(kind, Collection) and not issubclass(kind, str | bytes | Mapping)


def _query_values(name: str, request: HttpRequest) -> list[str] | None:
    return request.query().get(name)


def _last_query_value(name: str, request: HttpRequest) -> str | None:
    values = request.query().get(name)
    return values[-1] if values else None


def _header(name: str, request: HttpRequest) -> str | None:
    return request.header(name)


def _path_parameter(name: str, request: HttpRequest) -> str:
    try:
        return request.path_parameters[name]
    except KeyError:  # an event that came through the Invoke API
        raise EventValidationError(f"the path parameter {name!r}", [("", "it is missing")]) from None


def _body(request: HttpRequest) -> bytes:
    return request.body


def _or_none(make: Callable[[], Getter]) -> Getter | None:
    try:
        return make()
    except TypeError:  # not a type that pydantic can validate
        return None
