"""Which changes of a bucket a subscription hears of."""

from __future__ import annotations

import pytest

from eventflow.model.subscriptions import BucketNotification
from eventflow.policy.buckets import selects_change


def wanted(*events: str, prefix: str = "", suffix: str = "") -> BucketNotification:
    return BucketNotification(name="b", subscriber="f", events=events, prefix=prefix, suffix=suffix)


@pytest.mark.parametrize("event_name", ["ObjectCreated:Put", "s3:ObjectCreated:Put"])
@pytest.mark.parametrize("asked_for", ["s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:*"])
def test_an_event_is_named_by_its_type_or_its_family(asked_for: str, event_name: str) -> None:
    assert selects_change(wanted(asked_for), event_name, "k")


@pytest.mark.parametrize("asked_for", ["s3:ObjectCreated:Copy", "s3:ObjectCreated", "s3:ObjectRemoved:*"])
def test_other_names_do_not_name_it(asked_for: str) -> None:
    assert not selects_change(wanted(asked_for), "ObjectCreated:Put", "k")


def test_one_of_several_events_is_enough() -> None:
    assert selects_change(wanted("s3:ObjectRemoved:*", "s3:ObjectAcl:Put"), "ObjectAcl:Put", "k")


@pytest.mark.parametrize(
    ("key", "selected"),
    [("in/a.csv", True), ("in/.csv", True), ("in/a.txt", False), ("out/in/a.csv", False), ("in/a.CSV", False)],
)
def test_prefix_and_suffix_both_have_to_fit(key: str, selected: bool) -> None:
    assert selects_change(wanted("s3:*", prefix="in/", suffix=".csv"), "ObjectCreated:Put", key) is selected
