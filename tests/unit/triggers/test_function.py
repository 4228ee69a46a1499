"""``@function`` takes the settings there are, and refuses others where they are written."""

from __future__ import annotations

import pytest

from eventflow import App, function


def test_an_unknown_setting_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TypeError) as refusal:
        function(reserved_concurrent_executions=0)  # type: ignore[call-overload]  # what is refused at runtime

    assert str(refusal.value) == (
        "@function: there is no setting 'reserved_concurrent_executions'; there are name, timeout_seconds, "
        "memory_limit_mb, reserved_concurrency, maximum_retry_attempts, maximum_event_age_seconds, on_success, "
        "on_failure, dead_letter_queue, isolation"
    )


def test_settings_beside_a_handler_are_not_lost() -> None:
    def audit() -> None: ...

    marked = function(audit, timeout_seconds=60)  # type: ignore[call-overload]  # only a checker tells of it

    assert App([marked]).freeze().functions["audit"].definition.settings.timeout_seconds == 60
