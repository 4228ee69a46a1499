"""Contract cases on the embedded adapter, in memory and in a directory, both on virtual time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.contract.embedded import Embedded

KINDS = "event_queue fifo filter notification progress queue rebalance settling sink stream"
for _kind in KINDS.split():
    if (_module := f"eventflow.testing.{_kind}_cases") not in sys.modules:
        pytest.register_assert_rewrite(_module)


@pytest.fixture(params=["memory", "directory"])
def embedded(request: pytest.FixtureRequest, tmp_path: Path) -> Embedded:
    """One environment per test: nothing in it yet."""
    return Embedded(None if request.param == "memory" else tmp_path / "data")
