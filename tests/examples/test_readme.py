"""The README's code and configuration are true."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from eventflow import App, load_environment
from eventflow.cli.group import cli
from eventflow.plan.environment import EventQueueBinding
from eventflow.run.adapters import adapter_problems
from eventflow.run.runner import SystemClock

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("shop")
    monkeypatch.setitem(sys.modules, "shop", module)
    exec(compile(blocks("python")[0], "README.md", "exec"), vars(module))
    return module


def test_the_first_screen_is_an_app(shop: ModuleType) -> None:
    plan = App.from_module(shop).freeze()
    assert set(plan.functions) == {"create_order", "expedite", "fulfil", "import_csv"}


def test_the_test_of_the_readme_passes(shop: ModuleType) -> None:
    exec(compile(blocks("python")[1], "README.md", "exec"), {})


def test_the_configuration_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for broker in ("RABBITMQ", "ACTIVEMQ", "MONGODB"):
        monkeypatch.setenv(f"EVENTFLOW_{broker}_PASSWORD", "secret")
    (tmp_path / "eventflow.toml").write_text("\n".join(blocks("toml")))
    assert load_environment(directory=tmp_path).options["queues"]["orders"]["maximum_receive_count"] == 3
    production = load_environment("production", directory=tmp_path)
    assert production.event_queue == EventQueueBinding(name="shop-events", service="sqs")
    assert adapter_problems(production, clock=SystemClock()) == []


def test_the_configuration_of_the_guide_to_permissions_is_accepted(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "permissions.md").read_text()
    (tmp_path / "eventflow.toml").write_text("\n".join(re.findall(r"```toml\n(.*?)```", guide, flags=re.DOTALL)))
    environment = load_environment("production", directory=tmp_path)
    assert [caller.id for caller in environment.callers] == ["FORWARDER", "PARTNER", "COGNITO"]
    assert [permission.function for permission in environment.permissions] == ["quote"]


def test_the_configuration_of_the_guide_to_aws_is_accepted(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "aws.md").read_text()
    for text in re.findall(r"```toml\n(.*?)```", guide, flags=re.DOTALL):
        (tmp_path / "eventflow.toml").write_text(text)
        assert adapter_problems(load_environment("production", directory=tmp_path), clock=SystemClock()) == []


def test_ci_runs_the_readmes_own_commands() -> None:
    commands = blocks("sh")[1]
    script = (ROOT / ".ci" / "run").read_text()
    assert "pip install -q -e '.[dev]'" in commands
    assert "-e '.[dev]'" in script
    assert "python -m tests" in commands
    assert '/python" -m tests' in script


@pytest.mark.parametrize("name", re.findall(r"`eventflow ([a-z-]+)", README))
def test_every_command_of_the_readme_exists(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output
