"""How HTTP requests reach functions: the flavours, as values. Source: API Gateway, Lambda and ELB guides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeAlias

from eventflow.model import limits

if TYPE_CHECKING:
    from eventflow.model.authorizers import JwtAuthorizer
    from eventflow.model.cors import Cors
    from eventflow.model.handler import Handler
    from eventflow.model.payload_formats import PayloadFormatVersion

InvokeMode: TypeAlias = Literal["BUFFERED", "RESPONSE_STREAM"]
INVOKE_MODES: Final = ("BUFFERED", "RESPONSE_STREAM")

UrlAuthType: TypeAlias = Literal["NONE", "AWS_IAM"]
URL_AUTH_TYPES: Final = ("NONE", "AWS_IAM")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpApiRoute:
    """A route of the app's HTTP API."""

    waits_seconds: ClassVar[float] = limits.HTTP_INTEGRATION_SECONDS
    """How long a request waits for the function."""

    route_key: str
    payload_format_version: PayloadFormatVersion = "2.0"
    authorizer: Handler | JwtAuthorizer | None = None
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RestApiRoute:
    """A method of a resource of the app's REST API."""

    waits_seconds: ClassVar[float] = limits.REST_INTEGRATION_SECONDS

    route_key: str
    binary_media_types: tuple[str, ...] = ()
    authorizer: Handler | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionUrl:
    """A host of the function's own. ``RESPONSE_STREAM`` lets the function be a generator, ``AWS_IAM`` in only those
    who sign and may invoke it."""

    waits_seconds: ClassVar[float] = limits.MAXIMUM_TIMEOUT_SECONDS

    auth_type: UrlAuthType = "NONE"
    invoke_mode: InvokeMode = "BUFFERED"
    cors: Cors | None = None

    @property
    def is_signed(self) -> bool:
        return self.auth_type == "AWS_IAM"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancerRule:
    """A rule of a load balancer's listener. Several values of a condition are alternatives, several conditions
    are all needed; a rule without any is the listener's default action. A lower ``priority`` is asked first."""

    waits_seconds: ClassVar[float] = limits.MAXIMUM_TIMEOUT_SECONDS

    path_pattern: tuple[str, ...] = ()
    host_header: tuple[str, ...] = ()
    http_request_method: tuple[str, ...] = ()
    http_header: tuple[tuple[str, tuple[str, ...]], ...] = ()
    query_string: tuple[tuple[str, str], ...] = ()
    source_ip: tuple[str, ...] = ()
    priority: int | None = None
    multi_value_headers: bool = False

    @property
    def is_default(self) -> bool:
        return not (
            self.path_pattern
            or self.host_header
            or self.http_request_method
            or self.http_header
            or self.query_string
            or self.source_ip
        )


HttpSource: TypeAlias = HttpApiRoute | RestApiRoute | FunctionUrl | LoadBalancerRule
