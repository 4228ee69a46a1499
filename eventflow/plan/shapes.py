"""What handlers may ask for, per kind of event: see :class:`~eventflow.plan.endpoint.ArgumentShapes`."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from eventflow.errors import EventValidationError
from eventflow.events._codec import EventCodec
from eventflow.plan.endpoint import UnsatisfiableError
from eventflow.plan.validation import model_validator, payload_getter, value_validator

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from eventflow.events._base import EventModel
    from eventflow.events._codec import RecordCodec
    from eventflow.model.records import SourceIdentity
    from eventflow.plan.endpoint import Getter
    from eventflow.plan.http_request import HttpRequest


class _Shapes:
    """What most kinds have in common: the subject itself is the raw event, and no parameter has a meaning by
    its name."""

    def raw(self) -> Getter | None:
        return None

    def named(self, name: str, annotation: Any) -> Getter | None:
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

    @classmethod
    def batch(cls, codec: RecordCodec[Any]) -> EventShapes:
        """For a whole batch."""
        return cls(codec.event_model, None, of="the event")

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
        self.offers = f"{model.__name__}, a path parameter by name, one model for the body, dict, or Context"
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

    def named(self, name: str, annotation: Any) -> Getter | None:
        if name not in self._path_parameters:
            return None
        take = partial(_path_parameter, name)
        if annotation in (str, inspect.Parameter.empty):
            return take
        try:
            validate = value_validator(annotation, of=f"the path parameter {name!r}")
        except TypeError as exc:
            raise UnsatisfiableError(f"no path parameter can become {annotation!r}", meant=True) from exc
        return lambda request: validate(take(request))

    def payload(self, annotation: Any) -> Getter | None:
        getter = _or_none(lambda: payload_getter(annotation, _body, of=self.payload_name))
        if self._method in _BODYLESS:
            raise UnsatisfiableError(
                f"would be the body, and a {self._method} request has none; "
                f"query parameters are event.query_string_parameters of a {self._model.__name__}",
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
