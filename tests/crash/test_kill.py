"""A few rounds of what ``python -m tests.crash --rounds 20`` does at length."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.harness import Crashes


@pytest.mark.timeout(400)
def test_nothing_accepted_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    count = Crashes(tmp_path, seed=7).run(3, longest_seconds=2.0)
    assert count.accepted > 100
    assert count.missing == []
