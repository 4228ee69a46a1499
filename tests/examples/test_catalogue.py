"""``examples/catalogue.py``: on virtual time, and served for real, where its document has to be true of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import openapi_spec_validator
import pytest
from click.testing import CliRunner

from eventflow.cli.group import cli
from eventflow.testing import TestApp
from examples import catalogue
from tests.cloud.serving import ROOT, Deployment

EXAMPLE: Final = "examples/catalogue.py"
CONFIGURATION: Final = Path(__file__).with_name("catalogue_schemathesis.toml")
KEY: Final = {"x-api-key": catalogue.API_KEY}


@pytest.fixture(autouse=True)
def _empty_catalogue() -> None:
    catalogue.items.clear()


async def test_an_item_lives_and_dies() -> None:
    async with TestApp(catalogue.app) as app:
        draft = {"name": "chair", "price": 10.0, "tags": ["wood"]}
        assert (await app.http.post("/items", draft)).status == 401
        assert (await app.http.post("/items", draft, headers={"x-api-key": "?"})).status == 403
        created = await app.http.post("/items", draft, headers=KEY)
        location = created.header("location")
        assert (created.status, created.json()["name"]) == (201, "chair")
        assert location is not None
        assert (await app.http.get(location)).json() == created.json()
        assert (await app.http.get("/items?tag=wood&limit=1")).json() == [created.json()]
        assert (await app.http.get("/items?tag=steel")).json() == []
        assert (await app.http.get("/items?limit=0")).status == 400
        changed = await app.http.request("PUT", location, {**draft, "price": 12.0}, headers=KEY)
        assert changed.json()["price"] == 12.0
        assert (await app.http.request("DELETE", location, headers=KEY)).status == 204
        assert (await app.http.request("DELETE", location, headers=KEY)).status == 404


def exported(path: Path) -> Path:
    result = CliRunner().invoke(cli, ["export", "openapi", str(ROOT / EXAMPLE), "--app-dir", str(ROOT)])
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    path.write_text(result.stdout)
    return path


def test_the_exported_document_is_valid(tmp_path: Path) -> None:
    document = json.loads(exported(tmp_path / "openapi.json").read_text())
    openapi_spec_validator.validate(document)
    assert (document["openapi"], document["info"]) == ("3.1.0", {"title": "catalogue", "version": "1.2.0"})


def test_schemathesis_finds_nothing_that_is_not_as_documented(tmp_path: Path) -> None:
    document = exported(tmp_path / "openapi.json")
    deployment = Deployment(directory=tmp_path, target=str(ROOT / EXAMPLE), environment="local", variables={})
    with deployment.serve("--docs", "--no-access-log") as serving:
        assert json.loads(serving.request("GET", "/openapi.json")[1]) == json.loads(document.read_text())
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run", str(document)]
        command += ["--url", f"http://127.0.0.1:{serving.port}", "--checks", "all"]
        command += ["--exclude-checks", "unsupported_method", "--max-examples", "3", "--seed", "1", "--no-color"]
        command += ["--continue-on-failure", "--generation-database", "none"]
        command += ["--request-timeout", "60", "--suppress-health-check", "all"]  # of a busy machine
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "6 selected / 6 total" in done.stdout
