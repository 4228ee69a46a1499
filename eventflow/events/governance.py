"""Rules of AWS Config, and rotation by Secrets Manager. Source: Config guide: example events; Secrets Manager guide:
rotation functions."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict
from pydantic.alias_generators import to_pascal
from pydantic_core import from_json

from eventflow.events._base import EventModel
from eventflow.events._camel import CamelModel


class ConfigRuleEvent(CamelModel):
    """A rule is to be evaluated; the verdicts go to PutEvaluations with ``result_token``.

    ``invoking_event`` and ``rule_parameters`` are JSON text.
    """

    version: str | None = None
    invoking_event: str
    rule_parameters: str | None = None
    result_token: str
    event_left_scope: bool | None = None
    execution_role_arn: str | None = None
    config_rule_arn: str | None = None
    config_rule_name: str | None = None
    config_rule_id: str | None = None
    account_id: str | None = None

    def notification(self) -> Any:
        """``invoking_event``, decoded. Raises ValueError if it is not JSON."""
        return from_json(self.invoking_event)

    def parameters(self) -> Any:
        """``rule_parameters``, decoded; ``{}`` without any. Raises ValueError if they are not JSON."""
        return from_json(self.rule_parameters or "{}")


class SecretRotationEvent(EventModel):
    """One step of a rotation: createSecret, setSecret, testSecret, finishSecret. Raise to give it up for now."""

    model_config = ConfigDict(alias_generator=to_pascal)

    step: str
    secret_id: str
    client_request_token: str
    rotation_token: str | None = None
