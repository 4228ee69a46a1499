"""The command line leaves nothing behind in this process: see ``tests/cli/conftest``."""

from __future__ import annotations

from tests.cli.conftest import _clean_environment, _imports_are_forgotten, _logging_is_restored

__all__ = ["_clean_environment", "_imports_are_forgotten", "_logging_is_restored"]
