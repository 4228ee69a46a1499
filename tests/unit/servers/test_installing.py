"""Installing happens once, and a test whose server is missing says how to get it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.installing import NotInstalledError, install, installation
from tests.servers.running import PrivateServer
from tests.servers.server import Server

ROOT = Path(__file__).resolve().parents[3]
ADVICE = "moto is not installed: python -m tests.servers install moto"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, with nothing in it."""
    monkeypatch.setenv("EVENTFLOW_TEST_SERVERS", str(tmp_path))
    return tmp_path


def test_what_is_installed_in_the_wanted_version_is_not_installed_again(postgresql_server: Server, cache: Path) -> None:
    directory = install("postgresql")
    mark = directory / "mark"
    mark.touch()

    assert install("postgresql") == directory == installation("postgresql")
    assert mark.exists()

    (directory / "installed-version").write_text("another")
    with pytest.raises(NotInstalledError):
        installation("postgresql")


def test_half_an_installation_is_thrown_away(postgresql_server: Server, cache: Path) -> None:
    half = cache / "postgresql"
    (half / "bin").mkdir(parents=True)
    with pytest.raises(NotInstalledError):
        installation("postgresql")

    assert install("postgresql") == half
    assert (half / "bin" / "initdb").exists()


def test_several_servers_are_installed_at_the_same_time_and_each_is_one_line(
    postgresql_server: Server, cache: Path
) -> None:
    command = [sys.executable, "-m", "tests.servers", "install", "postgresql", "postgresql"]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)

    assert [line.partition(": ")[0] for line in done.stdout.splitlines()] == ["postgresql distribution"] * 2
    assert (cache / "postgresql" / "bin" / "initdb").exists()


def test_what_several_installations_could_not_do_is_shown(cache: Path) -> None:
    (cache / "kinesis.lock").mkdir()
    command = [sys.executable, "-m", "tests.servers", "install", "kinesis", "kinesis"]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stdout.count("kinesis: not installed: ") == 2


def test_a_missing_server_skips_a_test_on_a_laptop(
    cache: Path, monkeypatch: pytest.MonkeyPatch, start_server: Callable[[str], PrivateServer]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=re.escape(ADVICE)):
        start_server("moto")


def test_a_missing_server_fails_a_test_in_ci(
    cache: Path, monkeypatch: pytest.MonkeyPatch, start_server: Callable[[str], PrivateServer]
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=re.escape(ADVICE)):
        start_server("moto")
