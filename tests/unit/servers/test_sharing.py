"""What a module opens once is opened once, however many processes run the tests."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", params=["one", "other"])
def opened(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.mark.parametrize("number", range(3))
def test_tests_of_one_module_fixture_stay_in_one_process(
    opened: str, number: int, request: pytest.FixtureRequest
) -> None:
    [mark] = request.node.iter_markers("xdist_group")
    assert mark.args == (f"test_sharing-{opened}",)
    if hasattr(request.config, "workerinput"):
        assert request.node.nodeid.endswith(f"@test_sharing-{opened}"), "pytest-xdist sees no groups any more"
