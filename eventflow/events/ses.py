"""Mail that SES received. Source: SES guide: receiving e-mail, Lambda action."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from eventflow.events._base import EventModel
from eventflow.events._camel import CamelModel


class SesHeader(CamelModel):
    name: str
    value: str


class SesMail(CamelModel):
    """What the mail says of itself; its body is not part of the event."""

    timestamp: str
    source: str
    message_id: str
    destination: list[str]
    headers_truncated: bool | None = None
    headers: list[SesHeader] | None = None
    common_headers: dict[str, Any] | None = None


class SesVerdict(CamelModel):
    """``PASS``, ``FAIL``, ``GRAY`` or ``PROCESSING_FAILED``."""

    status: str


class SesReceipt(CamelModel):
    """What SES found out about the mail."""

    timestamp: str
    processing_time_millis: int | None = None
    recipients: list[str]
    spam_verdict: SesVerdict | None = None
    virus_verdict: SesVerdict | None = None
    spf_verdict: SesVerdict | None = None
    dkim_verdict: SesVerdict | None = None
    dmarc_verdict: SesVerdict | None = None
    dmarc_policy: str | None = None
    action: dict[str, Any] | None = None


class SesMessage(CamelModel):
    mail: SesMail
    receipt: SesReceipt


class SesRecord(CamelModel):
    event_source: str
    event_version: str | None = None
    ses: SesMessage


class SesEvent(EventModel):
    """One mail. A rule that waits for the function takes ``{"disposition": "CONTINUE"}``, ``STOP_RULE`` or
    ``STOP_RULE_SET``."""

    records: list[SesRecord] = Field(alias="Records", min_length=1)
