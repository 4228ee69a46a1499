"""What holds for every event model, shown on every sample."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from eventflow.events import UnrecognisedEventError, codec_for, recognise
from eventflow.model.destinations import Service
from tests.unit.events.samples import DIRECTORY, MODELS, every_sample, load

# Maps of one kind of value, where the keys are somebody's names and there is no such thing as a further field.
MAPS = {
    "MessageAttributes", "messageAttributes", "multiValueHeaders", "multiValueQueryStringParameters",
    "rmqMessagesByQueue",
}  # fmt: skip


def test_every_directory_of_samples_has_a_model() -> None:
    assert {path.name for path in DIRECTORY.iterdir() if path.name in MODELS} == set(MODELS)
    assert all(list((DIRECTORY / source).glob("*.json")) for source in MODELS)


@every_sample()
def test_an_event_is_written_as_it_was_read(source: str, name: str) -> None:
    wire = load(source, name)
    written = MODELS[source].model_validate(wire).to_wire()
    assert json.dumps(written, sort_keys=True) == json.dumps(wire, sort_keys=True)


@every_sample()
def test_fields_unknown_to_us_are_kept_at_every_level(source: str, name: str) -> None:
    wire = load(source, name)
    for place in objects(wire):
        place["fieldOfTheFuture"] = "kept"
    assert MODELS[source].model_validate(wire).to_wire() == wire


@every_sample()
def test_reading_an_event_leaves_the_raw_one_alone(source: str, name: str) -> None:
    wire = load(source, name)
    before = copy.deepcopy(wire)
    MODELS[source].model_validate(wire)
    assert wire == before


@every_sample()
def test_a_sample_is_recognised_as_the_event_of_its_source(source: str, name: str) -> None:
    assert recognise(load(source, name)) is MODELS[source]


@every_sample()
def test_no_codec_but_its_own_recognises_a_sample(source: str, name: str) -> None:
    wire = load(source, name)
    assert [service for service in MODELS if codec_for(Service(service)).recognises(wire)] == [source]


def test_the_codec_of_a_service_knows_its_model() -> None:
    for source, model in MODELS.items():
        codec = codec_for(Service(source))
        assert (codec.service, codec.event_model) == (source, model)


def test_a_service_without_events_has_no_codec() -> None:
    with pytest.raises(ValueError, match="function sends no events"):
        codec_for(Service.FUNCTION)


def test_an_event_of_no_source_is_refused_by_its_keys() -> None:
    with pytest.raises(UnrecognisedEventError, match=r"the keys \['amount', 'id'\]") as caught:
        recognise({"id": 1, "amount": 2})
    assert caught.value.keys == {"id", "amount"}


@pytest.mark.parametrize(
    "wire",
    [
        "text",
        [1],
        None,
        {},
        {"Records": []},
        {"Records": None},
        {"Records": ["text"]},
        {"Records": [{"eventSource": "aws:ses"}]},
        {"Records": [], "window": {}, "eventSourceARN": None},
        {"version": "2.0", "requestContext": None},
        {"eventSource": ["aws:kafka"]},
        {"detail-type": "x", "detail": {}},
    ],
)
def test_what_no_source_sends_is_refused_and_breaks_nothing(wire: Any) -> None:
    with pytest.raises(UnrecognisedEventError):
        recognise(wire)


def test_an_event_is_frozen() -> None:
    event = MODELS["sqs"].model_validate(load("sqs", "standard"))
    with pytest.raises(ValueError, match="frozen"):
        event.records = []  # type: ignore[attr-defined]


def objects(value: Any, name: str = "") -> Iterator[dict[str, Any]]:
    """Every object inside an event that may get further fields."""
    if isinstance(value, list):
        for item in value:
            yield from objects(item, name)
    elif isinstance(value, dict):
        members = list(value.items())
        is_kafka_map = (name == "records" and "topic" not in value) or name == "headers"
        if name not in MAPS and not is_kafka_map:
            yield value
        for key, item in members:
            yield from objects(item, key)
