"""Sockets that a driver forgets are nobody else's fault; those that we forget are ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORGETFUL = """
import socket

import pytest

{mark}

def test_a_driver_forgets_a_socket():
    forgotten = socket.socket()
    circle = [forgotten]
    circle.append(circle)
"""
NEXT = """
import gc

def test_of_something_else():
    gc.collect()
"""


@pytest.mark.parametrize(
    ("mark", "code", "said"),
    [
        ("pytestmark = pytest.mark.forgotten_sockets", 0, "2 passed"),
        ("", 1, "unclosed <socket.socket"),
    ],
    ids=["a driver's", "ours"],
)
def test_only_what_drivers_forget_is_forgiven(mark: str, code: int, said: str, tmp_path: Path) -> None:
    (tmp_path / "test_forgetful.py").write_text(FORGETFUL.format(mark=mark))
    (tmp_path / "test_next.py").write_text(NEXT)
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "tests.conftest", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, said in ended.stdout) == (code, True), ended.stdout + ended.stderr
