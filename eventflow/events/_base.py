"""The bases of every event model: the wire event as a typed value, and the user's data inside it."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Generic, Self

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypeVar

from eventflow.events._payload import PayloadReader, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eventflow.events._payload import UserData

PayloadT = TypeVar("PayloadT", default=Any)


class EventModel(BaseModel):
    """A wire event as a typed value: snake_case attributes, the AWS name as alias, unknown fields kept.

    Lossless: ``Model.model_validate(wire).to_wire() == wire`` for every real event, so a field keeps the type
    it has on the wire (a time stays text); conveniences are properties beside it. Frozen: a changed event is a
    ``model_copy(update=...)``. Its validator is built on first use: importing a model stays cheap.
    """

    model_config = ConfigDict(extra="allow", populate_by_name=True, frozen=True, defer_build=True)

    def to_wire(self) -> dict[str, Any]:
        """The event as JSON-ready values under its AWS names, with nothing added."""
        return self.model_dump(by_alias=True, exclude_unset=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy; what its properties remembered is forgotten, since it may rest on a field that changed."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(copied).model_fields.keys():
            del copied.__dict__[name]
        return copied


class PayloadModel(EventModel, Generic[PayloadT]):
    """A record or event that carries the user's own data, which it reads as the type it is given.

    ``SqsRecord[Order]`` reads an ``Order``; plain ``SqsRecord`` reads parsed JSON, or the text or bytes there is.
    """

    @cached_property
    def payload(self) -> PayloadT:
        """The user's data, validated when it is first asked for, so that a bad record fails alone.

        Raises EventValidationError if the data does not fit the type.
        """
        payload: PayloadT = payload_reader(type(self))(self._user_data())
        return payload

    @abstractmethod
    def _user_data(self) -> UserData:
        """The user's data, undecoded."""


@lru_cache(maxsize=1024)
def payload_reader(model: type[EventModel]) -> Callable[[UserData], Any]:
    """How a model reads its payload: as the type it was given in brackets, or whatever it parses to."""
    for base in model.__mro__:
        arguments = base.__pydantic_generic_metadata__["args"] if issubclass(base, EventModel) else ()
        if arguments and not isinstance(arguments[0], TypeVar):
            return PayloadReader(arguments[0], of=f"the payload of {model.__name__}")
    return parse
