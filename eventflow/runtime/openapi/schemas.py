"""Types as JSON Schema. Source: OpenAPI 3.1: Schema Object (JSON Schema 2020-12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

Schema: TypeAlias = dict[str, Any]
Mode: TypeAlias = Literal["validation", "serialization"]

_DECIMAL: Final = r"^[+-]?(\d+\.?\d*|\.\d+)$"
"""Not all that is taken: an exponent may be larger than a decimal can have."""


class _Generator(GenerateJsonSchema):
    """pydantic's, for what handlers take and return. Outside of models a result is written by Lambda's rules:
    decimals as numbers, named tuples as objects."""

    _models = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        self._models += 1
        try:
            return super().model_schema(schema)
        finally:
            self._models -= 1

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        return {"type": "number"} if self._is_marshalled() else super().decimal_schema(schema)

    def get_decimal_pattern(self, schema: core_schema.DecimalSchema) -> str | None:
        parent: Any = super()  # pydantic 2.14's; older ones know neither this method nor ``named_tuple_schema``
        found: str | None = parent.get_decimal_pattern(schema)
        return found if found is not None or self.mode == "serialization" else _DECIMAL

    def named_tuple_schema(self, schema: Any) -> JsonSchemaValue:
        if not self._is_marshalled():
            parent: Any = super()
            as_array: JsonSchemaValue = parent.named_tuple_schema(schema)
            return as_array
        return self._marshalled_named_tuple(schema["fields"])

    def call_schema(self, schema: core_schema.CallSchema) -> JsonSchemaValue:
        """What a named tuple is before pydantic 2.14: a call of its class."""
        if not (self._is_marshalled() and hasattr(schema["function"], "_fields")):
            return super().call_schema(schema)
        arguments: Any = schema["arguments_schema"]
        return self._marshalled_named_tuple(arguments["arguments_schema"])

    def _marshalled_named_tuple(self, fields: Iterable[Any]) -> JsonSchemaValue:
        properties = {field["name"]: self.generate_inner(field["schema"]) for field in fields}
        return {"type": "object", "properties": properties, "required": list(properties)}

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        return {}  # JSON Schema cannot say it: anything

    def _is_marshalled(self) -> bool:
        return self.mode == "serialization" and not self._models


class Schemas:
    """Collects types, and names their models once all are known, so that no two share a name."""

    def __init__(self) -> None:
        self._asked: list[tuple[Schema, Mode, TypeAdapter[Any]]] = []

    def of(self, annotation: Any, mode: Mode) -> Schema | None:
        """The schema of a type; ``None`` if pydantic does not know it. It is empty until :meth:`components`."""
        try:
            adapter = TypeAdapter[Any](annotation)
        except (PydanticSchemaGenerationError, PydanticUserError):
            return None
        schema: Schema = {}
        self._asked.append((schema, mode, adapter))
        return schema

    def components(self) -> dict[str, Schema]:
        """Every model by its name, while the schemas that were given out are filled in."""
        inputs = [(index, mode, adapter) for index, (_, mode, adapter) in enumerate(self._asked)]
        found, definitions = TypeAdapter.json_schemas(
            inputs, ref_template="#/components/schemas/{model}", schema_generator=_Generator
        )
        for index, (schema, mode, _) in enumerate(self._asked):
            schema.update(found[index, mode])
        components: dict[str, Schema] = definitions.get("$defs", {})
        return components
