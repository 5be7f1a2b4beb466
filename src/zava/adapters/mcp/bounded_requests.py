"""Whole requests of somebody who sends far too many are refused before the protocol has any work with them."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from zava.adapters.mcp.identity import CallerToken
from zava.core.errors import BusyError
from zava.core.fairness import Requests


class BoundedRequests:
    """ASGI middleware behind the authentication: answers 429 with Retry-After to whoever sends too many requests.

    A call that comes too often gets an answer that a model can read. That costs as much as any other, though, which is
    three times as much as this, and listings and pings are no calls.
    """

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        """Bounds the requests of each principal.

        Args:
            app: answers.
            requests: what a principal may send.
        """
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        access = getattr(scope.get("user"), "access_token", None)
        if not isinstance(access, CallerToken):
            await self._app(scope, receive, send)
            return
        try:
            with self._requests.one_of(access.caller.principal):
                await self._app(scope, receive, send)
        except BusyError as error:
            await _refused(error)(scope, receive, send)


def _refused(error: BusyError) -> JSONResponse:
    return JSONResponse(
        {"error": "too_many_requests", "error_description": error.message},
        status_code=429,
        headers={"Retry-After": str(error.retry_after)},
    )
