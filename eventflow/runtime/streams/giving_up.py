"""Giving records up: to the on-failure destination, or with a line in the log and a count."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from eventflow.errors import UnavailableError
from eventflow.model.destinations import Condition
from eventflow.policy.retry import destination_backoff
from eventflow.runtime.metrics import DropReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.model.destinations import Destination, OutboundMessage
    from eventflow.runtime.streams.failure_records import GivenUp
    from eventflow.runtime.streams.mapping_run import MappingRun
    from eventflow.runtime.streams.pauses import Pauses

_log = logging.getLogger(__name__)


class GivingUp:
    """Gives up the records of one partition."""

    def __init__(self, run: MappingRun, pauses: Pauses) -> None:
        self._run = run
        self._pauses = pauses

    async def give_up(self, given_up: GivenUp) -> bool:
        """Put the records where they belong. True when that is done for good, so that the partition may move on;
        false if it was told to stop first."""
        destination = self._run.mapping.on_failure
        if destination is None:
            self._drop(given_up)
            return True
        messages = self._run.failure_records.messages(
            given_up, destination, now=self._run.clock.time(), unique=self._run.next_request_id
        )
        delivered = await self._deliver(destination, messages)
        if delivered:
            _log.warning("%s, and went to %s", _described(given_up), destination)
        return delivered

    async def _deliver(self, destination: Destination, messages: Sequence[OutboundMessage]) -> bool:
        run, failures, part = self._run, 0, f"{self._run.part} on_failure"
        while not self._pauses.stopped:
            try:
                await run.failures.deliver(run.function.name, destination, messages)
            except UnavailableError as exc:
                failures += 1
                run.report(part, str(exc))
                await self._pauses.sleep(destination_backoff(failures, jitter=run.random()))
            else:
                if failures:
                    run.report(part, None)
                return True
        return False

    def _drop(self, given_up: GivenUp) -> None:
        oversized = given_up.condition is Condition.MAXIMUM_PAYLOAD_SIZE_EXCEEDED
        reason = DropReason.OVERSIZED if oversized else DropReason.NO_DESTINATION
        # The final invocation of a window has no records, but a result that nobody gets.
        self._run.metrics.dropped[(*self._run.key, reason)] += max(1, given_up.span.size)
        _log.error("%s, and %s has no on_failure destination", _described(given_up), self._run.part)


def _described(given_up: GivenUp) -> str:
    span = given_up.span
    return (
        f"{given_up.partition}: {span.size} records from {span.first_position} to {span.last_position} "
        f"were given up after {given_up.invoke_count} failed invocations ({given_up.condition})"
    )
