"""A schema registry that speaks Confluent's API. Source: Confluent documentation: Schema Registry API reference."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self
from urllib.parse import quote

from eventflow.errors import AccessDeniedError, ConfigurationError, Problem, UnavailableError
from eventflow_kafka.schemas import AVRO, Schema, SchemaMismatchError, parse_schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    import aiohttp

    from eventflow_kafka.options import KafkaOptions

CACHED_SCHEMAS: Final = 1_000
ASK_SECONDS: Final = 10.0
ANSWER_BYTES: Final = 4 * 1024 * 1024
REFERRED_SCHEMAS: Final = 100
"""More than a schema can need; registries refuse references in circles."""
RESOURCE: Final = "kafka schema registry"


class _Reference(NamedTuple):
    """``name`` is what a schema calls another one, which is a version of ``subject``."""

    name: str
    subject: str
    version: int


class _Answer(NamedTuple):
    text: str
    data_format: str
    references: Sequence[_Reference]


class SchemaRegistry:
    """Finds schemas by their ids. An id means the same schema for ever, so each is fetched once, and the last thousand
    are kept. Only the address that was configured is asked: no redirect is followed, and no reference to elsewhere."""

    def __init__(self, options: KafkaOptions, *, where: str) -> None:
        """Raises ConfigurationError if the libraries are not installed, or the authority cannot be read."""
        try:
            import aiohttp
            import fastavro  # noqa: F401 (used in schemas, where it would be missed too late)
            import jsonschema  # noqa: F401 (as above)
        except ImportError as exc:
            hint = 'pip install "eventflow[kafka-schema]"'
            message = f"needs the package {exc.name}"
            raise ConfigurationError(
                [Problem(where=where, field="schema_registry_uri", message=message, hint=hint)]
            ) from exc
        self._uri = (options.schema_registry_uri or "").rstrip("/")
        self._make_session = aiohttp.ClientSession
        self._timeout = aiohttp.ClientTimeout(total=ASK_SECONDS)
        self._unreachable = (aiohttp.ClientError, TimeoutError, OSError)
        self._headers = {"Accept": "application/vnd.schemaregistry.v1+json, application/json"}
        if options.schema_registry_username is not None:
            login = f"{options.schema_registry_username}:{options.schema_registry_password or ''}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        try:
            self._ssl = ssl.create_default_context(cafile=options.schema_registry_ca_file)
        except (ssl.SSLError, OSError) as exc:
            message = f"cannot read {options.schema_registry_ca_file}"
            raise ConfigurationError(
                [Problem(where=where, field="schema_registry_ca_file", message=message, hint="certificates in PEM")]
            ) from exc
        self._session: aiohttp.ClientSession | None = None
        self._asking = asyncio.Lock()
        self._schemas: OrderedDict[int, Schema] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def known(self, schema_id: int) -> Schema | None:
        """A schema that was fetched before."""
        schema = self._schemas.get(schema_id)
        if schema is not None:
            self._schemas.move_to_end(schema_id)
        return schema

    async def fetch(self, schema_id: int) -> Schema:
        """Raises SchemaMismatchError if there is no such schema, or it cannot be used; UnavailableError and
        AccessDeniedError if the registry cannot be asked."""
        async with self._asking:
            if (schema := self.known(schema_id)) is None:
                schema = self._schemas[schema_id] = await self._ask(schema_id)
                if len(self._schemas) > CACHED_SCHEMAS:
                    self._schemas.popitem(last=False)
        return schema

    async def _ask(self, schema_id: int) -> Schema:
        found = await self._read(f"/schemas/ids/{schema_id}", f"schema {schema_id}")
        referred: dict[str, str] = {}
        await self._follow(found.references, referred, set())
        return parse_schema(found.data_format, found.text, referred)

    async def _follow(self, references: Sequence[_Reference], referred: dict[str, str], seen: set[_Reference]) -> None:
        """Add the schemas that are referred to, behind those that they refer to themselves."""
        for reference in references:
            if reference in seen:
                continue
            seen.add(reference)
            if len(seen) > REFERRED_SCHEMAS:
                raise SchemaMismatchError(f"its schema refers to more than {REFERRED_SCHEMAS} others")
            path = f"/subjects/{quote(reference.subject, safe='')}/versions/{reference.version}"
            other = await self._read(path, f"schema {reference.subject} version {reference.version}")
            await self._follow(other.references, referred, seen)
            referred[reference.name] = other.text

    async def _read(self, path: str, what: str) -> _Answer:
        status, body = await self._get(path)
        if status == 404:
            raise SchemaMismatchError(f"its {what} is not in the registry")
        if status in (401, 403):
            mend = "check schema_registry_username and the password"
            raise AccessDeniedError(RESOURCE, f"reading {what} is denied (HTTP status {status})", mend=mend)
        if status != 200:
            raise UnavailableError(RESOURCE, f"reading {what}: HTTP status {status}")
        try:
            answer: dict[str, Any] = json.loads(body)
            references = [
                _Reference(str(each["name"]), str(each["subject"]), int(each["version"]))
                for each in answer.get("references") or ()
            ]
            return _Answer(answer["schema"], answer.get("schemaType", AVRO), references)
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise UnavailableError(RESOURCE, f"reading {what}: the answer is none of a registry") from exc

    async def _get(self, path: str) -> tuple[int, bytes]:
        if self._session is None:
            self._session = self._make_session(timeout=self._timeout, headers=self._headers, trust_env=False)
        try:
            async with self._session.get(self._uri + path, allow_redirects=False, ssl=self._ssl) as answer:
                body = await answer.content.read(ANSWER_BYTES + 1)
                while len(body) <= ANSWER_BYTES and (more := await answer.content.read(ANSWER_BYTES)):
                    body += more
                if len(body) > ANSWER_BYTES:
                    raise SchemaMismatchError(f"its schema is larger than {ANSWER_BYTES:,} bytes")
                return answer.status, body
        except self._unreachable as exc:
            raise UnavailableError(RESOURCE, f"{self._uri} does not answer ({type(exc).__name__})") from exc
