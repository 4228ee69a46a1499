"""A session with one link to read a queue by.

proton's objects hold each other, and a link that is let go of after its session was freed is freed twice, which ends
the process. So proton's objects stay with whoever opened them, never in what others are given, and are let go of as
soon as they are closed, in the one order that is safe: deliveries, then links, then their session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proton import Described, Terminus, symbol

from eventflow_activemq.messages import QUEUE_PREFIX

if TYPE_CHECKING:
    from eventflow_activemq.connection import Connection, LinkOwner

SELECTOR: Final = symbol("apache.org:selector-filter:string")


class Reader:
    """Opens a session and its link; ``owner`` is told what happens to them, and flushes the connection once it has the
    reader. ``browsing`` takes no messages away.

    ``link`` is there until the reader is closed.
    """

    def __init__(
        self, connection: Connection, owner: LinkOwner, queue: str, selector: str | None, *, browsing: bool = False
    ) -> None:
        self._connection = connection
        self._session = connection.session()
        self.link = connection.receiver(self._session, owner)
        self.link.source.address = f"{QUEUE_PREFIX}{queue}"
        if browsing:
            self.link.source.distribution_mode = Terminus.DIST_MODE_COPY
        if selector is not None:
            self.link.source.filter.put_dict({symbol("selector"): Described(SELECTOR, selector)})
        self.link.open()

    def close(self) -> None:
        """End the session: the broker has back what was not settled. Its owner is told nothing more."""
        self._connection.forget(self.link)
        del self.link
        self._session.close()
        del self._session
        self._connection.flush()
