"""Faults on purpose: a port is wrapped, and a script says which calls go wrong, and how. ::

    faulty = FaultyQueueSource(queue, {("delete", 1): lose_reply, ("receive", 2): unavailable, ("release", 1): hang})

The first delete takes effect but its answer is lost, the second receive fails, the first release never returns.
Calls are counted from 1 for each operation; :data:`EVERY` stands for all that have no entry of their own. The
script is looked up at every call, so a test may change it while it runs: ``script.clear()`` ends an outage.

A whole app runs on faults through an adapter::

    FaultyAdapter(adapter, {"sqs:orders": {("delete", 1): lose_reply}, "sns:alerts": {("send", EVERY): unavailable}})

A test that proves nothing unless its faults happened asserts that ``unused`` is empty.
"""

from eventflow.testing.faults.adapter import FaultyAdapter
from eventflow.testing.faults.ports import (
    FaultyEventQueueStore,
    FaultyNotificationSource,
    FaultyQueueSource,
    FaultySink,
    FaultyStreamSource,
)
from eventflow.testing.faults.script import (
    EVERY,
    Call,
    Fault,
    Faults,
    Script,
    delay,
    duplicate,
    expire_receipt,
    failing,
    hang,
    interrupt,
    lose_lease,
    lose_reply,
    missing,
    refuse,
    unavailable,
)

__all__ = [
    "EVERY",
    "Call",
    "Fault",
    "Faults",
    "FaultyAdapter",
    "FaultyEventQueueStore",
    "FaultyNotificationSource",
    "FaultyQueueSource",
    "FaultySink",
    "FaultyStreamSource",
    "Script",
    "delay",
    "duplicate",
    "expire_receipt",
    "failing",
    "hang",
    "interrupt",
    "lose_lease",
    "lose_reply",
    "missing",
    "refuse",
    "unavailable",
]
