"""What the models of HTTP requests have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import PlainSerializer, WrapValidator
from pydantic_core import from_json

from eventflow.events._camel import CamelModel
from eventflow.events._codec import EventCodec
from eventflow.events._wire import decode_base64

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject


class _NullMap(dict[str, Any]):
    """An empty map that was null on the wire and is written as null again."""


def _read_map(value: Any, read: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    return _NullMap() if value is None else read(value)


def _write_map(value: dict[str, Any]) -> dict[str, Any] | None:
    return None if isinstance(value, _NullMap) else value


# What is empty is left out or null, by flavour; samples and tools write both.
StringMap = Annotated[dict[str, str], WrapValidator(_read_map), PlainSerializer(_write_map)]
StringsMap = Annotated[dict[str, list[str]], WrapValidator(_read_map), PlainSerializer(_write_map)]


class RequestModel(CamelModel):
    """A request with its body."""

    body: str | None = None
    is_base64_encoded: bool = False

    @property
    def body_bytes(self) -> bytes:
        """The body as the client sent it; empty when there was none."""
        if self.body is None:
            return b""
        return decode_base64(self.body) if self.is_base64_encoded else self.body.encode()

    def json(self) -> Any:  # type: ignore[override]  # pydantic's own `json` is its deprecated serialiser
        """The body parsed as JSON. Raises ValueError if it is not JSON."""
        return from_json(self.body_bytes, allow_inf_nan=False)


def find_header(name: str, values: Mapping[str, str], lists: Mapping[str, list[str]]) -> str | None:
    """A header in either of its maps, whatever the case; of several values, all joined with commas."""
    wanted = name.lower()
    for key, several in lists.items():
        if key.lower() == wanted:
            return ",".join(several)
    return next((value for key, value in values.items() if key.lower() == wanted), None)


class RequestCodec(EventCodec):
    """Base of the codecs of requests."""

    payload_name: ClassVar[str | None] = "the request body"

    def payload(self, wire: JsonObject) -> UserData:
        """The body: text, or the bytes that its base64 stands for."""
        body: str | None = wire.get("body")
        return decode_base64(body) if body is not None and wire.get("isBase64Encoded") else body


def request_context(wire: JsonObject) -> JsonObject:
    """``requestContext``; empty if there is none."""
    context = wire.get("requestContext")
    return context if isinstance(context, dict) else {}
