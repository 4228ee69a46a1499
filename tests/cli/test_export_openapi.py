"""``eventflow export openapi``, and what serve is told of pages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from eventflow.cli.group import cli
from eventflow.errors import ConfigurationError
from eventflow.plan.environment import load_environment

APP = """
from eventflow import on_alb, on_function_url, on_http

@on_http("GET /é/{id}")
def read(id: int) -> int:
    return id

@on_alb("/a", host_header="one.example.com")
@on_alb("/a", host_header="two.example.com")
def rule():
    return {"statusCode": 200}

@on_function_url()
def chat() -> str:
    return ""
"""


@pytest.fixture(autouse=True)
def _app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").write_text(APP)


def export(*options: str) -> Result:
    return CliRunner().invoke(cli, ["export", "openapi", "shop.py", *options])


def test_the_document_is_json_and_what_is_left_out_is_said() -> None:
    result = export("--title", "Shop", "--api-version", "7", "--server", "https://a.example.com", "--server", "/b")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["info"] == {"title": "Shop", "version": "7"}
    assert document["servers"] == [{"url": "https://a.example.com"}, {"url": "/b"}]
    assert list(document["paths"]) == ["/a", "/é/{id}"]
    assert result.stderr.startswith("left out: rule: GET, PUT")


def test_a_function_url_is_asked_for_by_its_function() -> None:
    assert list(json.loads(export("--function-url", "chat").stdout)["paths"]) == ["/", "/{path+}"]
    refused = export("--function-url", "read")
    assert refused.exit_code == 3
    assert "known: chat" in refused.stderr


@pytest.mark.parametrize(("text", "docs"), [("true", True), ("false", False)])
def test_an_environment_says_whether_pages_are_served(text: str, docs: bool, tmp_path: Path) -> None:
    (tmp_path / "eventflow.toml").write_text(f"[environments.local]\ndocs = {text}\n")
    assert load_environment(directory=tmp_path).docs is docs


def test_what_is_no_answer_to_that_is_refused(tmp_path: Path) -> None:
    (tmp_path / "eventflow.toml").write_text('[environments.local]\ndocs = "yes"\n')
    with pytest.raises(ConfigurationError, match="docs: 'yes' is not allowed"):
        load_environment(directory=tmp_path)
