from __future__ import annotations

import pytest

from eventflow.errors import UnavailableError
from eventflow_mongodb.faults import DRIVERS_LOCK, translated


def test_a_wait_for_a_server_that_the_driver_gets_wrong_is_an_outage() -> None:
    with pytest.raises(UnavailableError, match="no server to ask"), translated("documentdb:shop", "reading a lease"):
        raise RuntimeError(DRIVERS_LOCK)


def test_other_errors_of_the_runtime_are_nobodys_outage() -> None:
    with pytest.raises(RuntimeError, match="a mistake"), translated("documentdb:shop", "reading a lease"):
        raise RuntimeError("a mistake")
