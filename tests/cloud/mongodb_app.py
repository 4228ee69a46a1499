"""Apps on a collection that write what they handled to a ledger, one line per change."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from eventflow import App, DocumentDBRecord, on_documentdb, on_sqs, to_sqs

_LEDGER = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def handled(**entry: Any) -> None:
    """One write per line, so that a kill leaves whole lines."""
    os.write(_LEDGER, (json.dumps({**entry, "pid": os.getpid(), "at": time.time()}) + "\n").encode())


@on_documentdb("shop", collection="orders")
async def each(change: DocumentDBRecord) -> None:
    handled(id=str(change.document_id), key="all", number=change.document_id)


@on_documentdb("shop", collection="orders", maximum_retry_attempts=1, on_failure=to_sqs("failed"))
async def choosy(change: DocumentDBRecord) -> None:
    if (change.document or {}).get("poison"):
        raise ValueError("poison")
    handled(id=str(change.document_id))


@on_sqs("failed")
async def put_aside(record: dict[str, Any]) -> None:
    handled(id=json.loads(record["body"])["requestContext"]["condition"])


app = App([each])
choosy_app = App([choosy, put_aside])
