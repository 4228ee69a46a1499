"""One long-lived client per service, made when it is first asked for."""

from __future__ import annotations

from asyncio import Lock
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Self, cast

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from eventflow_aws.faults import translated

if TYPE_CHECKING:
    from types import TracebackType

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
READ_SECONDS: Final = 35.0
"""Beyond the longest poll (20 s)."""
CONNECTIONS: Final = 512
"""Every long poll holds one."""
ATTEMPTS: Final = 3
"""Of botocore's standard mode, the first included."""


class Clients:
    """The clients of one open environment. All raise botocore's errors: see :func:`~eventflow_aws.faults.translated`."""

    def __init__(self, settings: AdapterSettings, options: AwsOptions) -> None:
        self._session = AioSession(profile=options.profile)
        self._region = None if settings.region_is_default else settings.region
        self._fallback_region = settings.region
        self._endpoint_url = options.endpoint_url
        self._stack = AsyncExitStack()
        self._clients: dict[str, Any] = {}
        self._lock = Lock()
        self._account_id: str | None = None

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
        return str(self._session.get_partition_for_region(self.region))

    async def account_id(self) -> str:
        """Whose credentials these are. Raises AccessDeniedError, UnavailableError."""
        if self._account_id is None:
            with translated("sts:identity", "sts:GetCallerIdentity"):
                identity = await (await self.sts()).get_caller_identity()
            self._account_id = identity["Account"]
        return self._account_id

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
                creating = self._session.create_client(
                    service,  # type: ignore[call-overload]
                    region_name=self.region,
                    endpoint_url=self._endpoint_url,
                    config=self._config(),
                )
                with translated(f"{service}:client", service):
                    self._clients[service] = await self._stack.enter_async_context(creating)
            return self._clients[service]

    def _config(self) -> AioConfig:
        return AioConfig(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            tcp_keepalive=True,
            user_agent_extra="eventflow",
        )
