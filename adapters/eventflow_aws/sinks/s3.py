"""Putting objects into an S3 bucket. Source: S3 API: PutObject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventflow.errors import InvalidMessageError
from eventflow_aws.faults import translated
from eventflow_aws.names import Arn
from eventflow_aws.outbound import look

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

    from eventflow.model.destinations import OutboundMessage
    from eventflow_aws.environment import Environment

MAXIMUM_KEY_BYTES: Final = 1024


async def open_bucket_sink(env: Environment, name: str) -> BucketSink:
    """Raises ResourceNotFoundError, UnavailableError, AdapterError."""
    resource = f"s3:{name}"
    bucket = env.names.plain(resource)
    arn = Arn.parse(env.names.physical(resource)) or Arn(env.clients.partition, "s3", "", "", bucket)
    if arn.region:  # of an access point, which is called by its ARN
        bucket = str(arn)
    client = await env.clients.s3()
    with look(resource, "s3:ListBucket"):
        await client.head_bucket(Bucket=bucket)
    return BucketSink(client, resource, str(arn), bucket)


class BucketSink:
    """A DestinationSink that puts one object per message; the message's ``key`` is the object's."""

    def __init__(self, client: S3Client, resource: str, arn: str, bucket: str) -> None:
        self.arn = arn
        self._client = client
        self._resource = resource
        self._bucket = bucket

    async def send(self, message: OutboundMessage) -> None:
        key = self._checked_key(message.key)
        with translated(self._resource, "s3:PutObject", sends=True):
            await self._client.put_object(Bucket=self._bucket, Key=key, Body=message.body)

    async def aclose(self) -> None:
        """Nothing is held."""

    def _checked_key(self, key: str | bytes | None) -> str:
        encoded = key.encode() if isinstance(key, str) else key or b""
        allowed = f"an object needs a key of 1 to {MAXIMUM_KEY_BYTES} bytes of UTF-8"
        if not 0 < len(encoded) <= MAXIMUM_KEY_BYTES:
            raise InvalidMessageError(self._resource, f"the key has {len(encoded):,} bytes; {allowed}")
        try:
            return encoded.decode()
        except UnicodeDecodeError as exc:
            raise InvalidMessageError(self._resource, f"the key is {key!r}; {allowed}") from exc
