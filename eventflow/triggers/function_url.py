"""``@on_function_url``. Source: Lambda guide: urls-configuration, urls-invocation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from eventflow.model.destinations import Service
from eventflow.model.http import INVOKE_MODES, URL_AUTH_TYPES, FunctionUrl
from eventflow.model.trigger import InvocationModel, Trigger
from eventflow.triggers._checks import Checker
from eventflow.triggers._marks import F, mark_with_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventflow.errors import Problem
    from eventflow.model.cors import Cors
    from eventflow.model.http import InvokeMode, UrlAuthType


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionUrlTrigger(Trigger):
    """The URL of one function."""

    service: ClassVar[Service] = Service.FUNCTION_URL
    invocation_model: ClassVar[InvocationModel] = InvocationModel.SYNCHRONOUS

    http: FunctionUrl = field(default_factory=FunctionUrl)

    @property
    def name(self) -> str:
        return "$default"

    @property
    def decorator(self) -> str:
        return "@on_function_url()"

    @property
    def streams(self) -> bool:
        return self.http.invoke_mode == "RESPONSE_STREAM"

    def problems(self, where: str) -> Iterator[Problem]:
        yield from Checker(where).one_of("auth_type", self.http.auth_type, URL_AUTH_TYPES)
        yield from Checker(where).one_of("invoke_mode", self.http.invoke_mode, INVOKE_MODES)
        for name, message, hint in self.http.cors.mistakes(lowest_age_seconds=0) if self.http.cors else ():
            yield Checker(where).problem(f"cors.{name}", message, hint)


def on_function_url(
    *, auth_type: UrlAuthType = "NONE", invoke_mode: InvokeMode = "BUFFERED", cors: Cors | None = None
) -> Callable[[F], F]:
    """Answer every request to a URL of the function's own, whatever its method and path.

    Its host is ``<function name>.lambda-url.`` and anything after that (``chat.lambda-url.localhost:8000``); if no
    other function of the app takes HTTP requests, any host will do.

    The handler may take :class:`~eventflow.events.HttpEvent`; the body as a pydantic model or any type pydantic
    validates; or nothing annotated, for the raw event (payload format 2.0). It returns what ``on_http`` takes.

    With ``auth_type="AWS_IAM"`` callers sign with an access key of the environment's that may invoke the function, and
    the event says in ``request_context.authorizer.iam`` who they are; elsewhere than on loopback, that is, unless
    ``serve --invoke-auth-type`` says otherwise.

    With ``invoke_mode="RESPONSE_STREAM"`` it may be a generator, ``async def`` or ``def``, that yields text and bytes,
    and before them an :class:`~eventflow.HttpPrelude` with status, headers and cookies (200 and
    ``application/octet-stream`` otherwise). Each piece is sent before the next is asked for, 200 MB in all; a client
    that leaves stops the generator, and a generator that fails midway breaks the connection off.

    With ``cors``, preflights are answered without the function, and headers for CORS are ours alone.
    """
    return mark_with_trigger(
        FunctionUrlTrigger(http=FunctionUrl(auth_type=auth_type, invoke_mode=invoke_mode, cors=cors))
    )
