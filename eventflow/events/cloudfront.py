"""Lambda@Edge: what CloudFront asks of functions. Source: CloudFront guide: Lambda@Edge event structure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from eventflow.events._camel import CamelModel
from eventflow.events._codec import EventCodec
from eventflow.events._wire import decode_base64, encode_base64, first_record
from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.events._base import EventModel
    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject


class EdgeHeader(CamelModel):
    """One value of a header; ``key`` is the name as it was written."""

    key: str | None = None
    value: str


EdgeHeaders = dict[str, list[EdgeHeader]]
"""Values by lower-case name."""


def _first(headers: EdgeHeaders | None, name: str) -> str | None:
    values = (headers or {}).get(name.lower())
    return values[0].value if values else None


class EdgeConfig(CamelModel):
    distribution_domain_name: str | None = None
    distribution_id: str
    event_type: str | None = None
    request_id: str | None = None


class EdgeBody(CamelModel):
    """A request's body, if the behaviour includes it. ``data`` is base64 when it arrives; set ``action`` to
    ``replace`` and ``encoding`` to ``text`` or ``base64`` to change it."""

    input_truncated: bool | None = None
    action: str | None = None
    encoding: str | None = None
    data: str = ""

    @property
    def data_bytes(self) -> bytes:
        return self.data.encode() if self.encoding == "text" else decode_base64(self.data)


class EdgeRequest(CamelModel):
    """``querystring`` has no leading question mark. ``origin`` is there in origin events only."""

    client_ip: str | None = None
    method: str
    uri: str
    querystring: str = ""
    headers: EdgeHeaders = Field(default_factory=dict)
    body: EdgeBody | None = None
    origin: dict[str, Any] | None = None

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever the case of ``name``."""
        return _first(self.headers, name)

    def with_header(self, name: str, value: str) -> EdgeRequest:
        """A copy in which the header has this one value."""
        return self.model_copy(update={"headers": _with(self.headers, name, value)})


class EdgeResponse(CamelModel):
    """A response: the origin's, or one that a function generates. ``status`` is text: ``"302"``."""

    status: str
    status_description: str | None = None
    headers: EdgeHeaders | None = None
    body: str | None = None
    body_encoding: str | None = None

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever the case of ``name``."""
        return _first(self.headers, name)

    def with_header(self, name: str, value: str) -> EdgeResponse:
        """A copy in which the header has this one value."""
        return self.model_copy(update={"headers": _with(self.headers or {}, name, value)})

    @classmethod
    def generate(
        cls, status: int, *, headers: Mapping[str, str] | None = None, body: str | bytes | None = None
    ) -> EdgeResponse:
        """A response that no origin has to give."""
        values = {name.lower(): [EdgeHeader(key=name, value=value)] for name, value in (headers or {}).items()}
        fields: dict[str, Any] = {"status": str(status), "headers": values}
        if body is not None:
            is_text = isinstance(body, str)
            fields["body"] = body if is_text else encode_base64(bytes(body))  # type: ignore[arg-type]  # bytes here
            fields["body_encoding"] = "text" if is_text else "base64"
        return cls(**fields)


def _with(headers: EdgeHeaders, name: str, value: str) -> EdgeHeaders:
    return {**headers, name.lower(): [EdgeHeader(key=name, value=value)]}


class EdgeRecordContent(CamelModel):
    config: EdgeConfig
    request: EdgeRequest | None = None
    response: EdgeResponse | None = None


class EdgeRecord(CamelModel):
    cf: EdgeRecordContent


class CloudFrontEvent(CamelModel):
    """One request at one of four moments. Return its ``request`` or ``response``, changed or not, or a response of
    your own. There is always one record."""

    records: list[EdgeRecord] = Field(alias="Records", min_length=1, max_length=1)

    @property
    def config(self) -> EdgeConfig:
        return self.records[0].cf.config

    @property
    def event_type(self) -> str | None:
        """``viewer-request``, ``origin-request``, ``origin-response`` or ``viewer-response``."""
        return self.config.event_type

    @property
    def request(self) -> EdgeRequest:
        """Raises ValueError where there is none, which is in samples only."""
        request = self.records[0].cf.request
        if request is None:
            raise ValueError("the event has no request")
        return request

    @property
    def response(self) -> EdgeResponse:
        """Raises ValueError before there is a response."""
        response = self.records[0].cf.response
        if response is None:
            raise ValueError(f"a {self.event_type} has no response")
        return response


class CloudFrontCodec(EventCodec):
    service: ClassVar[Service] = Service.CLOUDFRONT
    event_model: ClassVar[type[EventModel]] = CloudFrontEvent

    def recognises(self, wire: JsonObject) -> bool:
        return "cf" in first_record(wire)

    def payload(self, wire: JsonObject) -> UserData:
        return wire


CLOUDFRONT = CloudFrontCodec()
