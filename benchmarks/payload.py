"""The event that the durable benchmark sends: 1 KB of JSON."""

from __future__ import annotations

import json
from typing import Final

EVENT_BYTES: Final = 1_024


def _event() -> dict[str, str]:
    event = {"order": "o-1043", "note": ""}
    return {**event, "note": "x" * (EVENT_BYTES - len(json.dumps(event)))}


EVENT: Final = _event()
PAYLOAD: Final = json.dumps(EVENT).encode()
assert len(PAYLOAD) == EVENT_BYTES

SHORT_BODY: Final = json.dumps({"order": "o-1043", "total": 12.5, "note": "x" * 154})
"""The body of a message, and the data of a record: 200 bytes of JSON."""
