"""Giving up messages that failed too often, where their queue has no redrive policy that Lambda would leave it to."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from eventflow.errors import UnavailableError
from eventflow.model.destinations import Condition, OutboundMessage, Service
from eventflow.model.invocation import iso_milliseconds
from eventflow.policy.batches import NO_LIMIT
from eventflow.policy.destination_messages import object_key
from eventflow.policy.settlement import Settlement
from eventflow.runtime.metrics import DropReason

if TYPE_CHECKING:
    from eventflow.model.destinations import Destination
    from eventflow.model.json import JsonObject
    from eventflow.model.records import QueueRecord
    from eventflow.runtime.queues.mapping import QueueMappingRun

_log = logging.getLogger(__name__)


class GivingUp:
    """Gives up the records of one mapping."""

    def __init__(self, run: QueueMappingRun) -> None:
        self._run = run

    async def give_up(self, settlement: Settlement) -> Settlement:
        """The settlement, after what failed for the last time went to the on-failure destination: that is deleted
        then, and no longer left."""
        most = self._run.plan.mapping.maximum_retry_attempts
        if most is None or most == NO_LIMIT:
            return settlement
        lost = self._run.leases.lost
        last = [record for record in settlement.leave if record.receive_count > most]
        gone = [record for record in last if record.receipt_handle not in lost and await self._part_with(record)]
        receipts = {record.receipt_handle for record in gone}
        return Settlement(
            delete=(*settlement.delete, *gone),
            leave=tuple(record for record in settlement.leave if record.receipt_handle not in receipts),
        )

    async def _part_with(self, record: QueueRecord) -> bool:
        """Put one record where it belongs; false if that cannot be reached, so that the record has to come back."""
        run, destination = self._run, self._run.plan.mapping.on_failure
        what = f"{run.part}: message {record.message_id} was given up after {record.receive_count} deliveries"
        if destination is None:
            run.metrics.dropped[(*run.key, DropReason.NO_DESTINATION)] += 1
            _log.error("%s, and there is no on_failure destination", what)
            return True
        try:
            await run.failures.deliver(run.function_name, destination, [self._message(record, destination)])
        except UnavailableError as exc:
            _log.warning("%s, but comes back: %s", what, exc)
            return False
        _log.warning("%s, and went to %s", what, destination)
        return True

    def _message(self, record: QueueRecord, destination: Destination) -> OutboundMessage:
        run = self._run
        now = run.clock.time()
        body = json.dumps(self._record(record, now=now), separators=(",", ":")).encode()
        if destination.service is not Service.S3:
            return OutboundMessage(body=body)
        prefix = f"aws/lambda/{run.mapping_id}"
        unique = run.entry.invoker.environment.next_request_id()
        return OutboundMessage(body=body, key=object_key(prefix, now, unique))

    def _record(self, record: QueueRecord, *, now: float) -> JsonObject:
        """In the manner of Lambda's records of other sources; with the message itself, which is nowhere else."""
        run = self._run
        return {
            "requestContext": {
                "functionArn": run.function_arn,
                "condition": str(Condition.RETRY_ATTEMPTS_EXHAUSTED),
                "approximateInvokeCount": record.receive_count,
            },
            "version": "1.0",
            "timestamp": iso_milliseconds(now),
            "payload": run.plan.codec.wire_event([record], run.source.identity),
        }
