"""The span of a request: whose trace it joins, what it is called, how it ended."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextContent
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from zava.adapters.mcp.pipeline import Failure
from zava.adapters.mcp.refusals import RefusalError
from zava.adapters.mcp.server_spans import ServerSpans

SECRET = "hunter2"
MESSAGE = f"00-{'a' * 32}-{'b' * 16}-01"
REQUEST = f"00-{'c' * 32}-{'d' * 16}-01"


@dataclass
class Watched:
    """Server spans of which this process reads everything."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    told: list[tuple[str | None, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(self.exporter))

        def observe(_: float, *values: str | None) -> None:
            self.told.append(values)

        self.spans = ServerSpans(tracers.get_tracer("test"), observe, ["find_order"], ["plan_restocking"])

    async def handle(  # noqa: PLR0913 - all that a request can be
        self,
        method: str = "tools/call",
        params: Mapping[str, Any] | None = None,
        result: HandlerResult | BaseException = None,
        *,
        request_id: int | None = 1,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HandlerResult:
        async def call_next(_: object) -> HandlerResult:
            await asyncio.sleep(0)
            if isinstance(result, BaseException):
                raise result
            return result

        return await self.spans(request_of(method, params, request_id, meta, headers), call_next)

    def span(self) -> ReadableSpan:
        (span,) = self.exporter.get_finished_spans()
        return span

    def measured(self) -> Iterator[Mapping[str, Any]]:
        names = "mcp.method.name", "gen_ai.tool.name", "gen_ai.prompt.name", "error.type"
        for values in self.told:
            yield {name: value for name, value in zip(names, values, strict=True) if value is not None}


def request_of(
    method: str,
    params: Mapping[str, Any] | None,
    request_id: int | None,
    meta: Mapping[str, Any] | None,
    headers: Mapping[str, str] | None,
) -> ServerRequestContext[Any, Any]:
    request = None
    if headers is not None:
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        request = Request({"type": "http", "headers": pairs})
    return ServerRequestContext(
        session=cast("Any", None),
        lifespan_context=None,
        protocol_version="2025-06-18",
        method=method,
        params=params,
        request_id=request_id,
        meta=cast("Any", meta),
        request=request,
    )


@pytest.mark.parametrize(
    ("meta", "headers", "trace_id"),
    [
        ({"traceparent": MESSAGE}, None, "a" * 32),
        (None, {"traceparent": REQUEST}, "c" * 32),
        (None, {"Traceparent": REQUEST}, "c" * 32),
        ({"traceparent": MESSAGE}, {"traceparent": REQUEST}, "a" * 32),
        ({"traceparent": "nonsense"}, {"traceparent": REQUEST}, "c" * 32),
        ({"traceparent": 7}, {"traceparent": REQUEST}, "c" * 32),
        ({"progressToken": 1}, {}, None),
        (None, {"traceparent": "nonsense"}, None),
    ],
)
async def test_a_request_joins_the_trace_that_its_message_names_or_else_the_one_of_the_http_request(
    meta: Mapping[str, Any] | None, headers: Mapping[str, str] | None, trace_id: str | None
) -> None:
    watched = Watched()
    await watched.handle(meta=meta, headers=headers)
    parent = watched.span().parent
    assert (format(parent.trace_id, "032x") if parent else None) == trace_id


@pytest.mark.parametrize(
    ("method", "params", "name", "attributes"),
    [
        (
            "tools/call",
            {"name": "find_order", "arguments": {"order_number": SECRET}},
            "tools/call find_order",
            {"mcp.method.name": "tools/call", "gen_ai.tool.name": "find_order"},
        ),
        ("tools/call", {"name": SECRET}, "tools/call", {"mcp.method.name": "tools/call"}),
        ("tools/call", {"name": {"a": SECRET}}, "tools/call", {"mcp.method.name": "tools/call"}),
        ("tools/call", None, "tools/call", {"mcp.method.name": "tools/call"}),
        (
            "prompts/get",
            {"name": "plan_restocking"},
            "prompts/get plan_restocking",
            {"mcp.method.name": "prompts/get", "gen_ai.prompt.name": "plan_restocking"},
        ),
        ("resources/read", {"uri": f"zava://{SECRET}"}, "resources/read", {"mcp.method.name": "resources/read"}),
        (SECRET, {"name": SECRET}, "_OTHER", {"mcp.method.name": "_OTHER"}),
    ],
)
async def test_a_request_is_called_by_names_that_zava_knows_and_never_by_those_of_the_caller(
    method: str, params: Mapping[str, Any] | None, name: str, attributes: Mapping[str, str]
) -> None:
    watched = Watched()
    await watched.handle(method, params)
    span = watched.span()
    assert (span.name, span.kind) == (name, trace.SpanKind.SERVER)
    measured = dict(span.attributes or {})
    assert measured.pop("gen_ai.operation.name", None) == ("execute_tool" if method == "tools/call" else None)
    assert measured == attributes
    assert list(watched.measured()) == [attributes]
    assert SECRET not in str(span.to_json())


class _Wanted(BaseModel):
    number: int


def _malformed() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        _Wanted.model_validate({"number": SECRET})
    return caught.value


FAILURE = Failure("NOT_FOUND", SECRET, retryable=False)
REFUSED = {"zava/error": FAILURE.error}


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (CallToolResult(content=[TextContent(type="text", text=SECRET)], is_error=True, _meta=REFUSED), "NOT_FOUND"),
        ({"isError": True, "_meta": REFUSED, "content": []}, "NOT_FOUND"),
        ({"isError": True, "content": []}, "tool_error"),
        (RefusalError(FAILURE, uri=SECRET), "NOT_FOUND"),
        (MCPError(-32601, SECRET), "-32601"),
        (_malformed(), "-32602"),
        (RuntimeError(SECRET), "RuntimeError"),
        (asyncio.CancelledError(SECRET), "CancelledError"),
    ],
)
async def test_a_request_that_fails_tells_the_kind_of_its_error_and_none_of_the_words(
    result: HandlerResult | BaseException, kind: str
) -> None:
    watched = Watched()
    if isinstance(result, BaseException):
        with pytest.raises(type(result)):
            await watched.handle("resources/read", result=result)
    else:
        assert await watched.handle("resources/read", result=result) is result
    span = watched.span()
    assert (span.attributes or {})["error.type"] == kind
    assert (span.status.is_ok, span.status.description, span.events) == (False, None, ())
    assert list(watched.measured()) == [{"mcp.method.name": "resources/read", "error.type": kind}]
    assert SECRET not in str(span.to_json())


async def test_an_answer_is_no_error() -> None:
    watched = Watched()
    await watched.handle(result={"isError": False, "content": [{"type": "text", "text": SECRET}]})
    assert watched.span().status.is_unset
    assert list(watched.measured()) == [{"mcp.method.name": "tools/call"}]


async def test_a_notification_has_no_span() -> None:
    watched = Watched()
    await watched.handle("notifications/initialized", request_id=None)
    assert watched.exporter.get_finished_spans() == ()
    assert list(watched.measured()) == []
