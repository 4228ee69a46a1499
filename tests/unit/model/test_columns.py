from __future__ import annotations

import pytest

from eventflow.model.columns import key_bytes, positions, shared_attributes, value_bytes, values
from eventflow.model.records import StreamRecord

SHARED = {"topic": "orders"}


def record(position: int, *, key: str | bytes | None = b"k", data: bytes | None = b"value") -> StreamRecord:
    return StreamRecord("orders-3", position, key, data, 0.0, SHARED)


def test_columns_are_in_the_order_of_the_records() -> None:
    records = [record(7), record(9, data=None), record(8, data=b"")]
    assert positions(records) == [7, 9, 8]
    assert values(records) == [b"value", None, b""]


def test_what_is_missing_weighs_nothing() -> None:
    records = [record(0), record(1, key=None, data=None), record(2, key=b"", data=b"v")]
    assert (key_bytes(records), value_bytes(records)) == (1, 6)
    assert (key_bytes(()), value_bytes(())) == (0, 0)


def test_keys_that_are_text_are_not_weighed() -> None:
    with pytest.raises(TypeError):
        key_bytes([record(0), record(1, key="\N{EURO SIGN}")])


def test_attributes_are_shared_only_as_one_object() -> None:
    records = [record(0), record(1)]
    assert shared_attributes(records) is SHARED
    assert shared_attributes([*records, record(2)._replace(attributes=dict(SHARED))]) is None
    assert shared_attributes(()) is None
