"""The messages of one channel that are not settled yet, in the order in which the broker handed them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiormq.abc import DeliveredMessage


class Subscription:
    """One consumer of the queue: the broker hands out at most ``prefetch`` messages to it that are not settled.

    ``unsettled`` are those, ``waiting`` those of them that are to come back later: their places are not free.
    """

    __slots__ = ("prefetch", "tag", "unsettled", "waiting")

    def __init__(self, tag: str, prefetch: int) -> None:
        self.tag = tag
        self.prefetch = prefetch
        self.unsettled = 0
        self.waiting = 0

    @property
    def credit(self) -> int:
        """How many more may come."""
        return self.prefetch - self.unsettled


class Holding:
    """One message. ``busy`` says that a word about it is on its way to the broker, ``waiting`` that it is to come back
    later; nobody else may say anything about it then."""

    __slots__ = ("busy", "delivery_tag", "message", "subscription", "waiting")

    def __init__(self, delivery_tag: int, message: DeliveredMessage, subscription: Subscription | None) -> None:
        self.delivery_tag = delivery_tag
        self.message: DeliveredMessage | None = message
        self.subscription = subscription
        self.busy = False
        self.waiting = False


class Acknowledgement(NamedTuple):
    """One frame: up to and including its tag if it is for several."""

    delivery_tag: int
    holdings: list[tuple[str, Holding]]

    @property
    def multiple(self) -> bool:
        return len(self.holdings) > 1


class Holdings:
    """What is held, by receipt."""

    def __init__(self) -> None:
        self._held: dict[str, Holding] = {}

    def __len__(self) -> int:
        return len(self._held)

    def add(self, receipt: str, holding: Holding) -> None:
        """The broker has handed out one more, with a higher tag than all before."""
        self._held[receipt] = holding
        if holding.subscription is not None:
            holding.subscription.unsettled += 1

    def ours(self, receipts: Iterable[str]) -> dict[str, Holding]:
        """Those of the receipts about which something may be said."""
        found: dict[str, Holding] = {}
        for receipt in receipts:
            holding = self._held.get(receipt)
            if holding is not None and not holding.busy and not holding.waiting:
                found[receipt] = holding
        return found

    def acknowledgements(self, ours: dict[str, Holding]) -> list[Acknowledgement]:
        """As few frames as there can be: one for all that lie before anything else that is held, one each for the
        rest."""
        first: list[tuple[str, Holding]] = []
        for receipt, holding in self._held.items():
            if receipt not in ours:
                break
            first.append((receipt, holding))
            if len(first) == len(ours):
                break
        together = [Acknowledgement(first[-1][1].delivery_tag, first)] if first else []
        if len(first) == len(ours):
            return together
        front = {receipt for receipt, _ in first}
        return together + [
            Acknowledgement(holding.delivery_tag, [(receipt, holding)])
            for receipt, holding in ours.items()
            if receipt not in front
        ]

    def remove(self, receipt: str) -> Holding | None:
        """The broker was told about it: its place is free again."""
        holding = self._held.pop(receipt, None)
        if holding is not None and holding.subscription is not None:
            holding.subscription.unsettled -= 1
            holding.subscription.waiting -= holding.waiting
        return holding

    def clear(self) -> None:
        """All of it is somebody else's."""
        self._held.clear()

    def get(self, receipt: str) -> Holding | None:
        """One message; ``None`` if it is not held."""
        return self._held.get(receipt)

    def wait(self, holding: Holding) -> None:
        """It is to come back later."""
        holding.waiting = True
        if holding.subscription is not None:
            holding.subscription.waiting += 1
