"""From the context object of Lambda's runtime to ours. It may be any object with those attributes: emulators and tests
bring their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventflow.model.context import Caller, Client, ClientContext, FunctionEnvironment, Identity
from eventflow.runtime.request_ids import request_ids

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_NO_IDENTITY = Identity()


def environment_of(context: Any, *, state: Any, clock: Callable[[], float]) -> FunctionEnvironment:
    """What stays the same over the invocations of one execution environment."""
    return FunctionEnvironment(
        function_name=context.function_name,
        function_version=context.function_version,
        function_arn=context.invoked_function_arn,
        memory_limit_in_mb=str(context.memory_limit_in_mb),
        log_group_name=context.log_group_name,
        log_stream_name=context.log_stream_name,
        clock=clock,
        next_request_id=request_ids(),
        state=state,
    )


def caller_of(context: Any, loop: asyncio.AbstractEventLoop) -> Caller:
    """What Lambda says of one invocation."""
    return Caller(
        client_context=_client_context(context),
        invoked_function_arn=context.invoked_function_arn,
        tenant_id=getattr(context, "tenant_id", None),
        identity=_identity(getattr(context, "identity", None)),
        deadline=loop.time() + context.get_remaining_time_in_millis() / 1000,
        log=getattr(context, "log", None),
    )


def _identity(identity: Any) -> Identity:
    if identity is None or identity.cognito_identity_id is None:
        return _NO_IDENTITY
    return Identity(identity.cognito_identity_id, identity.cognito_identity_pool_id)


def _client_context(context: Any) -> ClientContext | None:
    found = getattr(context, "client_context", None)
    if found is None:
        return None
    w3c = context.w3c() if hasattr(context, "w3c") else None  # Lambda takes it out of the client context
    client = found.client and Client(**{name: getattr(found.client, name, None) for name in Client.__slots__})
    return ClientContext(custom=found.custom, env=found.env, client=client, w3c=w3c)
