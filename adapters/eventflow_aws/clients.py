"""One long-lived client per service, made when it is first asked for."""

from __future__ import annotations

import platform
from asyncio import Lock, get_running_loop
from contextlib import AsyncExitStack
from functools import cache
from importlib.metadata import version
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, Self, cast

from aiobotocore.config import AioConfig
from aiobotocore.parsers import AioResponseParserFactory
from aiobotocore.session import AioSession
from botocore.exceptions import NoCredentialsError, UnknownRegionError

from eventflow.errors import AccessDeniedError
from eventflow_aws.arns import UNKNOWN_ACCOUNT
from eventflow_aws.faults import CREDENTIALS, translated
from eventflow_aws.hot_calls import HotCalls

if TYPE_CHECKING:
    from types import TracebackType

    from botocore.awsrequest import AWSPreparedRequest
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodbstreams import DynamoDBStreamsClient
    from types_aiobotocore_events import EventBridgeClient
    from types_aiobotocore_iam import IAMClient
    from types_aiobotocore_kinesis import KinesisClient
    from types_aiobotocore_lambda import LambdaClient
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_scheduler import EventBridgeSchedulerClient
    from types_aiobotocore_sns import SNSClient
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sts import STSClient

    from eventflow.ports import AdapterSettings
    from eventflow_aws.options import AwsOptions

CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 10.0
POLL_SECONDS: Final = 35.0
"""Beyond the longest poll (20 s)."""
POLLED: Final = frozenset({"kinesis", "sqs"})
LOOK_AGAIN_SECONDS: Final = 10.0
"""After credentials were not found: looking asks addresses that may not exist, and all wait for the answer."""
CONNECTIONS: Final = 512
"""Every long poll holds one."""
LARGE_BODY_BYTES: Final = 512 * 1024
TIMES_AS_NUMBERS: Final = frozenset({"kinesis", "dynamodbstreams"})
"""Services whose clients give times as epoch seconds: making datetimes of them takes longer than everything else that
reading a record does."""
BLOBS_AS_TEXT: Final = frozenset({"sqs"})
"""Services whose clients leave blobs in Base64: Lambda's events have them so, and hot calls do not decode them."""
BUSY: Final = frozenset({"dynamodbstreams", "kinesis", "sqs"})
"""Services that are called for every batch of records: botocore's look at our parameters is left out."""
HOT: Final = {"sqs": ("ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")}
"""Operations by service that go the shorter way of :class:`~eventflow_aws.hot_calls.HotCalls`."""
ATTEMPTS: Final = 3
"""Of botocore's standard mode, the first included."""


class Clients:
    """The clients of one open environment, which raise botocore's errors: see
    :func:`~eventflow_aws.faults.translated`."""

    def __init__(self, settings: AdapterSettings, options: AwsOptions) -> None:
        self._session = AioSession(profile=options.profile)
        self._region = None if settings.region_is_default else settings.region
        self._fallback_region = settings.region
        self._endpoint_url = options.endpoint_url
        self._stack = AsyncExitStack()
        self._clients: dict[str, Any] = {}
        self._lock = Lock()
        self._account_id = None if settings.account_id == UNKNOWN_ACCOUNT else settings.account_id
        self._no_credentials: AccessDeniedError | None = None
        self._look_again_at = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._clients.clear()
        await self._stack.aclose()

    @property
    def region(self) -> str:
        """What the environment says, else the profile or the ``AWS_*`` variables, else the default."""
        return self._region or self._session.get_config_variable("region") or self._fallback_region

    @property
    def partition(self) -> str:
        """``aws``, ``aws-cn`` ...: the second part of every ARN."""
        try:
            return str(self._session.get_partition_for_region(self.region))
        except UnknownRegionError:  # of a server that is not AWS, and only speaks like it
            return "aws"

    async def account_id(self) -> str:
        """What the environment says; else whose credentials these are. Raises AccessDeniedError, UnavailableError."""
        if self._account_id is None:
            self._account_id = await self._own_account_id()
        return self._account_id

    async def _own_account_id(self) -> str:
        try:
            with translated("aws account", "sts:GetCallerIdentity"):
                return (await (await self.sts()).get_caller_identity())["Account"]
        except AccessDeniedError as exc:
            if exc.resource != CREDENTIALS:
                exc.mend = 'state it: account_id = "123456789012" in the environment'
            raise

    async def dynamodb(self) -> DynamoDBClient:
        return cast("DynamoDBClient", await self._client("dynamodb"))

    async def dynamodbstreams(self) -> DynamoDBStreamsClient:
        return cast("DynamoDBStreamsClient", await self._client("dynamodbstreams"))

    async def events(self) -> EventBridgeClient:
        return cast("EventBridgeClient", await self._client("events"))

    async def iam(self) -> IAMClient:
        return cast("IAMClient", await self._client("iam"))

    async def kinesis(self) -> KinesisClient:
        return cast("KinesisClient", await self._client("kinesis"))

    async def lambda_(self) -> LambdaClient:
        return cast("LambdaClient", await self._client("lambda"))

    async def s3(self) -> S3Client:
        return cast("S3Client", await self._client("s3"))

    async def scheduler(self) -> EventBridgeSchedulerClient:
        return cast("EventBridgeSchedulerClient", await self._client("scheduler"))

    async def sns(self) -> SNSClient:
        return cast("SNSClient", await self._client("sns"))

    async def sqs(self) -> SQSClient:
        return cast("SQSClient", await self._client("sqs"))

    async def sts(self) -> STSClient:
        return cast("STSClient", await self._client("sts"))

    async def _client(self, service: str) -> Any:
        async with self._lock:
            if service not in self._clients:
                await self._look_for_credentials()
                self._session.register_component("response_parser_factory", _parsers(service))
                creating = self._session.create_client(
                    service,
                    region_name=self.region,
                    endpoint_url=self._endpoint_url,
                    config=self._config(service),
                )
                with translated("aws", service):
                    client = await self._stack.enter_async_context(creating)
                client.meta.events.register("before-send", _send_in_pieces)
                if service in HOT:
                    HotCalls(client, HOT[service])
                self._clients[service] = client
            return self._clients[service]

    async def _look_for_credentials(self) -> None:
        """Once for all clients: every one would look for them by itself, and be told of as a problem of its own."""
        now = get_running_loop().time()
        if self._no_credentials is not None and now < self._look_again_at:
            raise self._no_credentials
        try:
            with translated(CREDENTIALS, "sts:AssumeRole"):
                credentials = await self._session.get_credentials()
                if credentials is None:
                    raise NoCredentialsError
                await credentials.get_frozen_credentials()
        except AccessDeniedError as exc:
            self._no_credentials, self._look_again_at = exc, get_running_loop().time() + LOOK_AGAIN_SECONDS
            raise

    def _config(self, service: str) -> AioConfig:
        return AioConfig(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=POLL_SECONDS if service in POLLED else READ_SECONDS,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            tcp_keepalive=True,
            user_agent=_user_agent(),
            parameter_validation=service not in BUSY,
        )


@cache
def _user_agent() -> str:
    """Stated whole: botocore composes its own anew for every request, which costs a quarter of a call."""
    ours, client = version("eventflow"), version("aiobotocore")
    return f"eventflow/{ours} lang/python#{platform.python_version()} md/aiobotocore#{client}"


def _send_in_pieces(request: AWSPreparedRequest, **_: object) -> None:
    """aiohttp writes bytes in one go, and warns of it when they are many."""
    if isinstance(request.body, bytes) and len(request.body) >= LARGE_BODY_BYTES:
        request.body = BytesIO(request.body)


def _parsers(service: str) -> AioResponseParserFactory:
    parsers = AioResponseParserFactory()
    if service in TIMES_AS_NUMBERS:
        parsers.set_parser_defaults(timestamp_parser=float)
    if service in BLOBS_AS_TEXT:
        parsers.set_parser_defaults(blob_parser=str)
    return parsers
