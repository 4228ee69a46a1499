"""The flavours of HTTP: what event a request becomes, and what the client is told. One class each.

Source: API Gateway guide: http-api, rest-api, limits; Lambda guide: urls-invocation; ELB guide: lambda-functions.
"""

from __future__ import annotations

import binascii
from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, assert_never

from eventflow.model import limits
from eventflow.model.destinations import Service
from eventflow.model.http import FunctionUrl, HttpApiRoute, LoadBalancerRule, RestApiRoute
from eventflow.plan.alb_request import AlbRequest, UnreadableRequestError, target_group_arn
from eventflow.plan.http_request import FunctionUrlRequest, HttpRequest
from eventflow.plan.rest_request import HttpV1Request, RestRequest
from eventflow.runtime.http.answers import JSON, TEXT, Answer, message
from eventflow.runtime.http.proxy_results import alb_answer, http_v1_answer, rest_answer
from eventflow.runtime.http.results import answer_of
from eventflow.runtime.marshal import marshal_compact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from eventflow.plan.environment import Environment
    from eventflow.plan.plan import RoutePlan
    from eventflow.runtime.http.asgi import Header

MakeRequest: TypeAlias = "Callable[..., HttpRequest]"


class Flavour(ABC):
    """How one kind of front speaks. ``request`` makes the request of a route from what the server knows of it."""

    head_bytes: ClassVar[int] = limits.HTTP_HEADER_BYTES
    body_bytes: ClassVar[int] = limits.HTTP_BODY_BYTES
    measured_bytes: ClassVar[int] = (limits.SYNCHRONOUS_REQUEST_BYTES - 2 * limits.HTTP_HEADER_BYTES) // 6
    """A body that is no larger fits Lambda's request limit in any case: as JSON, no byte takes more than six."""
    not_found: ClassVar[Answer]
    head_too_large: ClassVar[Answer] = message(431, "Request Header Fields Too Large")
    body_too_large: ClassVar[Answer] = message(413, "Request Entity Too Large")
    throttled: ClassVar[Answer] = message(429, "Too Many Requests")
    function_error: ClassVar[Answer]
    """For a handler that raised, timed out, or returned no response."""
    gave_up: ClassVar[Answer]
    """For a function that takes longer than a request may wait."""

    request: MakeRequest

    def own_answers(self) -> tuple[Answer, ...]:
        """What a request that has a route may be told without its function's doing, apart from a late answer."""
        return (self.head_too_large, self.body_too_large, self.throttled, self.function_error)

    @abstractmethod
    def identity(self, request_id: str) -> Sequence[Header]:
        """The headers that every answer to a request carries."""

    @abstractmethod
    def answer_of(self, value: Any, request: HttpRequest) -> Answer:
        """The response for a handler's result. Raises what it likes for a value that is none."""

    def no_answer(self, exc: Exception) -> Answer:
        """What the client is told when ``answer_of`` raised."""
        return self.function_error

    def refusal(self, request: HttpRequest) -> Answer | None:
        """The answer to a request that no function may get, looked for above ``measured_bytes``."""
        too_large = len(marshal_compact(request.wire())) > limits.SYNCHRONOUS_REQUEST_BYTES
        return self.body_too_large if too_large else None


class HttpApi(Flavour):
    """An HTTP API, payload format 2.0."""

    not_found = message(404, "Not Found")
    function_error = message(500, "Internal Server Error")
    gave_up = message(503, "Service Unavailable")
    request = HttpRequest

    def identity(self, request_id: str) -> Sequence[Header]:
        return ((b"apigw-requestid", request_id.encode()),)

    def answer_of(self, value: Any, request: HttpRequest) -> Answer:
        return answer_of(value)


class HttpApiV1(HttpApi):
    """An HTTP API, payload format 1.0."""

    request = HttpV1Request

    def answer_of(self, value: Any, request: HttpRequest) -> Answer:
        return http_v1_answer(value)


def gateway_response(status: int, text: str, error: str) -> Answer:
    """One of a REST API's own answers."""
    return message(status, text)._replace(headers=(JSON, (b"x-amzn-errortype", error.encode())))


class RestApi(Flavour):
    """A REST API."""

    not_found = gateway_response(403, "Missing Authentication Token", "MissingAuthenticationTokenException")
    body_too_large = gateway_response(413, "Request Too Long", "RequestTooLargeException")
    throttled = gateway_response(429, "Too Many Requests", "TooManyRequestsException")
    function_error = gateway_response(502, "Internal server error", "InternalServerErrorException")
    gave_up = gateway_response(504, "Endpoint request timed out", "InternalServerErrorException")
    bad_base64: Final = gateway_response(500, "Internal server error", "InternalServerErrorException")

    def __init__(self, binary_media_types: tuple[str, ...] = ()) -> None:
        self.request = partial(RestRequest, binary_media_types=binary_media_types)

    def identity(self, request_id: str) -> Sequence[Header]:
        identity = request_id.encode()
        return (b"x-amzn-requestid", identity), (b"x-amz-apigw-id", identity.replace(b"-", b"")[-16:])

    def own_answers(self) -> tuple[Answer, ...]:
        return (*super().own_answers(), self.bad_base64)

    def answer_of(self, value: Any, request: HttpRequest) -> Answer:
        decodes = isinstance(request, RestRequest) and request.accepts_binary()
        return rest_answer(value, decodes=decodes)

    def no_answer(self, exc: Exception) -> Answer:
        return self.bad_base64 if isinstance(exc, binascii.Error) else self.function_error


class FunctionUrlFront(Flavour):
    """A function's URL."""

    head_bytes = limits.ALB_HEADER_BYTES  # Lambda states no limit; this one is the server's
    body_bytes = limits.SYNCHRONOUS_REQUEST_BYTES
    not_found = Answer(
        403,
        (JSON, (b"x-amzn-errortype", b"AccessDeniedException")),
        b'{"Message":"Forbidden. No function has this URL."}',
    )
    function_error = Answer(502, (TEXT,), b"Internal Server Error")
    gave_up = function_error

    def __init__(self, domain: str) -> None:
        self.request = partial(FunctionUrlRequest, domain=domain)

    def identity(self, request_id: str) -> Sequence[Header]:
        return ((b"x-amzn-requestid", request_id.encode()),)

    def answer_of(self, value: Any, request: HttpRequest) -> Answer:
        return answer_of(value)


def _page(status: int, title: str) -> Answer:
    """One of a load balancer's own answers."""
    text = f"{status} {title}"
    html = f"<html>\r\n<head><title>{text}</title></head>\r\n<body>\r\n<center><h1>{text}</h1></center>\r\n</body>\r\n"
    return Answer(status, ((b"content-type", b"text/html"),), f"{html}</html>\r\n".encode())


class LoadBalancer(Flavour):
    """An Application Load Balancer with Lambda targets."""

    head_bytes = limits.ALB_HEADER_BYTES
    body_bytes = limits.ALB_REQUEST_BYTES
    measured_bytes = -1
    not_found = _page(404, "Not Found")
    head_too_large = _page(431, "Request Header Fields Too Large")
    body_too_large = _page(413, "Request Entity Too Large")
    function_error = _page(502, "Bad Gateway")
    throttled = function_error
    gave_up = function_error

    _upgrade: Final = _page(400, "Bad Request")

    def __init__(self, target_group: str, *, multi_value: bool) -> None:
        self.request = partial(AlbRequest, target_group=target_group, multi_value=multi_value)
        self._multi_value = multi_value

    def identity(self, request_id: str) -> Sequence[Header]:
        return ()

    def own_answers(self) -> tuple[Answer, ...]:
        return (*super().own_answers(), self._upgrade)

    def answer_of(self, value: Any, request: HttpRequest) -> Answer:
        return alb_answer(value, multi_value=self._multi_value)

    def refusal(self, request: HttpRequest) -> Answer | None:
        if any(name == b"upgrade" and value.lower() == b"websocket" for name, value in request.headers):
            return self._upgrade
        try:
            request.wire()
        except UnreadableRequestError:
            return self.function_error
        return None


HTTP_API: Final = HttpApi()
FLAVOURS: Final[Mapping[Service, type[Flavour]]] = {
    Service.HTTP: HttpApi,
    Service.HTTP_V1: HttpApiV1,
    Service.REST: RestApi,
    Service.FUNCTION_URL: FunctionUrlFront,
    Service.ALB: LoadBalancer,
}
"""By the service whose events requests become."""


def flavour_of(route: RoutePlan, environment: Environment) -> Flavour:
    """The flavour of a route."""
    source, name = route.source, route.endpoint.function.name
    match source:
        case HttpApiRoute():
            return HTTP_API if source.payload_format_version == "2.0" else HttpApiV1()
        case RestApiRoute():
            return RestApi(source.binary_media_types)
        case FunctionUrl():
            return FunctionUrlFront(f"{name.lower()}.lambda-url.{environment.region}.on.aws")
        case LoadBalancerRule():
            arn = target_group_arn(name, region=environment.region, account_id=environment.account_id)
            return LoadBalancer(arn, multi_value=source.multi_value_headers)
        case _:
            assert_never(source)
