"""Traces, metrics and logs of the real program, as a real receiver gets them."""

import asyncio
import json
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.semconv._incubating.attributes import db_attributes as incubating_db
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, mcp_attributes
from opentelemetry.semconv._incubating.metrics import db_metrics, gen_ai_metrics, mcp_metrics
from opentelemetry.semconv.attributes import db_attributes, error_attributes, server_attributes, service_attributes
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tests.e2e.conftest import ZAVA, Server, environment, free_port, start_server, zava
from tests.embedding_server import DIMENSIONS, embedding_server
from tests.otlp_receiver import Receiver, Span, otlp_receiver

SMALL = ("--scale", "0.005")
TOKEN = "demo-store-seattle"
# A test waits for what is sent, and Zava collects before it sends.
OFTEN = {
    "OTEL_METRIC_EXPORT_INTERVAL": "300",
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "OTEL_BLRP_SCHEDULE_DELAY": "100",
}
CALLERS = TracerProvider().get_tracer("caller")
PERFORMANCE_QUERIES = (
    "store_performance_visits, store_performance_slices, store_performance_target, store_performance_stock"
)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with otlp_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def observed(folder: Path, receiver: Receiver) -> Iterator[Server]:
    """A server of a sample shop, which tells the receiver."""
    server = start_server(
        folder / "observed",
        *SMALL,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        ZAVA_TELEMETRY__QUERY_TEXT="true",
        **OFTEN,
    )
    yield server
    assert server.stop() == 0
    # Nothing but records of the log: no warning of the exporters' libraries.
    records = [line for line in server.errors if line.startswith("20") and " - " in line]
    assert [line for line in server.errors if line not in records and not line.startswith("Sample shop")] == []


@pytest.fixture(scope="module")
def other_data_dir(folder: Path) -> Path:
    """Of servers that run one after the other."""
    return folder / "observed-otherwise"


def client_of(server: Server, headers: Mapping[str, str] | None = None) -> Client[StreamableHttpTransport]:
    return Client(StreamableHttpTransport(server.url, headers={"Authorization": f"Bearer {TOKEN}", **(headers or {})}))


async def call(
    server: Server,
    tool: str,
    arguments: dict[str, Any],
    *,
    headers: Mapping[str, str] | None = None,
    meta: dict[str, Any] | None = None,
) -> bool:
    """Calls a tool, and returns whether it answered."""
    async with client_of(server, headers) as client:
        result = await client.call_tool(tool, arguments, raise_on_error=False, meta=meta)
        return not result.is_error


def traceparent_of(span: trace.Span) -> dict[str, str]:
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, trace.set_span_in_context(span))
    return carrier


def trace_id_of(span: trace.Span) -> str:
    return format(span.get_span_context().trace_id, "032x")


def parent_of(receiver: Receiver, child: Span) -> Span:
    """The span that a span was made in."""
    (parent,) = receiver.wait_for(lambda: [span for span in list(receiver.spans) if span.span_id == child.parent_id])
    assert isinstance(parent, Span)
    assert parent.trace_id == child.trace_id
    return parent


async def test_one_trace_leads_from_the_callers_span_to_the_sql(observed: Server, receiver: Receiver) -> None:
    with CALLERS.start_as_current_span("agent", kind=trace.SpanKind.CLIENT) as caller:
        # The picture is drawn in a process of its own.
        arguments = {"period": "last_month", "chart": True}
        assert await call(observed, "get_store_performance", arguments, meta=traceparent_of(caller))
    query = receiver.span(PERFORMANCE_QUERIES, trace_id_of(caller))
    cache = parent_of(receiver, query)
    use_case = parent_of(receiver, cache)
    request = parent_of(receiver, use_case)
    assert (query.kind, cache.kind, use_case.kind, request.kind) == ("CLIENT", "INTERNAL", "INTERNAL", "SERVER")
    assert (cache.name, cache.attributes["cache.result"]) == ("cache answers", "miss")
    assert (use_case.name, request.name) == ("GetStorePerformance", "tools/call get_store_performance")
    assert request.parent_id == format(caller.get_span_context().span_id, "016x")
    assert request.started <= use_case.started <= query.started < query.ended <= use_case.ended <= request.ended
    assert request.attributes == {
        mcp_attributes.MCP_METHOD_NAME: "tools/call",
        gen_ai_attributes.GEN_AI_TOOL_NAME: "get_store_performance",
        gen_ai_attributes.GEN_AI_OPERATION_NAME: "execute_tool",
    }
    attributes = dict(query.attributes)
    text = attributes.pop(db_attributes.DB_QUERY_TEXT)
    assert "FROM retail." in text
    assert attributes == {
        db_attributes.DB_SYSTEM_NAME: "postgresql",
        db_attributes.DB_NAMESPACE: "zava",
        db_attributes.DB_OPERATION_NAME: "BATCH SELECT",
        db_attributes.DB_OPERATION_BATCH_SIZE: 4,
        db_attributes.DB_QUERY_SUMMARY: PERFORMANCE_QUERIES,
        incubating_db.DB_RESPONSE_RETURNED_ROWS: attributes[incubating_db.DB_RESPONSE_RETURNED_ROWS],
        server_attributes.SERVER_ADDRESS: str(observed.data_dir),
    }
    assert attributes[incubating_db.DB_RESPONSE_RETURNED_ROWS] > 4
    assert request.resource[service_attributes.SERVICE_NAME] == "zava"
    assert request.resource[service_attributes.SERVICE_VERSION]


async def test_a_call_joins_the_trace_of_the_http_request(observed: Server, receiver: Receiver) -> None:
    caller = CALLERS.start_span("agent")
    assert await call(observed, "get_current_utc_date", {}, headers=traceparent_of(caller))
    request = receiver.span("tools/call get_current_utc_date", trace_id_of(caller))
    assert request.parent_id == format(caller.get_span_context().span_id, "016x")


async def test_what_the_message_says_of_its_trace_counts_more_than_what_the_http_request_does(
    observed: Server, receiver: Receiver
) -> None:
    message, request = CALLERS.start_span("message"), CALLERS.start_span("request")
    assert await call(
        observed,
        "get_current_utc_date",
        {},
        headers=traceparent_of(request),
        meta=traceparent_of(message),
    )
    span = receiver.span("tools/call get_current_utc_date", trace_id_of(message))
    assert span.parent_id == format(message.get_span_context().span_id, "016x")


async def test_what_a_caller_does_not_keep_of_a_trace_zava_does_not_keep_either(
    observed: Server, receiver: Receiver
) -> None:
    unsampled = {"traceparent": f"00-{'c' * 32}-{'d' * 16}-00"}
    assert await call(observed, "get_current_utc_date", {}, meta=unsampled)
    sampled = CALLERS.start_span("agent")
    assert await call(observed, "get_current_utc_date", {}, meta=traceparent_of(sampled))
    assert receiver.span("tools/call get_current_utc_date", trace_id_of(sampled)).kind == "SERVER"
    assert not [span for span in receiver.spans if span.trace_id == "c" * 32]


async def test_a_search_shows_its_cache_and_the_call_of_the_model_and_what_that_cost(other_data_dir: Path) -> None:
    first, second = CALLERS.start_span("first"), CALLERS.start_span("second")
    arguments = {"query_description": "something against a dripping tap"}
    with otlp_receiver() as receiver:
        async with embedding_server() as provider:
            settings = {
                "ZAVA_EMBEDDING__PROVIDER": "openai",
                "ZAVA_EMBEDDING__BASE_URL": provider.url,
                "ZAVA_EMBEDDING__MODEL": "a-model",
                "ZAVA_EMBEDDING__DIMENSIONS": str(DIMENSIONS),
                # An answer that is kept asks no model.
                "ZAVA_CACHE__ENABLED": "false",
            }
            server = start_server(
                other_data_dir, *SMALL, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, **OFTEN, **settings
            )
            embedded = await asyncio.to_thread(zava, "embed", "--data-dir", str(other_data_dir), **settings)
            assert embedded.returncode == 0, embedded.stderr
            for caller in (first, second):
                assert await call(server, "semantic_search_products", arguments, meta=traceparent_of(caller))
            assert server.stop() == 0
    model = receiver.span("embeddings a-model", trace_id_of(first))
    cache = parent_of(receiver, model)
    assert (model.kind, cache.name, cache.attributes["cache.result"]) == ("CLIENT", "cache embeddings", "miss")
    assert parent_of(receiver, cache).name == "SemanticSearchProducts"
    known = {
        gen_ai_attributes.GEN_AI_OPERATION_NAME: "embeddings",
        gen_ai_attributes.GEN_AI_PROVIDER_NAME: "openai",
        gen_ai_attributes.GEN_AI_REQUEST_MODEL: "a-model",
    }
    assert model.attributes == {**known, gen_ai_attributes.GEN_AI_USAGE_INPUT_TOKENS: 1}
    assert receiver.span("cache embeddings", trace_id_of(second)).attributes["cache.result"] == "hit"
    requests = {point.attributes["cache.result"]: point.value for point in receiver.points("zava.cache.requests")}
    assert requests == {"miss": 1, "hit": 1}
    (duration,) = receiver.points(gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION)
    (tokens,) = receiver.points(gen_ai_metrics.GEN_AI_CLIENT_TOKEN_USAGE)
    assert (duration.attributes, duration.count) == (known, 1)
    assert (tokens.attributes, tokens.value) == ({**known, gen_ai_attributes.GEN_AI_TOKEN_TYPE: "input"}, 1)


async def test_errors_are_told_by_their_kind(observed: Server, receiver: Receiver) -> None:
    caller = CALLERS.start_span("agent")
    query = "SELECT 1 / (count(*) - count(*)) FROM retail.orders"
    assert not await call(observed, "execute_sales_query", {"postgresql_query": query}, meta=traceparent_of(caller))
    sql = receiver.span("execute_sales_query", trace_id_of(caller))
    request = receiver.span("tools/call execute_sales_query", trace_id_of(caller))
    assert sql.is_error
    assert sql.attributes[error_attributes.ERROR_TYPE] == "22012"
    assert sql.attributes[db_attributes.DB_QUERY_TEXT] == "SELECT ? / (count(*) - count(*)) FROM retail.orders"
    assert request.is_error
    assert request.attributes[error_attributes.ERROR_TYPE] == "INVALID_QUERY"
    assert (sql.message, sql.events, request.message, request.events) == ("", 0, "", 0)


async def test_metrics_say_how_often_how_long_and_how_it_ended(observed: Server, receiver: Receiver) -> None:
    assert await call(observed, "get_store_performance", {"period": "last_month"})
    assert not await call(observed, "get_store_performance", {"period": "last_month", "store": "Atlantis"})
    tool = {"gen_ai__tool__name": "get_store_performance", "mcp__method__name": "tools/call"}
    refused = receiver.wait_for(
        lambda: receiver.points(mcp_metrics.MCP_SERVER_OPERATION_DURATION, **tool, error__type="AUTHORIZATION_ERROR")
    )
    assert refused[0].count >= 1
    assert refused[0].boundaries[:3] == (0.01, 0.02, 0.05)
    refusals = receiver.wait_for(lambda: receiver.points("zava.refusals", tool="get_store_performance"))
    assert refusals[0].attributes["code"] == "AUTHORIZATION_ERROR"
    (queries,) = receiver.points(db_metrics.DB_CLIENT_OPERATION_DURATION, db__query__summary=PERFORMANCE_QUERIES)
    assert queries.attributes[db_attributes.DB_SYSTEM_NAME] == "postgresql"
    operation = {"operation": "get_store_performance"}
    assert receiver.points("operation_success", **operation)[0].value >= 1
    assert receiver.points("operation_duration", **operation)[0].count >= 2
    assert receiver.points("operation_error", **operation, type="authorization")[0].value >= 1
    assert receiver.points("query_total", type=PERFORMANCE_QUERIES, status="success")[0].value >= 1
    assert receiver.points("query_duration", type=PERFORMANCE_QUERIES)[0].count >= 1
    (usage,) = receiver.points("zava.principal.calls")
    assert usage.value >= 2
    assert receiver.points("zava.principal.duration", principal__id=usage.attributes["principal.id"])[0].value > 0


async def test_pools_and_rollups_are_looked_at(observed: Server, receiver: Receiver) -> None:
    assert observed.process.poll() is None
    idle = receiver.wait_for(
        lambda: receiver.points(db_metrics.DB_CLIENT_CONNECTION_COUNT, db__client__connection__state="idle")
    )
    assert {point.attributes[incubating_db.DB_CLIENT_CONNECTION_POOL_NAME] for point in idle} == {
        "questions",
        "queries",
    }
    (most,) = receiver.points(db_metrics.DB_CLIENT_CONNECTION_MAX, db__client__connection__pool__name="questions")
    assert most.value == 10
    assert receiver.points(db_metrics.DB_CLIENT_CONNECTION_PENDING_REQUESTS)
    (age,) = receiver.wait_for(lambda: receiver.points("zava.rollup.age"))
    assert 0 <= age.value < 60
    assert receiver.units["zava.rollup.age"] == "s"


async def test_what_is_logged_of_a_call_names_its_trace_its_principal_and_its_tool(
    observed: Server, receiver: Receiver
) -> None:
    caller = CALLERS.start_span("agent")
    arguments = {"period": "last_month", "store": "Atlantis"}
    assert not await call(observed, "get_store_performance", arguments, meta=traceparent_of(caller))
    (line,) = receiver.wait_for(lambda: [one for one in receiver.logs if one.trace_id == trace_id_of(caller)])
    assert (line.logger, line.severity) == ("zava.adapters.mcp.pipeline", "WARN")
    assert line.body == f"AUTHORIZATION_ERROR in get_store_performance for {line.attributes['principal.id']}"
    assert line.attributes["gen_ai.tool.name"] == "get_store_performance"
    principals = {point.attributes["principal.id"] for point in receiver.points("zava.principal.calls")}
    assert line.attributes["principal.id"] in principals
    assert line.span_id == receiver.span("tools/call get_store_performance", trace_id_of(caller)).span_id


async def test_over_http_the_same_comes_and_the_last_of_it_when_the_server_stops(other_data_dir: Path) -> None:
    with otlp_receiver() as receiver:
        server = start_server(
            other_data_dir,
            *SMALL,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.http_endpoint,
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
            OTEL_SERVICE_NAME="zava-of-the-north",
            OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
        )
        caller = CALLERS.start_span("agent")
        assert await call(server, "get_store_performance", {"period": "last_month"}, meta=traceparent_of(caller))
        assert server.stop() == 0
        span = receiver.span("GetStorePerformance", trace_id_of(caller))
        assert span.resource[service_attributes.SERVICE_NAME] == "zava-of-the-north"
        assert span.resource["deployment.environment.name"] == "test"
        assert receiver.points("operation_success", operation="get_store_performance")[0].value == 1
        assert "MCP server startup complete" in [line.body for line in receiver.logs]
        assert db_attributes.DB_QUERY_TEXT not in receiver.span(PERFORMANCE_QUERIES, trace_id_of(caller)).attributes


@contextmanager
def silent_receiver() -> Iterator[str]:
    """Takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("receiver_is", ["away", "silent"])
async def test_without_a_receiver_that_answers_callers_lose_nothing_and_the_log_says_so_once(
    other_data_dir: Path, receiver_is: str, protocol: str
) -> None:
    with silent_receiver() as silent:
        server = start_server(
            other_data_dir,
            *SMALL,
            OTEL_EXPORTER_OTLP_ENDPOINT=silent if receiver_is == "silent" else f"http://127.0.0.1:{free_port()}",
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_EXPORTER_OTLP_TIMEOUT="2",
            # Spans are lost soon, and often.
            OTEL_BSP_MAX_QUEUE_SIZE="16",
            OTEL_BSP_MAX_EXPORT_BATCH_SIZE="8",
            **OFTEN,
        )
        async with client_of(server) as client:
            await client.call_tool("get_store_performance", {"period": "last_month"})
            took = []
            for _ in range(40):
                started = time.monotonic()
                result = await client.call_tool("get_current_utc_date", {})
                took.append(time.monotonic() - started)
                assert not result.is_error
            await asyncio.sleep(3)
        assert sorted(took)[len(took) // 2] < 0.5
        stopping = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - stopping < 20
    complaints = [line for line in server.errors if "Telemetry suffers" in line]
    assert len(complaints) == 1
    assert not [line for line in server.errors if "opentelemetry" in line]
    assert not [line for line in server.errors if "Traceback" in line]


def test_over_stdio_what_is_left_is_sent_before_a_signal_ends_the_program(other_data_dir: Path) -> None:
    trace_id = "e" * 32
    about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    call = {"name": "get_current_utc_date", "arguments": {}, "_meta": {"traceparent": f"00-{trace_id}-{'f' * 16}-01"}}
    messages = (
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call},
    )
    with otlp_receiver() as receiver:
        variables = environment(ZAVA_TOKEN=TOKEN, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
        with subprocess.Popen(  # noqa: S603 - our own program
            [*ZAVA, "serve", "--transport", "stdio", "--data-dir", str(other_data_dir), *SMALL],
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdin
            assert process.stdout
            for message in messages:
                process.stdin.write(json.dumps(message) + "\n")
                process.stdin.flush()
                if "id" in message:
                    assert json.loads(process.stdout.readline())["id"] == message["id"]
            process.terminate()
            assert process.wait(60) == 0
        assert receiver.span("tools/call get_current_utc_date", trace_id).kind == "SERVER"
        assert receiver.points("operation_success", operation="get_current_utc_date")[0].value == 1
