from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eventflow.model.deliveries import decode_deliveries, encode_deliveries
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.invocation import PendingDelivery

text = st.text(max_size=8)
messages = st.builds(
    OutboundMessage,
    body=st.binary(max_size=8),
    key=st.none() | text | st.binary(max_size=8),
    attributes=st.dictionaries(text, text | st.integers() | st.binary(max_size=8), max_size=3),
    group_id=st.none() | text,
    deduplication_id=st.none() | text,
    delay_seconds=st.floats(0, 900),
    subject=st.none() | text,
    source=st.none() | text,
    detail_type=st.none() | text,
    resources=st.lists(text, max_size=2).map(tuple),
)
deliveries = st.lists(
    st.builds(PendingDelivery, destination=st.builds(Destination, st.sampled_from(Service), text), message=messages),
    max_size=3,
).map(tuple)


@given(deliveries)
def test_deliveries_survive_being_text(pending: tuple[PendingDelivery, ...]) -> None:
    encoded = encode_deliveries(pending)
    assert encoded.isascii()
    assert decode_deliveries(encoded) == pending
    assert decode_deliveries(encoded.encode()) == pending
