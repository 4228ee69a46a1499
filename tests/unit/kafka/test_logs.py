from __future__ import annotations

import logging

import pytest

from eventflow_kafka.logs import REPEAT_SECONDS, Repeats, without_repeats

LOGGER = logging.getLogger("aiokafka.consumer.fetcher")


def test_errors_that_repeat_are_shown_once(caplog: pytest.LogCaptureFixture) -> None:
    with without_repeats():
        for node in range(5):
            LOGGER.error("Failed fetch messages from %s", node)
        LOGGER.error("another")
    assert [record.getMessage() for record in caplog.records] == ["Failed fetch messages from 0", "another"]


def test_outside_of_an_environment_everything_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        LOGGER.error("Failed fetch")
    assert len(caplog.records) == 2


def test_an_error_is_shown_again_after_a_while() -> None:
    repeats = Repeats()
    record = logging.makeLogRecord({"levelno": logging.ERROR, "msg": "Failed fetch", "created": 1_000.0})
    later = logging.makeLogRecord({**vars(record), "created": record.created + REPEAT_SECONDS})
    assert [repeats.filter(record), repeats.filter(record), repeats.filter(later)] == [True, False, True]
