"""The code of the guides to apps and to testing is true."""

from __future__ import annotations

import logging
import re
import sys
import textwrap
import time
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from eventflow import App, Context, function, load_environment
from eventflow.run.adapters import adapter_problems
from eventflow.run.runner import SystemClock
from eventflow.testing import TestApp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).resolve().parents[2]


def blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / document).read_text(), flags=re.DOTALL)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The app of the README's first screen, whose import fails."""
    module = ModuleType("shop")
    monkeypatch.setitem(sys.modules, "shop", module)
    code = blocks("README.md", "python")[0]
    code, *rest = code.split("def import_csv(event: S3Event) -> dict: ...")
    assert rest
    exec(f"{code}def import_csv(event: S3Event) -> dict: raise ValueError", vars(module))
    return module


async def test_the_app_of_several_modules(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    @function
    async def audit(context: Context) -> str:
        return str(context.state)

    @function
    def count() -> int:
        return 3

    package, orders, stock = ModuleType("shop"), ModuleType("shop.orders"), ModuleType("shop.stock")
    for module, marked in ((orders, audit), (stock, count)):
        setattr(module, marked.__name__, marked)
    for module in (package, orders, stock):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    vars(package).update(orders=orders, stock=stock)

    @asynccontextmanager
    async def open_client() -> AsyncIterator[str]:
        yield "the client"

    names: dict[str, Any] = {
        "httpx": SimpleNamespace(AsyncClient=open_client),
        "log": logging.getLogger("shop"),
        "partial": partial,
        "time": time,
    }
    exec(blocks("docs/apps.md", "python")[0], names)
    assert isinstance(names["app"], App)
    caplog.set_level(logging.INFO, "shop")
    async with TestApp(names["app"]) as app:
        await app.invoke("audit")
        await app.invoke("count")
        assert [app.invocations(name)[0].outcome.ok for name in ("audit", "count")] == [True, True]
    assert [record.getMessage().split(":")[0] for record in caplog.records if record.name == "shop"] == [
        "audit",
        "count",
    ]


def test_the_options_of_the_embedded_environment(tmp_path: Path) -> None:
    (tmp_path / "eventflow.toml").write_text("\n".join(blocks("docs/apps.md", "toml")))
    assert adapter_problems(load_environment(directory=tmp_path), clock=SystemClock()) == []


def test_the_first_test(shop: ModuleType) -> None:
    exec(blocks("docs/testing.md", "python")[0], {})


async def test_the_test_with_faults(shop: ModuleType) -> None:
    names: dict[str, Any] = {"TestApp": TestApp, "shop": shop}
    exec(f"async def main():\n{textwrap.indent(blocks('docs/testing.md', 'python')[-1], '    ')}", names)
    await names["main"]()
