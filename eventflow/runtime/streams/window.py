"""Tumbling windows: the state that a function carries from batch to batch of one partition.

Source: Lambda guide: with-kinesis: stateful processing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from eventflow.model import limits
from eventflow.policy.batches import Window, window_of

if TYPE_CHECKING:
    from eventflow.model.json import JsonObject
    from eventflow.model.records import PartitionId

GRACE_SECONDS: Final = 5.0
"""How long after a window's end an idle partition is still given to bring records of it; Lambda takes up to two
minutes."""

_NO_STATE: Final = "{}"


class TumblingWindow:
    """The window of a partition that is open now, if any, and the function's state in it.

    Boundaries are multiples of the length, on arrival time. A record that arrived before the open window (clocks
    are not perfect) counts as one of it: windows never go back.
    """

    __slots__ = ("_length", "_state", "bounds")

    def __init__(self, length: int, restored: str | None = None) -> None:
        """``restored`` is what ``checkpoint`` returned before a restart."""
        self._length = length
        self._state = _NO_STATE
        self.bounds: Window | None = None
        if restored is not None:
            saved = json.loads(restored)
            self.bounds = window_of(saved["window"], length)
            self._state = json.dumps(saved["state"])

    @property
    def is_open(self) -> bool:
        """Whether the window has begun; a final invocation is then due at its end."""
        return self.bounds is not None

    @property
    def outgrown(self) -> bool:
        """Whether the state is too large to be carried on, so that the window ends early."""
        return len(self._state) > limits.WINDOW_STATE_BYTES

    def accepts(self, timestamp: float) -> bool:
        """Whether a record that arrived at ``timestamp`` may go into the next batch."""
        return self.bounds is None or timestamp < self.bounds.end

    def enter(self, timestamp: float) -> None:
        """A record that is accepted comes in: the first one opens the window."""
        if self.bounds is None:
            self.bounds = window_of(timestamp, self._length)

    def update(self, state: JsonObject) -> None:
        """The function returned ``state``."""
        self._state = json.dumps(state)

    def close(self) -> None:
        """The final invocation is done, or given up; the next window starts with nothing."""
        self.bounds = None
        self._state = _NO_STATE

    def checkpoint(self) -> str | None:
        """What must survive with the position, as JSON text; ``None`` while no window is open."""
        if self.bounds is None:
            return None
        return f'{{"window": {self.bounds.start}, "state": {self._state}}}'

    def keys(self, partition: PartitionId, arn: str, *, final: bool) -> JsonObject:
        """What the window adds to an event; the state is the handler's to change."""
        if self.bounds is None:
            raise ValueError("no window is open")
        return {
            "window": self.bounds.to_wire(),
            "state": json.loads(self._state),
            "shardId": partition,
            "eventSourceARN": arn,
            "isFinalInvokeForWindow": final,
            "isWindowTerminatedEarly": final and self.outgrown,
        }
