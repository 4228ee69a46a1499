"""Three mappings beside each other, for when something happens to one of them."""

from __future__ import annotations

from eventflow import App, on_kinesis, on_sqs
from tests.cloud.ledger_app import handled


@on_sqs("first")
async def first(id: str) -> None:
    handled(kind="first", id=id)


@on_sqs("second")
async def second(id: str) -> None:
    handled(kind="second", id=id)


@on_kinesis("flow")
async def flow(record: str) -> None:
    handled(kind="flow", id=record)


app = App([first, second, flow])
