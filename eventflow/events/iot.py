"""What IoT asks when things connect. Source: IoT guide: custom authentication, pre-provisioning hooks."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from eventflow.events._camel import CamelModel


class IotAuthorizerEvent(CamelModel):
    """May this client connect? ``protocol_data`` has a part per protocol: tls, http, mqtt."""

    token: str | None = Field(default=None, repr=False)
    signature_verified: bool | None = None
    protocols: list[str]
    protocol_data: dict[str, Any] = Field(repr=False)  # may hold a password
    connection_metadata: dict[str, Any] | None = None


class IotProvisioningEvent(CamelModel):
    """May this thing be provisioned? Answer ``{"allowProvisioning": ..., "parameterOverrides"?}``."""

    claim_certificate_id: str
    certificate_id: str
    certificate_pem: str | None = None
    template_arn: str
    client_id: str | None = None
    parameters: dict[str, Any] | None = None
