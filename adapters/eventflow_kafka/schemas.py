"""Schemas of a registry, and reading what was written with them: JSON Schema and Avro."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urljoin

if TYPE_CHECKING:
    from collections.abc import Mapping

AVRO: Final = "AVRO"
JSON: Final = "JSON"
NO_OTHERS: Final[Mapping[str, str]] = {}


class SchemaMismatchError(Exception):
    """Data does not fit its schema, or is not framed as a registry's clients do it. The text says why, not what."""


class Schema(Protocol):
    """A schema that is ready for use. ``data_format`` is the registry's name for its kind."""

    data_format: str

    def to_json(self, data: bytes) -> bytes:
        """The data as JSON text; raises SchemaMismatchError."""


def parse_schema(data_format: str, text: str, referred: Mapping[str, str] = NO_OTHERS) -> Schema:
    """``referred`` are the schemas that it refers to, by the names that it has for them, and those that these refer to,
    each behind what it refers to itself.

    Raises SchemaMismatchError if it is no schema, or of a kind that is not known here."""
    if data_format == AVRO:
        return _AvroSchema(text, referred)
    if data_format == JSON:
        return _JsonSchema(text, referred)
    raise SchemaMismatchError(f"its schema is {data_format}; AVRO and JSON can be read")


class _AvroSchema:
    data_format = AVRO

    def __init__(self, text: str, referred: Mapping[str, str]) -> None:
        from fastavro import parse_schema as parse

        named: dict[str, Any] = {}
        try:
            for other in referred.values():
                parse(json.loads(other), named)
            # A schema may be the bare name of a primitive type, which registries keep as JSON text all the same.
            self._schema = parse(json.loads(text), named)
        except Exception as exc:  # whatever fastavro makes of what it was given
            raise SchemaMismatchError(f"its Avro schema cannot be read: {type(exc).__name__}") from exc

    def to_json(self, data: bytes) -> bytes:
        from fastavro import schemaless_reader

        stream = io.BytesIO(data)
        try:
            value = schemaless_reader(stream, self._schema, None)
        except Exception as exc:  # EOFError, ValueError, IndexError ...: whatever the bytes lead to
            raise SchemaMismatchError(f"it is not what its Avro schema says: {type(exc).__name__}") from exc
        if stream.tell() != len(data):
            raise SchemaMismatchError("it is longer than its Avro schema says")
        return json.dumps(value, default=_as_json, separators=(",", ":"), ensure_ascii=False).encode()


class _JsonSchema:
    data_format = JSON

    def __init__(self, text: str, referred: Mapping[str, str]) -> None:
        from jsonschema.validators import validator_for
        from referencing import Registry, Resource
        from referencing.jsonschema import DRAFT202012

        try:
            schema: Any = json.loads(text)
            kind = validator_for(schema)
            kind.check_schema(schema)
            base = schema.get("$id", "") if isinstance(schema, dict) else ""
            others = {
                name: Resource.from_contents(json.loads(other), default_specification=DRAFT202012)
                for name, other in referred.items()
            }
            # With a registry of its own, and nothing else in it, a $ref to elsewhere is never followed.
            registry: Registry[Any] = Registry()
            for name, other in others.items():
                registry = registry.with_resources([(name, other), (urljoin(base, name), other)])
            self._validator = kind(schema, registry=registry)
        except Exception as exc:  # whatever jsonschema makes of what it was given
            raise SchemaMismatchError(f"its JSON schema cannot be read: {type(exc).__name__}") from exc

    def to_json(self, data: bytes) -> bytes:
        try:
            value = json.loads(data)
        except ValueError as exc:
            raise SchemaMismatchError("it is not JSON") from exc
        try:
            error = next(self._validator.iter_errors(value), None)
        except Exception as exc:  # a $ref that leads nowhere, a pattern that is none
            raise SchemaMismatchError(f"its JSON schema cannot be applied: {type(exc).__name__}") from exc
        if error is not None:
            # The message has the value in it, which may be secret.
            raise SchemaMismatchError(f"it breaks {error.validator!r} of its JSON schema at {error.json_path}")
        return data


def _as_json(value: Any) -> str:
    """What Avro has and JSON has not: bytes as Avro's own JSON encoding writes them, moments in ISO 8601, decimals and
    UUIDs as text."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return str(value.isoformat() if hasattr(value, "isoformat") else value)
