"""A few thousand records of what ``python -m tests.soak.kafka --records 200000`` does at length."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.fixtures import installed
from tests.soak.kafka.harness import FUNCTIONS, Soak


@pytest.mark.timeout(600)
def test_no_record_is_lost_or_overtaken_while_members_and_broker_come_and_go(tmp_path: Path) -> None:
    with installed():
        soak = Soak(tmp_path, records=4_000, partitions=4, keys=50)
        counts = soak.run()
    assert counts.keys() == set(FUNCTIONS)
    for name, count in counts.items():
        assert count.is_right, f"{name}: {count}"
        assert count.handled == 4_000
        assert count.processes > 3
    assert soak.failures()
