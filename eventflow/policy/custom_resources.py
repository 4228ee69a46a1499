"""What CloudFormation is told about a custom resource, and where. Source: CloudFormation guide: custom resource
response objects."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

RESPONSE_BYTES: Final = 4_096
PHYSICAL_ID_BYTES: Final = 1_024
REASON_CHARACTERS: Final = 1_000
"""Enough for an error; the rest of 4 KB is for ids."""
NEVER_CREATED: Final = "eventflow:never-created"
"""The physical id of what could not be created. CloudFormation deletes it when it rolls back, and needs no handler
for that."""

_SUFFIXES: Final = {
    "aws": "amazonaws.com",
    "aws-us-gov": "amazonaws.com",
    "aws-cn": "amazonaws.com.cn",
    "aws-eusc": "amazonaws.eu",
    "aws-iso": "c2s.ic.gov",
    "aws-iso-b": "sc2s.sgov.gov",
}
_STACK_ARN: Final = re.compile(r"arn:(aws[a-z-]*):cloudformation:([a-z]{2}[a-z0-9-]*):\d{12}:stack/.+")


def needs_handler(request: Mapping[str, Any]) -> bool:
    """Whether there is anything to do: what was never created need not be deleted."""
    return not (request.get("RequestType") == "Delete" and request.get("PhysicalResourceId") == NEVER_CREATED)


def succeeded(
    request: Mapping[str, Any], *, physical_id: str | None = None, data: Mapping[str, Any] | None, no_echo: bool = False
) -> dict[str, Any]:
    """The response for a resource as its handler describes it. It keeps its physical id unless the handler gives
    another one, which after an update means that the old resource is to be deleted. Raises ValueError for an id that
    CloudFormation does not take.
    """
    known = request.get("PhysicalResourceId")
    if request.get("RequestType") == "Delete":
        physical_id = known
    elif physical_id is None:
        physical_id = known or default_physical_id(request)
    size = len(physical_id.encode()) if isinstance(physical_id, str) else 0
    if not 0 < size <= PHYSICAL_ID_BYTES:
        raise ValueError(f"the physical resource id has {size:,} bytes; 1 to {PHYSICAL_ID_BYTES:,} are allowed")
    response = {**_identity(request), "Status": "SUCCESS", "PhysicalResourceId": physical_id}
    if data is not None:
        response["Data"] = dict(data)
    return response | ({"NoEcho": True} if no_echo else {})


def failed(request: Mapping[str, Any], reason: str, *, physical_id: str | None = None) -> dict[str, Any]:
    """The response for a resource whose handler failed. Every response needs a physical id: without any, it is one
    that says there is nothing to delete.
    """
    return {
        **_identity(request),
        "Status": "FAILED",
        "Reason": (reason or "the handler failed")[:REASON_CHARACTERS],
        "PhysicalResourceId": physical_id or request.get("PhysicalResourceId") or NEVER_CREATED,
    }


def default_physical_id(request: Mapping[str, Any]) -> str:
    """The same for the same resource of the same stack, however often its creation is asked for."""
    logical = str(request.get("LogicalResourceId"))
    digest = hashlib.sha256(f"{request.get('StackId')}/{logical}".encode()).hexdigest()
    return f"{logical[:200]}-{digest[:16]}"


def response_url_problem(url: object, stack_id: object, trusted: Collection[str]) -> str | None:
    """Why a ``ResponseURL`` is not one of CloudFormation's: it comes with an event, and anybody may have written that.

    Only the bucket of the stack's Region takes responses. ``trusted`` are further hosts (``localhost:8080``), for
    tests, with http as well.
    """
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        host, port = parts.hostname, parts.port
    except ValueError:
        return "it is no URL"
    if not host or parts.username is not None or parts.fragment:
        return "it is no URL of a host alone"
    if is_trusted(parts.netloc, trusted) and parts.scheme in ("http", "https"):
        return None
    if parts.scheme != "https" or port not in (None, 443):
        return "it is not https on port 443"
    stack = _STACK_ARN.fullmatch(stack_id if isinstance(stack_id, str) else "")
    if stack is None or stack[1] not in _SUFFIXES:
        return "its StackId is no stack's ARN"
    partition, region = stack.groups()
    bucket = f"cloudformation-custom-resource-response-{region.replace('-', '')}"
    hosts = [f"{bucket}.{service}.{_SUFFIXES[partition]}" for service in ("s3", f"s3-{region}", f"s3.{region}")]
    return None if host in hosts else f"its host is not {hosts[0]}"


def is_trusted(netloc: str, trusted: Collection[str]) -> bool:
    """Whether a host is one of those that an environment trusts: by its name, or its name and port."""
    return netloc in trusted or netloc.rpartition(":")[0] in trusted


def _identity(request: Mapping[str, Any]) -> dict[str, Any]:
    return {name: request.get(name) for name in ("StackId", "RequestId", "LogicalResourceId")}
