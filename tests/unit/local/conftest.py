from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(params=["memory", "directory"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Where the environment keeps its data: every test that asks runs twice, once with ``None`` for memory."""
    return None if request.param == "memory" else tmp_path / "data"
