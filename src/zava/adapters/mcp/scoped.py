"""What a caller may not use is refused, and not listed either."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastmcp.prompts import Prompt
from fastmcp.resources import Resource
from fastmcp.resources.template import ResourceTemplate
from fastmcp.server.dependencies import get_http_request
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool
from mcp_types import ListPromptsRequest, ListResourcesRequest, ListResourceTemplatesRequest, ListToolsRequest
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zava.adapters.mcp.identity import Caller
from zava.core.errors import AuthorizationError

# In the ASGI scope of a request: the scopes that a better token would name.
NEEDED = "zava.needed_scopes"


def check_scope(caller: Caller, name: str, scope: str | None) -> None:
    """Refuses a call without the scope that it needs.

    Raises:
        AuthorizationError: the caller does not have it, or their token leaves it out.
    """
    if scope is None or scope in caller.scopes:
        return
    if scope in caller.withheld:
        _ask_for(sorted(caller.scopes | {scope}))
        raise AuthorizationError(f"{name} needs the scope {scope}, which you have: sign in anew for it.")
    raise AuthorizationError(f"{name} needs the scope {scope}: ask an administrator for it.")


def _ask_for(scopes: list[str]) -> None:
    try:
        get_http_request().scope[NEEDED] = scopes
    except RuntimeError:
        return  # over stdio there is nobody to ask


class ScopeChallenges:
    """ASGI middleware: answers 403, with the scope to ask for (RFC 6750), where a better token would do.

    Where an administrator would have to grant it, the refusal is an answer like any other, which the model can read.
    """

    def __init__(self, app: ASGIApp, challenge: Callable[[list[str]], str]) -> None:
        """Adds challenges to the answers of an application.

        Args:
            app: answers.
            challenge: the header WWW-Authenticate for these scopes.
        """
        self._app = app
        self._challenge = challenge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def challenged(message: Message) -> None:
            if message["type"] == "http.response.start" and (needed := scope.get(NEEDED)):
                message = {**message, "status": 403}
                MutableHeaders(scope=message)["WWW-Authenticate"] = self._challenge(needed)
            await send(message)

        await self._app(scope, receive, challenged if scope["type"] == "http" else send)


class OwnListings(Middleware):
    """Leaves out of every listing what the caller may not use. Everything that is listed has a `scope`."""

    def __init__(self, identify: Callable[[], Awaitable[Caller | None]]) -> None:
        """Lists for these callers.

        Args:
            identify: who makes the call that is being handled, or None for nobody.
        """
        self._identify = identify

    async def on_list_tools(
        self, context: MiddlewareContext[ListToolsRequest], call_next: CallNext[ListToolsRequest, Sequence[Tool]]
    ) -> Sequence[Tool]:
        return await self._own(await call_next(context))

    async def on_list_resources(
        self,
        context: MiddlewareContext[ListResourcesRequest],
        call_next: CallNext[ListResourcesRequest, Sequence[Resource]],
    ) -> Sequence[Resource]:
        return await self._own(await call_next(context))

    async def on_list_resource_templates(
        self,
        context: MiddlewareContext[ListResourceTemplatesRequest],
        call_next: CallNext[ListResourceTemplatesRequest, Sequence[ResourceTemplate]],
    ) -> Sequence[ResourceTemplate]:
        return await self._own(await call_next(context))

    async def on_list_prompts(
        self,
        context: MiddlewareContext[ListPromptsRequest],
        call_next: CallNext[ListPromptsRequest, Sequence[Prompt]],
    ) -> Sequence[Prompt]:
        return await self._own(await call_next(context))

    async def _own(self, listed: Sequence[Any]) -> Sequence[Any]:
        caller = await self._identify()
        own = caller.scopes if caller else frozenset()
        return [one for one in listed if one.scope is None or one.scope in own]
