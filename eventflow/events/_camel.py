"""The base of models whose names on the wire are the attributes' in camelCase."""

from __future__ import annotations

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from eventflow.events._base import EventModel


class CamelModel(EventModel):
    model_config = ConfigDict(alias_generator=to_camel)
