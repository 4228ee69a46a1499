from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import eventflow

ROOT = Path(__file__).resolve().parents[2]
SUBMODULES = {path.stem for path in (ROOT / "eventflow").iterdir()}
VENDORS = ("aiokafka", "aiobotocore", "botocore", "boto3", "aio_pika", "pymongo", "asyncpg")


def test_public_names_are_exactly_the_listed_ones() -> None:
    source = ast.parse((ROOT / "eventflow" / "__init__.py").read_text())
    imported = {
        alias.asname or alias.name
        for node in ast.walk(source)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("eventflow.")
        for alias in node.names
    }
    assert imported == set(eventflow.__all__)
    assert sorted(eventflow.__all__) == eventflow.__all__


@pytest.mark.parametrize("name", eventflow.__all__)
def test_every_public_name_can_be_imported_and_says_what_it_is(name: str) -> None:
    value = getattr(eventflow, name)
    if isinstance(value, type) or callable(value):
        assert value.__doc__, name


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        getattr(eventflow, "nonsense")  # noqa: B009 (mypy knows that it is not there)


def run_in_fresh_interpreter(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip()


def test_importing_every_public_name_loads_no_vendor_library_and_no_adapter() -> None:
    code = (
        "import sys, eventflow\n"
        "for name in eventflow.__all__: getattr(eventflow, name)\n"
        f"print([name for name in sys.modules if name.split('.')[0] in {(*VENDORS, 'eventflow_local')!r}])"
    )
    assert run_in_fresh_interpreter(code) == "[]"


def test_importing_eventflow_loads_nothing_but_itself() -> None:
    code = "import sys, eventflow; print([n for n in sys.modules if n.split('.')[0] in ('pydantic', 'anyio')])"
    assert run_in_fresh_interpreter(code) == "[]"


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout
