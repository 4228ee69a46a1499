"""The base of every event model."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class EventModel(BaseModel):
    """A wire event as a typed value: snake_case attributes, the AWS name as alias, unknown fields kept.

    Lossless: ``Model.model_validate(wire).to_wire() == wire`` for every real event, so a field keeps the type
    it has on the wire (a time stays text); conveniences are properties beside it.
    """

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    def to_wire(self) -> dict[str, Any]:
        """The event as JSON-ready values under its AWS names, with nothing added."""
        return self.model_dump(by_alias=True, exclude_unset=True)
