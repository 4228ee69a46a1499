"""``eventflow provision``: nothing is made as long as anything is known to be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import RunCli, Write

SHOP = """
    from eventflow import on_kafka, on_sqs

    @on_sqs("orders")
    async def fulfil(event): ...

    @on_kafka("clicks")
    async def count(event): ...
"""
ENVIRONMENT = """
    [environments.production]
    adapter = "aws"
    endpoint_url = "http://127.0.0.1:1"
    event_queue = "sqs:shop-events"

    [environments.production.sources.kafka]
    adapter = "kafka"
    bootstrap_server = ["127.0.0.1:9092"]
"""


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_wrong_options_of_any_adapter_are_told_before_a_service_is_asked(
    run_cli: RunCli, write: Write, options: tuple[str, ...]
) -> None:
    write("shop_provisioned.py", SHOP)
    write("eventflow.toml", ENVIRONMENT)
    result = run_cli("provision", "shop_provisioned", "--env", "production", *options)
    assert result.exit_code == 3, result.stderr
    assert result.stdout == ""
    assert "did you mean bootstrap_servers?" in result.stderr
    assert "cannot connect" not in result.stderr
