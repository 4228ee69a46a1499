"""The kinds of fault, and what carries a script of them out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

import anyio

from eventflow.errors import (
    AdapterError,
    InvalidMessageError,
    LeaseLostError,
    ResourceNotFoundError,
    UnavailableError,
)

T = TypeVar("T")
Perform: TypeAlias = Callable[[], Awaitable[T]]

EVERY: Final = 0
"""In a script: every call of the operation."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call of a wrapped port, in the hands of a fault.

    ``proceed`` does what was asked for. ``twice`` does it twice, ``expire`` does it after the receipts or claims
    involved ran out; both are ``None`` for operations where that has no meaning.
    """

    resource: str
    operation: str
    number: int
    proceed: Perform[T]
    twice: Perform[T] | None = None
    expire: Perform[T] | None = None

    def __str__(self) -> str:
        return f"{self.operation}, call {self.number}"


class Fault(Protocol):
    """What goes wrong with a call: any coroutine function like this one is a fault."""

    async def __call__(self, call: Call[T], /) -> T: ...


Script: TypeAlias = Mapping[tuple[str, int], Fault]
"""Which calls go wrong: by operation (the port's method) and number."""


# The kinds of fault


def failing(error: type[AdapterError]) -> Fault:
    """Nothing is done, and the call raises ``error``."""

    async def fail(call: Call[T]) -> T:
        raise error(call.resource, f"{call}: a scripted fault")

    return fail


unavailable: Final = failing(UnavailableError)
"""Nothing is done: the service cannot be reached."""
refuse: Final = failing(InvalidMessageError)
"""Nothing is done: the service does not take this message, now or later."""
missing: Final = failing(ResourceNotFoundError)
"""Nothing is done: the queue, topic or stream is gone."""
lose_lease: Final = failing(LeaseLostError)
"""Nothing is done: somebody else owns the partition."""


async def lose_reply(call: Call[T]) -> T:
    """It is done, but the caller is told that the service cannot be reached."""
    await call.proceed()
    raise UnavailableError(call.resource, f"{call}: a scripted fault lost the reply")


async def hang(call: Call[T]) -> T:
    """Nothing is done, and the call does not return until it is cancelled."""
    while True:
        await anyio.sleep_forever()


async def duplicate(call: Call[T]) -> T:
    """It is done twice: a message is stored twice, records received once are handed out again."""
    if call.twice is None:
        raise ValueError(f"{call.resource}: {call.operation} cannot be duplicated")
    return await call.twice()


async def expire_receipt(call: Call[T]) -> T:
    """The receipts of these records, or claims of these events, run out first: others may have them.

    On ``receive`` what is handed out has run out already. Whatever the caller does with it later is too late.
    """
    if call.expire is None:
        raise ValueError(f"{call.resource}: {call.operation} involves no receipt that could expire")
    return await call.expire()


def delay(seconds: float) -> Fault:
    """It is done, but only after a while."""

    async def late(call: Call[T]) -> T:
        await anyio.sleep(seconds)
        return await call.proceed()

    return late


def interrupt(seconds: float) -> Fault:
    """It is begun, and broken off after a while: the connection of a ``run`` is lost."""

    async def broken_off(call: Call[T]) -> T:
        with anyio.move_on_after(seconds):
            return await call.proceed()
        raise UnavailableError(call.resource, f"{call}: a scripted fault broke it off after {seconds} s")

    return broken_off


# What carries a script out


class Faults:
    """Carries a script out over the calls to one resource, whichever objects they come from."""

    def __init__(self, resource: str, script: Script, *, operations: Collection[str]) -> None:
        for operation, number in script:
            if operation not in operations:
                known = ", ".join(sorted(operations))
                raise ValueError(f"{resource}: no operation {operation!r} to go wrong; known: {known}")
            if number < EVERY:
                raise ValueError(f"{resource}: calls of {operation} are counted from 1, not {number}")
        self.resource = resource
        self._script = script
        self._calls: Counter[str] = Counter()
        self._used: set[tuple[str, int]] = set()

    @property
    def calls(self) -> Mapping[str, int]:
        """How often each operation was called."""
        return dict(self._calls)

    @property
    def unused(self) -> set[tuple[str, int]]:
        """Entries of the script that no call has met."""
        return set(self._script) - self._used

    async def apply(
        self,
        operation: str,
        proceed: Perform[T],
        *,
        twice: Perform[T] | None = None,
        expire: Perform[T] | None = None,
    ) -> T:
        """Do ``proceed``, or what the script says instead."""
        self._calls[operation] += 1
        number = self._calls[operation]
        for key in ((operation, number), (operation, EVERY)):
            if fault := self._script.get(key):
                self._used.add(key)
                return await fault(Call(self.resource, operation, number, proceed, twice, expire))
        return await proceed()


def repeated(proceed: Perform[T]) -> Perform[T]:
    """Twice the effect, and the first result."""

    async def twice() -> T:
        result = await proceed()
        await proceed()
        return result

    return twice
