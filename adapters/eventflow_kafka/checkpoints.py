"""Progress of a partition as a consumer group keeps it: the offset to go on at, and up to 4 KB of text.

Kafka's default for ``offset.metadata.max.bytes`` is 4096: a larger state is refused by the cluster when it is
committed, unless it was told otherwise.
"""

from __future__ import annotations

from typing import Final

from eventflow.model.records import Checkpoint
from eventflow_kafka.ahead import Ahead

START: Final = "eventflow-start"
"""The text of an offset at which reading begins; nothing is done yet."""
TEXT_CHARACTERS: Final = 4096
_STATE: Final = "eventflow-state:"
_AHEAD: Final = "eventflow-ahead:"


def encode(checkpoint: Checkpoint, before: Ahead | None = None) -> tuple[int, str]:
    """The offset and text to commit, given what was done ahead of the offset at which reading began. There is a state,
    or something ahead, and never both: records of a window are worked on in order."""
    offset = int(checkpoint.position) + 1
    if checkpoint.state is not None:
        return offset, _STATE + checkpoint.state
    end = offset if checkpoint.reached is None else int(checkpoint.reached) + 1
    ahead = (before or Ahead()).then(offset, end=end, pending=map(int, checkpoint.pending))
    text = ahead.to_text(TEXT_CHARACTERS - len(_AHEAD))
    return ahead.first, _AHEAD + text if text else ""


def decode(offset: int, text: str | None) -> Checkpoint | None:
    """What an offset and its text say is done; ``None`` if nothing. Texts of others are left alone."""
    text = text or ""
    if text == START or (offset == 0 and not text.startswith((_STATE, _AHEAD))):
        return None
    return Checkpoint(position=offset - 1, state=text.removeprefix(_STATE) if text.startswith(_STATE) else None)


def decode_ahead(offset: int, text: str | None) -> Ahead:
    """What they say is done ahead of the offset; nothing, if they cannot be understood."""
    if not text or not text.startswith(_AHEAD):
        return Ahead()
    try:
        return Ahead.from_text(offset, text.removeprefix(_AHEAD))
    except ValueError:
        return Ahead()
