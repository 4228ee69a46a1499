"""Log records that CloudWatch Logs sends, and alarms that act. Source: CloudWatch Logs guide: subscription filters;
CloudWatch guide: alarms, Lambda actions."""

from __future__ import annotations

import json
import zlib
from typing import Any, Final

from eventflow.errors import EventValidationError
from eventflow.events._base import EventModel
from eventflow.events._camel import CamelModel
from eventflow.events._wire import decode_base64

MAXIMUM_DATA_BYTES: Final = 64 * 1024 * 1024
"""Log records unpacked: far more than the 6 MB of an event can honestly hold."""
_GZIP: Final = 16 + zlib.MAX_WBITS


class CloudWatchLogEvent(CamelModel):
    """One line of a log. ``timestamp`` is in milliseconds."""

    id: str
    timestamp: int
    message: str
    extracted_fields: dict[str, Any] | None = None


class CloudWatchLogs(CamelModel):
    """Lines of one stream. ``message_type`` is DATA_MESSAGE, or CONTROL_MESSAGE, which only tests the way."""

    message_type: str
    owner: str
    log_group: str
    log_stream: str
    subscription_filters: list[str]
    log_events: list[CloudWatchLogEvent]
    policy_level: str | None = None


class CloudWatchLogsData(EventModel):
    """``data`` is JSON, compressed with gzip, in base64."""

    data: str


class CloudWatchLogsEvent(EventModel):
    """Lines of a log that passed a subscription filter."""

    awslogs: CloudWatchLogsData

    def logs(self) -> CloudWatchLogs:
        """The lines, unpacked. Raises EventValidationError if they cannot be."""
        unpacking = zlib.decompressobj(_GZIP)
        try:
            text = unpacking.decompress(decode_base64(self.awslogs.data), MAXIMUM_DATA_BYTES)
            if unpacking.unconsumed_tail:
                raise ValueError(f"it has more than {MAXIMUM_DATA_BYTES:,} bytes")
            content = json.loads(text)
        except (ValueError, zlib.error) as exc:
            raise EventValidationError("awslogs.data", [("", f"cannot be unpacked: {exc}")]) from exc
        return CloudWatchLogs.model_validate(content)


class CloudWatchAlarmState(CamelModel):
    value: str | None = None
    reason: str | None = None
    reason_data: str | None = None
    timestamp: str | None = None


class CloudWatchAlarmData(CamelModel):
    alarm_name: str
    state: CloudWatchAlarmState | None = None
    previous_state: CloudWatchAlarmState | None = None
    configuration: dict[str, Any] | None = None


class CloudWatchAlarmEvent(CamelModel):
    """An alarm changed its state."""

    source: str | None = None
    alarm_arn: str
    account_id: str | None = None
    time: str | None = None
    region: str | None = None
    alarm_data: CloudWatchAlarmData
