from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import eventflow.events
from eventflow.events import _MODULES


def test_every_public_name_can_be_imported() -> None:
    for name in eventflow.events.__all__:
        assert getattr(eventflow.events, name) is not None


def test_type_checkers_see_the_names_that_exist_at_run_time() -> None:
    tree = ast.parse(Path(eventflow.events.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0]
    seen = {
        alias.name: node.module.removeprefix("eventflow.events.")
        for node in imports
        for alias in node.names
        if node.module and node.module.startswith("eventflow.events.")
    }
    assert seen == _MODULES


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'NoSuchEvent'"):
        _ = eventflow.events.NoSuchEvent  # type: ignore[attr-defined]


def test_importing_one_model_imports_no_other() -> None:
    program = (
        "import sys; from eventflow.events import SqsEvent, codec_for; codec_for('sqs');"
        "print(sorted(name for name in sys.modules if name.startswith('eventflow.events.')))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    public = {name for name in ast.literal_eval(result.stdout) if "._" not in name}
    assert public == {"eventflow.events.sqs"}
