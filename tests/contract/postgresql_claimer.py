"""A process that claims events and never settles them: ``python -m tests.contract.postgresql_claimer DSN QUEUE N``.

Prints when it began (epoch seconds), the request id of each, the last of them an event of its own, and waits to be
killed.
"""

from __future__ import annotations

import asyncio
import sys
import time

from tests.contract.postgresql import new_event, postgresql_queue, take

LEASE_SECONDS = 2


async def claim(dsn: str, queue: str, number: int) -> None:
    async with postgresql_queue(dsn, queue, lease_seconds=LEASE_SECONDS) as store:
        sys.stdout.write(f"{time.time()}\n")
        claimed = await take(store, number)
        own = new_event()
        assert await store.put(own, claim=True)
        for event in (*claimed, own):
            sys.stdout.write(f"{event.request_id}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(claim(sys.argv[1], sys.argv[2], int(sys.argv[3])))
