"""Findings: declarations that work, but probably not as meant. Each rule looks at a plan and needs no network."""

from __future__ import annotations

import time
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from eventflow.cli import embedded
from eventflow.cli.description import takes_asynchronous_events
from eventflow.cli.serve_options import is_local
from eventflow.model.destinations import Service
from eventflow.model.invocation import InvocationType
from eventflow.model.mapping import StreamMapping
from eventflow.model.permissions import AuthType, is_service
from eventflow.model.suggestions import ask_for
from eventflow.policy.permissions import account_of, names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventflow.cli.serve_options import InvokeAccess
    from eventflow.model.destinations import Destination
    from eventflow.model.function import FunctionDefinition
    from eventflow.model.mapping import QueueMapping
    from eventflow.model.trigger import Trigger
    from eventflow.plan.plan import Plan, QueuePlan

OPEN_INVOKE_API: Final = "open-invoke-api"

_RETRY_DELAYS: Final = (60, 180)
"""Seconds after the first attempt at which the second and the third are due. Source: Lambda guide:
invocation-async."""
_NEARLY: Final = 0.85
"""How alike two names are of which one is probably a slip of the other."""
_DEFAULT_VISIBILITY_SECONDS: Final = 30
"""Source: SQS API: CreateQueue: VisibilityTimeout."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found in one place, and what would mend it."""

    rule: str
    where: str
    message: str
    mend: str


Found = tuple[str, str, str]
"""Where, message, mend."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to look for."""

    id: str
    look: Callable[[Plan], Iterator[Found]]


def find(plan: Plan) -> list[Finding]:
    """Every finding of every rule."""
    return [Finding(rule.id, *found) for rule in RULES for found in rule.look(plan)]


def find_open_invoke_api(host: str, access: InvokeAccess) -> list[Finding]:
    """What is wrong with an Invoke API that is served at ``host``: others reach it, and nobody asks who they are."""
    if not access.invoke_api or access.auth_type is AuthType.AWS_IAM or is_local(host):
        return []
    message = "whoever reaches it may invoke every function"
    return [
        Finding(OPEN_INVOKE_API, f"the Invoke API at {host}", message, "give callers access keys, and let them sign")
    ]


def _definitions(plan: Plan) -> list[FunctionDefinition]:
    return [function.definition for function in plan.functions.values()]


def _mappings(plan: Plan) -> Iterator[tuple[FunctionDefinition, Trigger]]:
    for definition in _definitions(plan):
        for trigger in definition.triggers:
            if trigger.mapping is not None:
                yield definition, trigger


def _where(definition: FunctionDefinition, trigger: Trigger | None) -> str:
    return f"{definition.where} {trigger.decorator}" if trigger else definition.where


def _no_failure_destination(plan: Plan) -> Iterator[Found]:
    for definition in _definitions(plan):
        settings = definition.settings
        pushed = definition.triggers and takes_asynchronous_events(definition)
        if pushed and settings.on_failure is None and settings.dead_letter_queue is None:
            message = "an event that fails its last attempt is dropped"
            yield definition.where, message, "@function(on_failure=to_sqs(...)) keeps it"


def _no_stream_failure_destination(plan: Plan) -> Iterator[Found]:
    for definition, trigger in _mappings(plan):
        mapping = trigger.mapping
        if mapping and _limited(mapping) and mapping.on_failure is None:
            message = "records that reach their limit of retries or age are dropped"
            yield _where(definition, trigger), message, "on_failure=to_sqs(...) keeps a record of them"


def _unlimited_stream_retries(plan: Plan) -> Iterator[Found]:
    for definition, trigger in _mappings(plan):
        mapping = trigger.mapping
        if isinstance(mapping, StreamMapping) and not _limited(mapping):
            message = "a record that always fails blocks its partition until it expires"
            mend = "set maximum_retry_attempts or maximum_record_age_seconds, and on_failure"
            yield _where(definition, trigger), message, mend


def _limited(mapping: QueueMapping | StreamMapping) -> bool:
    ages = isinstance(mapping, StreamMapping) and mapping.maximum_record_age_seconds != -1
    return mapping.maximum_retry_attempts not in (None, -1) or ages


def _loop(plan: Plan) -> Iterator[Found]:
    """Functions whose destination leads back to them, directly or through other functions."""
    reads = {
        definition.name: {resource for trigger in definition.triggers for resource in trigger.resources}
        for definition in _definitions(plan)
    }
    for definition in _definitions(plan):
        for trigger, field, destination in _destinations(definition):
            reached = _reached_from(destination, plan, reads)
            if definition.name in reached and _comes_back(definition, destination):
                message = f"{field}={destination} leads back to this function"
                yield _where(definition, trigger), message, "send it to a resource that none of its sources is"


def _destinations(definition: FunctionDefinition) -> Iterator[tuple[Trigger | None, str, Destination]]:
    for field in ("on_success", "on_failure", "dead_letter_queue"):
        destination = getattr(definition.settings, field)
        if destination is not None:
            yield None, field, destination
    for trigger in definition.triggers:
        for destination in trigger.destinations:
            yield trigger, "on_failure", destination


def _reached_from(destination: Destination, plan: Plan, reads: dict[str, set[str]]) -> set[str]:
    """The functions that a message to ``destination`` can reach, over any number of further destinations."""
    reached: set[str] = set()
    waiting = [destination]
    while waiting:
        current = waiting.pop()
        direct = {current.name} if current.service is Service.FUNCTION else set()
        for name in direct | {name for name, resources in reads.items() if current.resource in resources}:
            if name not in reached and name in plan.functions:
                reached.add(name)
                waiting += [following for _, _, following in _destinations(plan.functions[name].definition)]
    return reached


def _comes_back(definition: FunctionDefinition, destination: Destination) -> bool:
    """Whether the objects that Lambda writes pass the prefix and suffix of the function's own bucket trigger."""
    own = [trigger for trigger in definition.triggers if trigger.resource == destination.resource]
    if destination.service is not Service.S3 or not own:
        return True
    written = "aws/lambda/"
    prefixes: list[str] = [getattr(trigger, "prefix", "") for trigger in own]
    suffixes: list[str] = [getattr(trigger, "suffix", "") for trigger in own]
    return any(
        (written.startswith(prefix) or prefix.startswith(written)) and not suffix
        for prefix, suffix in zip(prefixes, suffixes, strict=True)
    )


def _age_below_retries(plan: Plan) -> Iterator[Found]:
    for definition in _definitions(plan):
        settings = definition.settings
        retries = settings.maximum_retry_attempts
        needed = _RETRY_DELAYS[retries - 1] if retries else 0
        if takes_asynchronous_events(definition) and settings.maximum_event_age_seconds <= needed:
            message = (
                f"maximum_event_age_seconds={settings.maximum_event_age_seconds:g} ends an event before its last retry"
            )
            yield definition.where, message, f"attempt {retries + 1} is {needed} s after the first: allow more"


def _visibility(plan: Plan) -> Iterator[Found]:
    for queue in plan.queues:
        visibility = _visibility_seconds(plan, queue)
        window = queue.mapping.batch.maximum_batching_window_seconds
        timeout = queue.endpoint.function.settings.timeout_seconds
        where = _where(queue.endpoint.function, queue.endpoint.trigger)
        if visibility is None:
            continue
        if visibility < timeout:
            message = (
                f"the visibility timeout ({visibility:g} s) is below timeout_seconds={timeout:g}; Lambda refuses that"
            )
            yield where, message, "give the queue visibility_timeout_seconds of six times the timeout"
        elif visibility <= window + timeout:
            message = (
                f"{window:g} s of window and {timeout:g} s of work outlast the visibility timeout ({visibility:g} s)"
            )
            yield where, message, "lengthen the queue's visibility timeout, or shorten the window"


def _visibility_seconds(plan: Plan, queue: QueuePlan) -> float | None:
    """What the environment's file says of a queue; unknown for queues of a service, and brokers have no such thing."""
    if queue.subscription.service is not Service.SQS:
        return None
    queues = plan.environment.binding(queue.subscription.service).options.get("queues")
    table = queues.get(queue.subscription.name) if isinstance(queues, dict) else None
    default = _DEFAULT_VISIBILITY_SECONDS if queue.adapter == embedded.ADAPTER else None
    found = table.get("visibility_timeout_seconds", default) if isinstance(table, dict) else default
    return found if isinstance(found, int | float) else None


def _whole_batch(plan: Plan) -> Iterator[Found]:
    for definition, trigger in _mappings(plan):
        mapping = trigger.mapping
        if trigger.per_record or mapping is None or mapping.batch.batch_size == 1:
            continue
        if not mapping.batch.report_batch_item_failures:
            message = "one failing record makes the whole batch run again"
            reporting = "report_batch_item_failures=True, or " if trigger.partial_responses else ""
            yield _where(definition, trigger), message, f"{reporting}a decorator per record"


def _fifo_twin(plan: Plan) -> Iterator[Found]:
    named = {queue.subscription.name for queue in plan.queues if queue.subscription.service is Service.SQS}
    named |= {destination.name for destination in plan.destinations() if destination.service is Service.SQS}
    for name in sorted(named):
        if f"{name}.fifo" in named:
            message = "is used beside a FIFO queue of the same name; they are two queues"
            yield f"sqs:{name}", message, f"write {name}.fifo if you mean that one"


def _never_runs(plan: Plan) -> Iterator[Found]:
    for definition in _definitions(plan):
        if definition.settings.reserved_concurrency == 0:
            yield definition.where, "reserved_concurrency=0: it never runs", "leave it out, or reserve at least 1"


def _above_reserved(plan: Plan) -> Iterator[Found]:
    for queue in plan.queues:
        reserved = queue.endpoint.function.settings.reserved_concurrency
        wanted = queue.mapping.maximum_concurrency
        if reserved and wanted and wanted > reserved:
            where = _where(queue.endpoint.function, queue.endpoint.trigger)
            message = f"maximum_concurrency={wanted} is above reserved_concurrency={reserved}"
            yield where, message, "it is throttled at the latter; Lambda advises against it"


def _caller_timeout(plan: Plan) -> Iterator[Found]:
    for definition in _definitions(plan):
        for trigger in definition.triggers:
            timeout, patience = definition.settings.timeout_seconds, trigger.caller_seconds
            if patience is not None and timeout > patience:
                message = f"timeout_seconds={timeout:g}, but {trigger.service} waits {patience:g} s"
                mend = f"answer sooner, and go on in a function invoked with {InvocationType.EVENT}"
                yield _where(definition, trigger), message, mend


def _permission_for_anybody(plan: Plan) -> Iterator[Found]:
    for permission in plan.environment.permissions:
        if permission.principal == "*" and not permission.has_conditions:
            message = "lets in whoever has an access key, of any account"
            yield f"a permission for {permission.function}", message, "name a principal, or a source_arn"


def _permission_without_source(plan: Plan) -> Iterator[Found]:
    for permission in plan.environment.permissions:
        if is_service(permission.principal) and not permission.has_conditions:
            message = f"lets {permission.principal} in on behalf of anybody, other accounts included"
            yield f"a permission for {permission.function}", message, "add source_arn, and source_account for a bucket"


def _permission_for_no_function(plan: Plan) -> Iterator[Found]:
    for permission in plan.environment.permissions:
        if permission.function not in plan.functions:
            message = f"the app has no function {permission.function!r}"
            yield f"a permission for {permission.principal}", message, f"known: {', '.join(plan.functions)}"


def _key_without_permission(plan: Plan) -> Iterator[Found]:
    """Keys of services and of other accounts, which may invoke nothing by themselves."""
    from eventflow.plan.permissions import grants  # few environments have keys

    statements = [grant.permission for grant in grants(plan)] if plan.environment.callers else []
    for key in plan.environment.callers:
        account_id = plan.environment.account_id
        theirs = key.is_service or account_of(key.principal) != account_id
        if theirs and not any(names(item.principal, key.principal, account_id) for item in statements):
            message = f"no permission lets {key.principal} in, so the key invokes nothing"
            yield f"access key {key.id}", message, f"add [[environments.{plan.environment.name}.permissions]]"


def _expired_key(plan: Plan) -> Iterator[Found]:
    for key in plan.environment.callers:
        if key.expires_at is not None and key.expires_at <= time.time():
            yield f"access key {key.id}", "has expired", "make a new one, or remove it"


def _distribution_without_function(plan: Plan) -> Iterator[Found]:
    triggers = [trigger for definition in _definitions(plan) for trigger in definition.triggers]
    named = {trigger.name for trigger in triggers if trigger.service is Service.CLOUDFRONT}
    for name in plan.environment.distributions:
        if name not in named:
            message = "no function is of this distribution, so it is not served"
            yield f"distribution {name}", message, f'mark one with @on_cloudfront("{name}", ...), or remove the table'


def _misspelt(plan: Plan) -> Iterator[Found]:
    """An environment may well name what other apps have; but not nearly what this one has, and leave that out."""
    triggers = [trigger for definition in _definitions(plan) for trigger in definition.triggers]
    known = {resource for trigger in triggers for resource in trigger.resources}
    known |= {destination.resource for destination in plan.destinations()}
    given = dict.fromkeys(plan.environment.resources, "resources")
    queues = plan.environment.binding(Service.SQS).options.get("queues")
    if isinstance(queues, dict):
        given |= dict.fromkeys([f"{Service.SQS}:{name}" for name in queues], "queues")
    left_out = sorted(known - given.keys())
    for resource, table in given.items():
        close = [] if resource in known else get_close_matches(resource, left_out, n=1, cutoff=_NEARLY)
        if close and resource.partition(":")[0] == close[0].partition(":")[0]:
            where = f"environments.{plan.environment.name}.{table}"
            message = f"{resource} is nothing that this app names"
            yield where, message, f"{ask_for(close)} If not, name that one there, too"


RULES: Final = (
    Rule("no-failure-destination", _no_failure_destination),
    Rule("no-stream-failure-destination", _no_stream_failure_destination),
    Rule("unlimited-stream-retries", _unlimited_stream_retries),
    Rule("destination-loop", _loop),
    Rule("event-age-below-retries", _age_below_retries),
    Rule("visibility-timeout", _visibility),
    Rule("whole-batch-retry", _whole_batch),
    Rule("fifo-twin", _fifo_twin),
    Rule("never-runs", _never_runs),
    Rule("concurrency-above-reserved", _above_reserved),
    Rule("caller-timeout", _caller_timeout),
    Rule("permission-for-anybody", _permission_for_anybody),
    Rule("permission-without-source", _permission_without_source),
    Rule("permission-for-no-function", _permission_for_no_function),
    Rule("key-without-permission", _key_without_permission),
    Rule("expired-key", _expired_key),
    Rule("distribution-without-function", _distribution_without_function),
    Rule("misspelt-resource", _misspelt),
)
"""In the order they are reported."""
