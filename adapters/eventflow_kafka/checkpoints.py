"""Progress of a partition as a consumer group keeps it: the offset to go on at, and up to 4 KB of text.

Kafka's default for ``offset.metadata.max.bytes`` is 4096: a larger state is refused by the cluster when it is
committed, unless it was told otherwise.
"""

from __future__ import annotations

from typing import Final

from eventflow.model.records import Checkpoint

START: Final = "eventflow-start"
"""The text of an offset at which reading begins; nothing is done yet."""
_STATE: Final = "eventflow-state:"


def encode(checkpoint: Checkpoint) -> tuple[int, str]:
    """The offset and text to commit."""
    return int(checkpoint.position) + 1, "" if checkpoint.state is None else _STATE + checkpoint.state


def decode(offset: int, text: str | None) -> Checkpoint | None:
    """What an offset and its text say is done; ``None`` if nothing. Texts of others are left alone."""
    if text == START or offset == 0:
        return None
    state = text.removeprefix(_STATE) if text and text.startswith(_STATE) else None
    return Checkpoint(position=offset - 1, state=state)
