"""S3 asking functions: Object Lambda and Batch Operations, and the message that tests a notification.

Source: S3 guide: olap-event-context, batch-ops-invoke-lambda, notification-content-structure.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_pascal

from eventflow.events._base import EventModel
from eventflow.events._camel import CamelModel


class GetObjectContext(CamelModel):
    """``output_route`` and ``output_token`` are for WriteGetObjectResponse."""

    input_s3_url: str = Field(alias="inputS3Url", repr=False)
    output_route: str
    output_token: str = Field(repr=False)


class S3UrlContext(CamelModel):
    input_s3_url: str = Field(alias="inputS3Url", repr=False)


class ObjectLambdaConfiguration(CamelModel):
    access_point_arn: str
    supporting_access_point_arn: str | None = None
    payload: str | None = None


class S3ObjectLambdaEvent(CamelModel):
    """Somebody reads through an Object Lambda access point. One of the four contexts is set."""

    x_amz_request_id: str | None = Field(default=None, alias="xAmzRequestId")
    get_object_context: GetObjectContext | None = None
    head_object_context: S3UrlContext | None = None
    list_objects_context: S3UrlContext | None = None
    list_objects_v2_context: S3UrlContext | None = Field(default=None, alias="listObjectsV2Context")
    configuration: ObjectLambdaConfiguration | None = None
    user_request: dict[str, Any] | None = None
    user_identity: dict[str, Any] | None = None
    protocol_version: str | None = None


class S3BatchTask(CamelModel):
    """``s3_key`` is form-encoded, see :attr:`key`. Version 1 names the bucket by its ARN."""

    task_id: str
    s3_key: str = Field(alias="s3Key")
    s3_version_id: str | None = Field(default=None, alias="s3VersionId")
    s3_bucket_arn: str | None = Field(default=None, alias="s3BucketArn")
    s3_bucket: str | None = Field(default=None, alias="s3Bucket")

    @property
    def key(self) -> str:
        """The object's key, decoded."""
        return unquote_plus(self.s3_key)


class S3BatchJob(CamelModel):
    id: str
    user_arguments: dict[str, str] | None = None


class S3BatchEvent(CamelModel):
    """One task of a batch operation. Answer with ``results`` that name it by its id."""

    invocation_schema_version: str
    invocation_id: str
    job: S3BatchJob
    tasks: list[S3BatchTask]


class S3TestEvent(EventModel):
    """What S3 sends when a notification is configured. There is nothing to do about it."""

    model_config = ConfigDict(alias_generator=to_pascal)

    service: str | None = None
    event: str
    time: str | None = None
    bucket: str | None = None
    request_id: str | None = None
    host_id: str | None = None
