"""Reading a Kinesis stream of four shards: eventflow, with its leases and checkpoints, against a loop of one's own
without either.

The stream is a stub that costs next to nothing (:mod:`benchmarks.kinesis_stub`); every contender has a process, and a
stub, of its own.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from benchmarks.consumers import SERVER_CPU, aws_variables, consume
from benchmarks.kinesis_consumers import BASELINE, CONSUMERS
from benchmarks.kinesis_stub import PAGE, SHARDS
from benchmarks.measure import CPU, Contender, Effort, Figures, compare
from benchmarks.processes import Process, module
from benchmarks.report import Report, Table, at_least

RECORDS: Final = 40_000
WARM_UP: Final = 8_000
_MODULE: Final = "benchmarks.kinesis_consumers"


def measure(effort: Effort) -> Report:
    """All contenders."""
    results = compare([Contender(name, partial(on_stub, effort, name)) for name in CONSUMERS], rounds=effort.rounds)
    return Report(
        tables=[Table(f"Kinesis: read {SHARDS} shards, handle, commit", results, CPU, BASELINE)],
        targets=[
            at_least(f"{name}: records per CPU second over {BASELINE}", results.ratio(BASELINE, name, CPU), 0.9)
            for name in CONSUMERS
            if name.startswith("eventflow")
        ],
    )


def on_stub(effort: Effort, name: str) -> Figures:
    """One round of one contender."""
    warm_up, records = effort.items(WARM_UP), effort.items(RECORDS)
    pages = 2 * (warm_up + records) // (SHARDS * PAGE) + 2  # shards are not read in step
    with Process(module("benchmarks.kinesis_stub", str(pages)), cpu=SERVER_CPU) as stub:
        return consume(aws_variables(stub.line()), stub.cpu_seconds, _MODULE, name, warm_up=warm_up, items=records)
