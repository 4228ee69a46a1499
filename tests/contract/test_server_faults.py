"""``docs/server-faults.md`` lists every case that is skipped for a server's fault, and no other."""

from __future__ import annotations

from pathlib import Path

from tests.contract import (
    test_aws_event_queue,
    test_aws_notifications,
    test_aws_queue_sink,
    test_aws_queues,
    test_aws_stream_sinks,
    test_aws_streams,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "server-faults.md"
MODULES = (
    test_aws_event_queue,
    test_aws_notifications,
    test_aws_queue_sink,
    test_aws_queues,
    test_aws_stream_sinks,
    test_aws_streams,
)


def rows() -> list[str]:
    return [
        f"| {server} | `{case}` | {fault} |"
        for module in MODULES
        for (server, case), fault in sorted(module.FAULTS.items())
    ]


def test_the_document_has_every_fault_and_no_other() -> None:
    written = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ") and "`" in line]
    assert sorted(written) == sorted(dict.fromkeys(rows()))
