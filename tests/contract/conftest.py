"""Contract cases on the embedded adapter, in memory and in a directory, both on virtual time."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.embedded import Embedded

KINDS = "event_queue fifo filter notification progress queue rebalance settling sink stream"
for _kind in KINDS.split():
    if (_module := f"eventflow.testing.{_kind}_cases") not in sys.modules:
        pytest.register_assert_rewrite(_module)


@pytest.fixture(scope="module")
def forgotten_sockets() -> Iterator[None]:
    """PyMongo forgets the socket of a connection that is cancelled while it is made. Garbage is collected while the
    module that asks for this still ignores warnings of it; otherwise a later test would be blamed."""
    yield
    gc.collect()


@pytest.fixture(params=["memory", "directory"])
def embedded(request: pytest.FixtureRequest, tmp_path: Path) -> Embedded:
    """One environment per test: nothing in it yet."""
    return Embedded(None if request.param == "memory" else tmp_path / "data")
