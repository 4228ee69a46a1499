"""A custom resource whose handler runs in a process of its own."""

from __future__ import annotations

from eventflow import CustomResource, function, on_cloudformation


@on_cloudformation("isolated")
@function(isolation="process")
def resource(event):  # type: ignore[no-untyped-def]
    return CustomResource(physical_resource_id="isolated")
