"""Partial batch responses: which records of a batch a handler reported as failed."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class PartialResult(NamedTuple):
    """Indices into the batch of the records that failed, ascending. A complete failure lists all of them."""

    failed: tuple[int, ...]
    complete_failure: bool = False

    @property
    def success(self) -> bool:
        """Whether the whole batch succeeded."""
        return not self.failed and not self.complete_failure


SUCCESS: Final = PartialResult(())


def failed_identifiers(response: object, identifiers: Sequence[object]) -> PartialResult:
    """Read ``{"batchItemFailures": [{"itemIdentifier": ...}]}`` for the batch whose records have ``identifiers``.

    Nothing, or nothing listed, is success. A response of any other shape, an identifier that is missing or empty
    and one that is not in the batch are complete failures. Kafka's identifiers are objects. If several records share
    an identifier, all of them failed. Source: Lambda guide: with-sqs, with-kinesis: reporting batch item failures.
    """
    if _is_nothing(response):
        return SUCCESS
    if not isinstance(response, Mapping):
        return _complete_failure(identifiers)
    items = response.get("batchItemFailures")
    if items is None or (isinstance(items, list | tuple) and not items):
        return SUCCESS
    if not isinstance(items, list | tuple):
        return _complete_failure(identifiers)
    return _listed(items, identifiers)


def first_failed(response: object, identifiers: Sequence[object]) -> int | None:
    """For ordered sources: the index of the first record to run again, everything behind it included. ``None`` is
    success, 0 a complete failure."""
    result = failed_identifiers(response, identifiers)
    if result.complete_failure:
        return 0
    return result.failed[0] if result.failed else None


def _listed(items: Sequence[object], identifiers: Sequence[object]) -> PartialResult:
    positions: dict[Hashable, list[int]] = {}
    for index, identifier in enumerate(identifiers):
        positions.setdefault(_key(identifier), []).append(index)
    failed: set[int] = set()
    for item in items:
        identifier = item.get("itemIdentifier") if isinstance(item, Mapping) else None
        key = _key(identifier)
        if identifier is None or identifier == "" or key not in positions:
            return _complete_failure(identifiers)
        failed.update(positions[key])
    return PartialResult(tuple(sorted(failed)))


def _complete_failure(identifiers: Sequence[object]) -> PartialResult:
    return PartialResult(tuple(range(len(identifiers))), complete_failure=True)


def _is_nothing(response: object) -> bool:
    return response is None or (isinstance(response, str | list | tuple) and not response)


def _key(identifier: object) -> Hashable:
    """A hashable stand-in for a JSON value. Objects compare by content, and ``true`` is not 1."""
    match identifier:
        case Mapping():
            return frozenset((name, _key(value)) for name, value in identifier.items())
        case list() | tuple():
            return tuple(_key(value) for value in identifier)
        case bool():
            return (bool, identifier)
        case str() | int() | float() | bytes() | None:
            return identifier
        case _:
            return (type(identifier), repr(identifier))
