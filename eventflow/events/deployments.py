"""What the services ask that build and deploy. Source: CodePipeline guide: actions-invoke-lambda-function;
CodeDeploy guide: AppSpec hooks."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from eventflow.events._base import EventModel
from eventflow.events._camel import CamelModel


class CodePipelineLocation(CamelModel):
    type: str
    s3_location: dict[str, str] | None = None


class CodePipelineArtifact(CamelModel):
    name: str
    revision: str | None = None
    location: CodePipelineLocation | None = None


class CodePipelineData(CamelModel):
    """``artifact_credentials`` are for the artifacts' bucket, for a while."""

    action_configuration: dict[str, Any] | None = None
    input_artifacts: list[CodePipelineArtifact] | None = None
    output_artifacts: list[CodePipelineArtifact] | None = None
    artifact_credentials: dict[str, str] | None = Field(default=None, repr=False)
    continuation_token: str | None = None
    encryption_key: dict[str, str] | None = None


class CodePipelineJob(CamelModel):
    id: str
    account_id: str
    data: CodePipelineData


class CodePipelineEvent(EventModel):
    """A job of a pipeline, which ends when PutJobSuccessResult or PutJobFailureResult is called for it."""

    job: CodePipelineJob = Field(alias="CodePipeline.job")


class CodeDeployHookEvent(EventModel):
    """A deployment waits for PutLifecycleEventHookExecutionStatus."""

    deployment_id: str = Field(alias="DeploymentId")
    lifecycle_event_hook_execution_id: str = Field(alias="LifecycleEventHookExecutionId")
