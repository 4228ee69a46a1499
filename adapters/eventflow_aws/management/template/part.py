"""What the builders of one trigger's event see."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eventflow.model.mapping import QueueMapping, StreamMapping
from eventflow.ports import Remark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.model.deployment import Deployment
    from eventflow.model.destinations import Service
    from eventflow.model.function import FunctionDefinition
    from eventflow.model.subscriptions import Subscription
    from eventflow.model.trigger import Trigger
    from eventflow_aws.management.template.apis import Apis
    from eventflow_aws.management.template.resources import Resources
    from eventflow_aws.management.template.roles import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionPart:
    """One trigger of one function, on its way into a template: what the builders of its event see."""

    definition: FunctionDefinition
    trigger: Trigger
    resources: Resources
    role: Role
    apis: Apis
    properties: dict[str, Any]
    """The function's own, so far."""
    remarks: list[Remark]
    deployment: Deployment

    @property
    def service(self) -> Service:
        return self.trigger.service

    @property
    def name(self) -> str:
        return self.trigger.name

    @property
    def timeout_seconds(self) -> float:
        return self.definition.settings.timeout_seconds

    @property
    def subscription(self) -> Subscription | None:
        return self.trigger.subscription(self.definition.name)

    @property
    def queue_mapping(self) -> QueueMapping:
        assert isinstance(self.trigger.mapping, QueueMapping)
        return self.trigger.mapping

    @property
    def stream_mapping(self) -> StreamMapping:
        assert isinstance(self.trigger.mapping, StreamMapping)
        return self.trigger.mapping

    def options(self, service: Service) -> Mapping[str, Any]:
        """What the environment says of a service's own adapter."""
        return self.deployment.options.get(service, {})

    @property
    def function_id(self) -> str:
        return self.resources.function(self.definition.name)

    def remark(self, message: str) -> None:
        self.remarks.append(Remark(f"{self.definition.where} {self.trigger.decorator}", message))

    def whole_seconds(self, option: str, seconds: float) -> int:
        """Lambda counts whole seconds; what is between two of them becomes the longer one, and is told."""
        if seconds != math.ceil(seconds):
            self.remark(f"{option} of {seconds:g} s is {math.ceil(seconds)} s there: Lambda counts whole seconds")
        return math.ceil(seconds)
