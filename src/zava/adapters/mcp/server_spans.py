"""One span and one measurement of every request of a client, as part of the client's own trace."""

import time
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, TypeAlias

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolResult
from opentelemetry import propagate, trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue
from pydantic import ValidationError

# Any other is the caller's own invention.
METHODS = frozenset(
    (
        "initialize",
        "ping",
        "server/discover",
        "tools/list",
        "tools/call",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "subscriptions/listen",
        "prompts/list",
        "prompts/get",
        "completion/complete",
        "logging/setLevel",
    )
)
OTHER = "_OTHER"
TOOL = "tools/call"
PROMPT = "prompts/get"

# Of seconds, method, tool, prompt and kind of error.
RequestObserver: TypeAlias = Callable[[float, str, str | None, str | None, str | None], None]


class ServerSpans:
    """Surrounds whatever handles a request. Of what the client sends it keeps only names that are known here.

    FastMCP's own spans would carry the messages of errors, and the URIs that callers write.
    """

    def __init__(
        self, tracer: Tracer, observe: RequestObserver, tools: Collection[str], prompts: Collection[str]
    ) -> None:
        """Takes the names of all tools and prompts.

        Args:
            tracer: makes the spans.
            observe: is told of each request that has ended.
            tools: that clients can call.
            prompts: that clients can get.
        """
        self._tracer = tracer
        self._observe = observe
        self._tools = frozenset(tools)
        self._prompts = frozenset(prompts)

    async def __call__(self, request: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        # Nobody waits for an answer to a notification.
        if request.request_id is None:
            return await call_next(request)
        method = request.method if request.method in METHODS else OTHER
        tool = _known(request, self._tools) if method == TOOL else None
        prompt = _known(request, self._prompts) if method == PROMPT else None
        name = tool or prompt
        error: str | None = None
        started = time.monotonic()
        span = self._tracer.start_span(
            f"{method} {name}" if name else method,
            context=_parent(request),
            kind=SpanKind.SERVER,
            attributes=_attributes(method, tool, prompt),
        )
        # The library's own way of making it the current one takes twice as long.
        token = attach(trace.set_span_in_context(span))
        try:
            result = await call_next(request)
            error = _error_of(result)
        except BaseException as failure:
            error = _error_type(failure)
            raise
        finally:
            detach(token)
            if error:
                span.set_attribute("error.type", error)
                span.set_status(StatusCode.ERROR)
            span.end()
            self._observe(time.monotonic() - started, method, tool, prompt, error)
        return result


def _known(request: ServerRequestContext[Any, Any], names: Collection[str]) -> str | None:
    """What the request names, if there is such a thing."""
    name = (request.params or {}).get("name")
    return name if isinstance(name, str) and name in names else None


# There are as many as there are tools and prompts.
@cache
def _attributes(method: str, tool: str | None, prompt: str | None) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {"mcp.method.name": method}
    if tool:
        attributes["gen_ai.tool.name"] = tool
    if prompt:
        attributes["gen_ai.prompt.name"] = prompt
    if method == TOOL:
        attributes["gen_ai.operation.name"] = "execute_tool"
    return attributes


def _parent(request: ServerRequestContext[Any, Any]) -> Context | None:
    """The caller's span: what the message says of it, or else what the HTTP request does."""
    headers = request.request.headers if request.request is not None else None
    for carrier in (request.meta, headers):
        if carrier and "traceparent" in carrier:
            context = propagate.extract(_texts(carrier), context=Context())
            if trace.get_current_span(context).get_span_context().is_valid:
                return context
    return None


def _texts(carrier: Mapping[str, Any]) -> dict[str, str]:
    return {name: carrier[name] for name in ("traceparent", "tracestate") if isinstance(carrier.get(name), str)}


def _error_of(result: HandlerResult) -> str | None:
    """The code of a tool's refusal or failure."""
    match result:
        case CallToolResult(is_error=True, meta=meta):
            return _code(meta)
        case {"isError": True, "_meta": meta}:
            return _code(meta)
        case {"isError": True}:
            return _code(None)
    return None


def _error_type(failure: BaseException) -> str:
    """The code of a refusal, of the protocol's where there is no other, or the name of what failed."""
    match failure:
        case MCPError():
            return _code(failure.error.data, str(failure.error.code))
        case ValidationError():
            return str(INVALID_PARAMS)
    return type(failure).__qualname__


def _code(data: object, otherwise: str = "tool_error") -> str:
    match data:
        case {"zava/error": {"code": str(code)}}:
            return code
    return otherwise
