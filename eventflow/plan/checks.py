"""Checks of functions as a whole: settings, names, destinations. Each yields every problem it finds."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from eventflow.errors import Problem
from eventflow.model import limits
from eventflow.model.destinations import Destination, Service
from eventflow.model.trigger import Trigger
from eventflow.plan.endpoint import is_generator

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from eventflow.model.function import FunctionDefinition

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ON_SUCCESS: Final = (Service.SQS, Service.SNS, Service.EVENTBRIDGE, Service.FUNCTION)
_ON_FAILURE: Final = (*_ON_SUCCESS, Service.S3)
_DEAD_LETTER: Final = (Service.SQS, Service.SNS)


def function_problems(definition: FunctionDefinition, names: Collection[str]) -> Iterator[Problem]:
    """Mistakes in one function's settings. ``names`` are all functions of the app.

    Source: Lambda API: CreateFunction, PutFunctionConcurrency, PutFunctionEventInvokeConfig.
    """
    where = definition.where
    settings = definition.settings
    if not _NAME.fullmatch(definition.name):
        hint = "1 to 64 letters, digits, - and _"
        yield Problem(where=where, field="name", message=f"{definition.name!r} is not allowed", hint=hint)
    longest, of_whom = _longest_timeout(definition)
    numbers = [
        ("timeout_seconds", settings.timeout_seconds, 1, longest, f"seconds{of_whom}"),
        ("memory_limit_mb", settings.memory_limit_mb, 128, 10_240, "MB"),
        ("maximum_retry_attempts", settings.maximum_retry_attempts, 0, 2, "retries"),
        ("maximum_event_age_seconds", settings.maximum_event_age_seconds, 60, 21_600, "seconds"),
    ]
    for field, value, low, high, unit in numbers:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            hint = f"from {low:,g} to {high:,g} {unit}"
            yield Problem(where=where, field=field, message=f"{value!r} is not allowed", hint=hint)
    reserved = settings.reserved_concurrency
    if reserved is not None and (isinstance(reserved, bool) or not isinstance(reserved, int) or reserved < 0):
        hint = "a whole number from 0 (never runs), or None"
        yield Problem(where=where, field="reserved_concurrency", message=f"{reserved!r} is not allowed", hint=hint)
    if settings.isolation not in ("none", "process"):
        hint = "'none' or 'process'"
        yield Problem(where=where, field="isolation", message=f"{settings.isolation!r} is not allowed", hint=hint)
    if settings.isolation == "process" and "<" in definition.handler.__qualname__:
        hint = "define the handler at the top level of its module"
        yield Problem(where=where, field="isolation", message="'process' cannot import a nested function", hint=hint)
    if settings.isolation == "process" and is_generator(definition.handler):
        hint = "return the whole response, or leave isolation out"
        yield Problem(where=where, field="isolation", message="'process' cannot run a generator", hint=hint)
    for status, _ in definition.documentation.responses if definition.documentation else ():
        if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
            hint = "the statuses that the function returns, from 200 to 599"
            yield Problem(where=where, field="responses", message=f"{status!r} is not allowed", hint=hint)
    yield from _destination_problems(definition, names)


def _longest_timeout(definition: FunctionDefinition) -> tuple[float, str]:
    """The longest that every source allows, and which source allows the least."""
    strictest = min(definition.triggers, key=lambda trigger: trigger.maximum_timeout_seconds, default=None)
    if strictest is None or strictest.maximum_timeout_seconds >= limits.MAXIMUM_TIMEOUT_SECONDS:
        return limits.MAXIMUM_TIMEOUT_SECONDS, ""
    return strictest.maximum_timeout_seconds, f" behind {strictest.service}"


def _destination_problems(definition: FunctionDefinition, names: Collection[str]) -> Iterator[Problem]:
    settings = definition.settings
    fields: list[tuple[str, object, Sequence[Service]]] = [
        ("on_success", settings.on_success, _ON_SUCCESS),
        ("on_failure", settings.on_failure, _ON_FAILURE),
        ("dead_letter_queue", settings.dead_letter_queue, _DEAD_LETTER),
    ]
    for trigger in definition.triggers:
        services = trigger.failure_services
        fields += [(f"{trigger.decorator} on_failure", item, services) for item in trigger.destinations]
    for field, destination, permitted in fields:
        if destination is None:
            continue
        if not isinstance(destination, Destination):
            hint = "use to_sqs(...), to_sns(...) ..."
            yield Problem(
                where=definition.where, field=field, message=f"{destination!r} is not a destination", hint=hint
            )
            continue
        yield from _target_problems(definition, field, destination, permitted, names)


def _target_problems(
    definition: FunctionDefinition,
    field: str,
    destination: Destination,
    allowed: Sequence[Service],
    names: Collection[str],
) -> Iterator[Problem]:
    # AWS takes a queue that is its own destination; `eventflow check` warns of it.
    readers = [trigger for trigger in definition.triggers if trigger.service not in Trigger.failure_services]
    sources = {resource for trigger in readers for resource in trigger.resources}

    def problem(message: str, hint: str | None = None) -> Problem:
        return Problem(where=definition.where, field=field, message=message, hint=hint)

    if destination.service not in allowed:
        yield problem(f"{destination} is not allowed here", "one of " + ", ".join(allowed))
    elif destination.name.endswith(".fifo"):
        yield problem(f"{destination} is a FIFO queue or topic", "destinations are standard ones")
    elif destination.service is Service.FUNCTION and destination.name == definition.name:
        yield problem("You can't specify the function as a destination for itself.")
    elif destination.service is Service.FUNCTION and destination.name not in names:
        yield problem(f"there is no function {destination.name!r}", "known: " + ", ".join(sorted(names)))
    elif destination.resource in sources:
        yield problem(f"{destination} is a source of the same function", "use another one")


def app_problems(definitions: Sequence[FunctionDefinition], *, concurrency: int) -> Iterator[Problem]:
    """Mistakes that only show when all functions are seen together."""
    for name, count in Counter(definition.name for definition in definitions).items():
        if count > 1:
            culprits = ", ".join(item.where for item in definitions if item.name == name)
            hint = "give one of them another @function(name=...)"
            yield Problem(where=culprits, field="name", message=f"{count} functions are called {name!r}", hint=hint)
    reserved = sum(definition.settings.reserved_concurrency or 0 for definition in definitions)
    reservable = concurrency - limits.MINIMUM_UNRESERVED_CONCURRENCY
    if reserved and concurrency > limits.MINIMUM_UNRESERVED_CONCURRENCY and reserved > reservable:
        hint = f"at most {reservable:,}: 100 of the environment's {concurrency:,} stay unreserved"
        yield Problem(where="the app", field="reserved_concurrency", message=f"adds up to {reserved:,}", hint=hint)
    if reserved > concurrency:
        hint = f"the environment's concurrency is {concurrency:,}"
        yield Problem(where="the app", field="reserved_concurrency", message=f"adds up to {reserved:,}", hint=hint)


def exclusive_problems(definitions: Sequence[FunctionDefinition]) -> Iterator[Problem]:
    """What two triggers claim, and only one function can have."""
    claims: dict[str, list[str]] = {}
    for definition in definitions:
        for trigger in definition.triggers:
            for claim in trigger.exclusive:
                claims.setdefault(claim, []).append(f"{definition.where} {trigger.decorator}")
    for claim, places in claims.items():
        if len(places) > 1:
            hint = "one function answers for it"
            yield Problem(where=places[-1], message=f"has {claim}, as {places[0]} has", hint=hint)


def duplicate_problems(definition: FunctionDefinition) -> Iterator[Problem]:
    """The same polled source twice on one function, which Lambda refuses with ResourceConflictException."""
    triggers = [trigger for trigger in definition.triggers if trigger.mapping is not None]
    polled = Counter(resource for trigger in triggers for resource in trigger.resources)
    for resource, count in polled.items():
        if count > 1:
            hint = "an event source mapping of one source and one function exists once"
            yield Problem(where=definition.where, message=f"reads {resource} {count} times", hint=hint)
