"""Where results and failures go, and what is sent there."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_ATTRIBUTES: Final[Mapping[str, str | int | bytes]] = MappingProxyType({})


class Service(StrEnum):
    """What a resource name begins with: ``sqs:orders``."""

    SQS = "sqs"
    SNS = "sns"
    S3 = "s3"
    EVENTBRIDGE = "eventbridge"
    SCHEDULE = "schedule"
    KINESIS = "kinesis"
    DYNAMODB = "dynamodb"
    KAFKA = "kafka"
    RABBITMQ = "rabbitmq"
    ACTIVEMQ = "activemq"
    DOCUMENTDB = "documentdb"
    FUNCTION = "function"
    HTTP = "http"
    COGNITO = "cognito"
    CLOUDFORMATION = "cloudformation"
    ALEXA = "alexa"
    LEX = "lex"
    CLOUDFRONT = "cloudfront"
    HTTP_V1 = "http_v1"
    """HTTP APIs, payload format 1.0."""
    REST = "rest"
    FUNCTION_URL = "function_url"
    ALB = "alb"
    HTTP_AUTHORIZER = "http_authorizer"
    REST_AUTHORIZER = "rest_authorizer"
    """Requests in payload format 1.0, of REST and HTTP APIs."""
    TOKEN_AUTHORIZER = "token_authorizer"
    WEBSOCKET = "websocket"
    WEBSOCKET_AUTHORIZER = "websocket_authorizer"


HTTP_SERVICES: Final = frozenset({Service.HTTP, Service.HTTP_V1, Service.REST, Service.FUNCTION_URL, Service.ALB})
"""Those whose events are HTTP requests."""
AUTHORIZER_SERVICES: Final = frozenset(
    {Service.HTTP_AUTHORIZER, Service.REST_AUTHORIZER, Service.TOKEN_AUTHORIZER, Service.WEBSOCKET_AUTHORIZER}
)


@dataclass(frozen=True, slots=True)
class Destination:
    """A place to send to, by its logical name. Built with ``to_sqs`` and its siblings."""

    service: Service
    name: str

    @property
    def resource(self) -> str:
        """The name under which an environment binds it, e.g. ``sqs:import-failures``."""
        return f"{self.service}:{self.name}"

    def __str__(self) -> str:
        return self.resource


class Condition(StrEnum):
    """Why an invocation record was written. Source: Lambda guide: invocation-async-retain-records."""

    SUCCESS = "Success"
    RETRIES_EXHAUSTED = "RetriesExhausted"
    EVENT_AGE_EXCEEDED = "EventAgeExceeded"
    ZERO_RESERVED_CONCURRENCY = "ZeroReservedConcurrency"
    RETRY_ATTEMPTS_EXHAUSTED = "RetryAttemptsExhausted"
    """Streams only; asynchronous invocation says ``RetriesExhausted``."""
    RECORD_AGE_EXCEEDED = "RecordAgeExceeded"
    MAXIMUM_PAYLOAD_SIZE_EXCEEDED = "MaximumPayloadSizeExceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundMessage:
    """One message for a :class:`~eventflow.ports.DestinationSink`. Fields a service does not have are ignored.

    ``key`` is the object key (S3), partition key (Kinesis) or record key (Kafka). ``attributes`` are message
    attributes (SQS, SNS), record headers (Kafka) or message properties (message queues). ``group_id`` and
    ``deduplication_id`` are SQS's, ``delay_seconds`` is any queue's. ``subject`` is SNS's. ``source``,
    ``detail_type`` and ``resources`` are EventBridge's.
    """

    body: bytes
    key: str | bytes | None = None
    attributes: Mapping[str, str | int | bytes] = field(default_factory=lambda: NO_ATTRIBUTES)
    group_id: str | None = None
    deduplication_id: str | None = None
    delay_seconds: float = 0
    subject: str | None = None
    source: str | None = None
    detail_type: str | None = None
    resources: tuple[str, ...] = ()
