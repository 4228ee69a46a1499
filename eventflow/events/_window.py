"""What a tumbling window adds to the events of a stream."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from eventflow.events._base import EventModel


class TumblingWindow(EventModel):
    """The window's bounds as ISO 8601 text: ``start`` belongs to it, ``end`` does not."""

    start: str
    end: str


class WindowedEvent(EventModel):
    """Base of stream events. The fields are set only for a function with a tumbling window.

    ``state`` is ``{}`` on the first invocation of a window, afterwards what the function returned last.
    Source: Lambda guide: with-kinesis, stateful processing.
    """

    model_config = ConfigDict(alias_generator=to_camel)

    window: TumblingWindow | None = None
    state: dict[str, Any] | None = None
    shard_id: str | None = None
    event_source_arn: str | None = Field(default=None, alias="eventSourceARN")
    is_final_invoke_for_window: bool | None = None
    is_window_terminated_early: bool | None = None
