"""What stands in front of a route that has an authorizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from eventflow.plan.http_request import HttpRequest
    from eventflow.runtime.http.answers import Answer


class RouteGate(ABC):
    """Lets requests reach a function, or answers them itself. One that ``needs_body`` looks at whole requests; to the
    others, the body of a request that may not go on is nobody's business."""

    needs_body: ClassVar[bool] = False

    @abstractmethod
    async def admit(self, request: HttpRequest) -> Answer | None:
        """``None`` for a request that may go on, with what its event says of that; the answer to any other."""
