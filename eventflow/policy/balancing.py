"""Who gets which partition."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def balance(assignees: Mapping[str, str | None], members: Collection[str]) -> dict[str, str | None]:
    """Spread partitions over members: counts differ by at most one, and as few partitions move as possible."""
    if not members:
        return dict.fromkeys(assignees, None)
    partitions = sorted(assignees)
    kept = {member: [name for name in partitions if assignees[name] == member] for member in members}
    richest_first = sorted(members, key=lambda member: (-len(kept[member]), member))
    quota, larger = divmod(len(partitions), len(members))
    result: dict[str, str | None] = {}
    places: list[str] = []
    for rank, member in enumerate(richest_first):
        size = quota + (rank < larger)
        result.update(dict.fromkeys(kept[member][:size], member))
        places.extend([member] * (size - len(kept[member])))
    unplaced = (name for name in partitions if name not in result)
    result.update(zip(unplaced, places, strict=True))
    return result
