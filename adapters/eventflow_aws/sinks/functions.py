"""Invoking a function of Lambda asynchronously. Source: Lambda API: Invoke."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflow.errors import InvalidMessageError
from eventflow.model import limits
from eventflow_aws.faults import translated
from eventflow_aws.outbound import regional_arn

if TYPE_CHECKING:
    from types_aiobotocore_lambda import LambdaClient
    from types_aiobotocore_lambda.literals import InvocationTypeType

    from eventflow.model.destinations import OutboundMessage
    from eventflow_aws.environment import Environment


async def open_function_sink(env: Environment, name: str) -> FunctionSink:
    """Raises ResourceNotFoundError, AccessDeniedError, UnavailableError, AdapterError.

    The look at the function is a dry run: it needs the permission that sending needs, and no other.
    """
    resource = f"function:{name}"
    sink = FunctionSink(await env.clients.lambda_(), resource, str(await regional_arn(env, resource)))
    await sink.invoke("DryRun", b"{}")
    return sink


class FunctionSink:
    """A DestinationSink that hands events to one function of Lambda, which keeps them until they ran."""

    def __init__(self, client: LambdaClient, resource: str, arn: str) -> None:
        self.arn = arn
        self._client = client
        self._resource = resource

    async def send(self, message: OutboundMessage) -> None:
        if (size_bytes := len(message.body)) > limits.ASYNCHRONOUS_REQUEST_BYTES:
            allowed = f"{limits.ASYNCHRONOUS_REQUEST_BYTES:,} are allowed"
            raise InvalidMessageError(self._resource, f"the event has {size_bytes:,} bytes; {allowed}")
        await self.invoke("Event", message.body)

    async def invoke(self, invocation_type: InvocationTypeType, payload: bytes) -> None:
        """Call the API once; the answer's body tells nothing."""
        with translated(self._resource, "lambda:InvokeFunction", sends=invocation_type == "Event"):
            answer = await self._client.invoke(FunctionName=self.arn, InvocationType=invocation_type, Payload=payload)
            async with answer["Payload"]:  # gives its connection back
                pass

    async def aclose(self) -> None:
        """Nothing is held."""
