"""Changes of a CodeCommit repository. Source: CodeCommit guide: triggers for Lambda functions."""

from __future__ import annotations

from pydantic import Field

from eventflow.events._base import EventModel
from eventflow.events._camel import CamelModel


class CodeCommitReference(CamelModel):
    commit: str | None = None
    ref: str
    created: bool | None = None
    deleted: bool | None = None


class CodeCommitReferences(CamelModel):
    references: list[CodeCommitReference]


class CodeCommitRecord(CamelModel):
    """A push; large ones come in ``event_total_parts`` parts."""

    event_source: str
    event_id: str | None = None
    event_version: str | None = None
    event_time: str | None = None
    event_trigger_name: str | None = None
    event_part_number: int | None = None
    event_total_parts: int | None = None
    event_name: str | None = None
    event_source_arn: str | None = Field(default=None, alias="eventSourceARN")
    user_identity_arn: str | None = Field(default=None, alias="userIdentityARN")
    aws_region: str | None = None
    codecommit: CodeCommitReferences
    custom_data: str | None = None


class CodeCommitEvent(EventModel):
    records: list[CodeCommitRecord] = Field(alias="Records", min_length=1)
