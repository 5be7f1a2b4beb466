"""What is told over OTLP: spans, metrics and records of logs, in the SDK's own memory; and what is never told."""

import asyncio
import logging
import math
import os
import subprocess
import sys
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    MetricsData,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from zava.adapters.cache.memory import InMemoryCache
from zava.adapters.postgres.access import DatabaseAccess
from zava.adapters.postgres.query_shapes import text_of
from zava.adapters.telemetry.durations import Durations
from zava.adapters.telemetry.logs import Complaints, OtlpHandler
from zava.adapters.telemetry.otlp import OpenTelemetry
from zava.adapters.telemetry.setup import open_telemetry, protocol_of, signals_sent
from zava.adapters.telemetry.telemetry import DatabaseServer, Telemetry
from zava.core import errors
from zava.core.model import Embedding, EmbeddingModel, Principal
from zava.core.observations import Call, CallUnderWay, Coverage, QueryRun, call_under_way
from zava.core.ports import EmbeddingProvider

ADA = Principal(UUID(int=1), "Ada")
SERVER = DatabaseServer("shop", "db.example", 5433)
SECRET = "hunter2"
REQUEST = "request"
MODEL = EmbeddingModel("a-model", 2)

CALL = Call(
    started_at=datetime(2026, 1, 1, tzinfo=UTC),
    principal=ADA,
    client=None,
    tool="find_order",
    query=None,
    code=None,
    coverage=Coverage(),
    text_bytes=10,
    seconds=0.25,
    trace_id=None,
)
RUN = QueryRun(ADA, "find_order", ("SELECT %(number)s",), {"number": SECRET}, rows=3, error=None, seconds=0.5)
FREE = replace(RUN, name="execute_sales_query", queries=("SELECT 1",), parameters=())


class Recorded:
    """Telemetry of which this process reads everything."""

    def __init__(self, *, sampler: Sampler = ALWAYS_ON, with_query_text: bool = False) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        tracers = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self._durations = Durations(InstrumentationScope("test"))
        self.telemetry = OpenTelemetry(
            tracers.get_tracer("test"),
            meters.get_meter("test"),
            self._durations,
            SERVER,
            text_of if with_query_text else None,
        )

    @contextmanager
    def request(self) -> Iterator[None]:
        """What the span of a request surrounds."""
        assert self.telemetry.tracer
        with self.telemetry.tracer.start_as_current_span(
            REQUEST, record_exception=False, set_status_on_exception=False
        ):
            yield

    def spans(self) -> tuple[ReadableSpan, ...]:
        """All but those of requests."""
        return tuple(span for span in self._exporter.get_finished_spans() if span.name != REQUEST)

    def metrics(self) -> dict[str, Metric]:
        kept = self._reader.get_metrics_data() or MetricsData([])
        data = self._durations.added_to(kept, Resource({}), AggregationTemporality.CUMULATIVE)
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def points(self, name: str) -> list[tuple[Mapping[str, Any], float]]:
        """Attributes and values of a metric; of a histogram the sum."""
        metric = self.metrics().get(name)
        return [
            (dict(point.attributes or {}), point.sum if isinstance(point, HistogramDataPoint) else point.value)
            for point in (metric.data.data_points if metric else ())
            if not hasattr(point, "scale")
        ]


@dataclass
class Stub(EmbeddingProvider):
    """Embeds everything alike, or fails."""

    error: Exception | None = None
    observe_tokens: Callable[[int], None] = lambda _: None

    @property
    def model(self) -> EmbeddingModel:
        return MODEL

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        if self.error:
            raise self.error
        self.observe_tokens(7)
        return [array("f", [0, 1]) for _ in texts]


def words_of(span: ReadableSpan) -> str:
    """All that a span says."""
    return str(span.to_json())


def test_a_use_case_and_its_query_are_spans_of_one_trace() -> None:
    recorded = Recorded()
    with recorded.request(), recorded.telemetry.within("find_order"):
        recorded.telemetry.observe_query(RUN)
    query, use_case = recorded.spans()
    assert (use_case.name, query.name) == ("FindOrder", "find_order")
    assert query.parent == use_case.get_span_context()
    assert query.end_time is not None
    assert query.start_time is not None
    assert query.end_time - query.start_time == 500_000_000
    assert dict(query.attributes or {}) == {
        "db.system.name": "postgresql",
        "db.namespace": "shop",
        "server.address": "db.example",
        "server.port": 5433,
        "db.operation.name": "SELECT",
        "db.query.summary": "find_order",
        "db.response.returned_rows": 3,
    }


def test_a_query_outside_of_any_trace_that_is_kept_leaves_no_span_and_is_measured_all_the_same() -> None:
    recorded = Recorded(sampler=ALWAYS_OFF)
    with recorded.request(), recorded.telemetry.within("find_order"):
        recorded.telemetry.observe_query(RUN)
    recorded.telemetry.observe_query(RUN)
    assert recorded.spans() == ()
    ((_, seconds),) = recorded.points("db.client.operation.duration")
    assert seconds == 1.0


@pytest.mark.parametrize(
    ("error", "kind"),
    [(errors.AuthorizationError(SECRET), "AUTHORIZATION_ERROR"), (ValueError(SECRET), "ValueError")],
)
def test_of_an_error_a_span_tells_the_kind_and_none_of_the_words(error: Exception, kind: str) -> None:
    recorded = Recorded()
    with pytest.raises(type(error)), recorded.request(), recorded.telemetry.within("find_order"):
        raise error
    (span,) = recorded.spans()
    assert span.attributes == {"error.type": kind}
    assert not span.status.is_ok
    assert span.events == ()
    assert SECRET not in words_of(span)


def test_a_failed_query_tells_its_sqlstate() -> None:
    recorded = Recorded()
    with recorded.request(), recorded.telemetry.within("find_order"):
        recorded.telemetry.observe_query(replace(RUN, rows=None, error="22012"))
    query = recorded.spans()[0]
    assert (query.attributes or {})["error.type"] == "22012"
    assert "db.response.returned_rows" not in (query.attributes or {})
    assert not query.status.is_ok
    ((attributes, _),) = recorded.points("query_total")
    assert attributes == {"type": "find_order", "status": "error"}


def test_the_sql_of_queries_is_told_only_when_a_setting_asks_for_it_and_parameters_never_are() -> None:
    for with_query_text in (False, True):
        recorded = Recorded(with_query_text=with_query_text)
        with recorded.request(), recorded.telemetry.within("find_order"):
            recorded.telemetry.observe_query(RUN)
        query = recorded.spans()[0]
        assert (query.attributes or {}).get("db.query.text") == ("SELECT %(number)s" if with_query_text else None)
        assert SECRET not in words_of(query)


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT 'hunter2'", "SELECT ?"),
        (r"SELECT E'hunter2\'' || $$hunter2$$ || 'x'", "SELECT ? || ? || ?"),
        ("SELECT 1 -- hunter2", "SELECT ?"),
        ("SELECT /* hunter2 /* hunter2 */ hunter2 */ 1", "SELECT ?"),
        ('SELECT 1 AS "a -- hunter2"', 'SELECT ? AS "?"'),
        ("SELECT * FROM retail.orders WHERE status IN ('hunter2', 'x') LIMIT 5", None),
        ("SELECT status FROM retail.orders GROUP BY 1, 'hunter2'", None),
        ("SELECT status FROM retail.orders ORDER BY 1, 'hunter2'", None),
        ("SELECT B'1', X'AF', DATE '2020-01-01', INTERVAL '1 day', 'hunter2'::text COLLATE \"C\"", None),
        ("WITH a AS (SELECT 'hunter2' AS x) SELECT * FROM a WINDOW w AS (PARTITION BY 'hunter2')", None),
        ("SELECT sum(1) FILTER (WHERE status LIKE 'hunter2%' ESCAPE 'h') FROM retail.orders", None),
        ("SELECT * FROM (VALUES ('hunter2')) AS v", None),
        ("SELECT this is no SQL 'hunter2", ""),
    ],
)
def test_of_free_sql_neither_literals_nor_comments_are_told(sql: str, text: str | None) -> None:
    told = text_of(replace(FREE, queries=(sql,))).strip()
    assert SECRET not in told
    if text is not None:
        assert told == text


async def test_a_cache_tells_hits_and_misses() -> None:
    recorded = Recorded()
    cache = recorded.telemetry.cache(InMemoryCache(), "embeddings")

    async def compute() -> bytes:
        return b"value"

    with recorded.request():
        assert [await cache.get_or_compute(SECRET, compute) for _ in range(3)] == [b"value"] * 3
    assert sorted(recorded.points("zava.cache.requests"), key=str) == [
        ({"cache.name": "embeddings", "cache.result": "hit"}, 2),
        ({"cache.name": "embeddings", "cache.result": "miss"}, 1),
    ]
    assert [(span.attributes or {})["cache.result"] for span in recorded.spans()] == ["miss", "hit", "hit"]
    assert not [span for span in recorded.spans() if SECRET in words_of(span)]


async def test_a_call_of_a_model_tells_its_model_its_tokens_and_nothing_of_the_texts() -> None:
    recorded = Recorded()
    observe = recorded.telemetry.observe_tokens
    provider = recorded.telemetry.embeddings(
        Stub(observe_tokens=lambda tokens: observe("openai", "a-model", tokens)), "openai"
    )
    assert provider.model == MODEL
    with recorded.request():
        await provider.embed([SECRET])
    (span,) = recorded.spans()
    known = {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "a-model",
    }
    assert span.name == "embeddings a-model"
    assert span.attributes == {**known, "gen_ai.usage.input_tokens": 7}
    assert SECRET not in words_of(span)
    assert recorded.points("gen_ai.client.token.usage") == [({**known, "gen_ai.token.type": "input"}, 7)]
    assert [attributes for attributes, _ in recorded.points("gen_ai.client.operation.duration")] == [known]


async def test_a_call_of_a_model_that_fails_tells_why_in_a_word() -> None:
    recorded = Recorded()
    provider = recorded.telemetry.embeddings(Stub(errors.EmbeddingError(SECRET)), "openai")
    with pytest.raises(errors.EmbeddingError), recorded.request():
        await provider.embed(["a"])
    ((attributes, _),) = recorded.points("gen_ai.client.operation.duration")
    assert attributes["error.type"] == "EMBEDDING_ERROR"
    assert SECRET not in words_of(recorded.spans()[0])


def test_an_answered_call_counts_as_a_success_of_its_tool_and_as_usage_of_its_principal() -> None:
    recorded = Recorded()
    recorded.telemetry.observe_call(CALL)
    recorded.telemetry.observe_call(CALL)
    assert recorded.points("operation_success") == [({"operation": "find_order"}, 2)]
    assert recorded.points("operation_duration") == [({"operation": "find_order"}, 0.5)]
    assert recorded.points("zava.principal.calls") == [({"principal.id": str(ADA.principal_id)}, 2)]
    assert recorded.points("zava.principal.duration") == [({"principal.id": str(ADA.principal_id)}, 0.5)]
    for name in ("operation_error", "zava.refusals", "zava.limits.hit"):
        assert recorded.points(name) == []


@pytest.mark.parametrize(
    ("code", "kind", "is_refusal", "limit"),
    [
        ("VALIDATION_ERROR", "validation", True, None),
        ("NOT_FOUND", "validation", True, None),
        ("QUERY_REFUSED", "validation", True, None),
        ("AUTHORIZATION_ERROR", "authorization", True, None),
        ("BUSY", "database", True, "concurrency"),
        ("QUERY_TOO_LARGE", "database", True, "memory"),
        ("QUERY_TIMEOUT", "database", False, "time"),
        ("UNAVAILABLE", "database", False, None),
        ("INTERNAL_ERROR", "unexpected", False, None),
        ("EMBEDDING_ERROR", "unexpected", False, None),
        ("CANCELLED", None, False, None),
    ],
)
def test_a_call_without_an_answer_counts_by_whose_fault_it_was(
    code: str,
    kind: str | None,
    is_refusal: bool,  # noqa: FBT001 - a column of the table
    limit: str | None,
) -> None:
    recorded = Recorded()
    recorded.telemetry.observe_call(replace(CALL, code=code))
    errors_counted = [({"operation": "find_order", "type": kind}, 1)] if kind else []
    assert recorded.points("operation_error") == errors_counted
    assert recorded.points("operation_success") == []
    assert recorded.points("zava.refusals") == ([({"code": code, "tool": "find_order"}, 1)] if is_refusal else [])
    assert recorded.points("zava.limits.hit") == ([({"limit": limit}, 1)] if limit else [])


def test_a_call_of_nobody_counts_for_nobody() -> None:
    recorded = Recorded()
    recorded.telemetry.observe_call(replace(CALL, principal=None, code="AUTHORIZATION_ERROR"))
    assert recorded.points("zava.principal.calls") == []


def test_a_pool_is_looked_at_while_it_is_open() -> None:
    recorded = Recorded()
    figures = {"pool_max": 10, "pool_size": 5, "pool_available": 3, "requests_waiting": 2}
    with recorded.telemetry.watching_pool("questions", lambda: figures):
        pool = {"db.client.connection.pool.name": "questions"}
        assert sorted(recorded.points("db.client.connection.count"), key=str) == [
            ({**pool, "db.client.connection.state": "idle"}, 3),
            ({**pool, "db.client.connection.state": "used"}, 2),
        ]
        assert recorded.points("db.client.connection.max") == [(pool, 10)]
        assert recorded.points("db.client.connection.pending_requests") == [(pool, 2)]
    assert recorded.points("db.client.connection.count") == []


def test_the_audit_trail_is_looked_at_while_it_is_kept() -> None:
    recorded = Recorded()
    metrics = ("zava.audit.spooled", "zava.audit.written", "zava.audit.refused")
    with recorded.telemetry.watching_audit(lambda: {"waiting": 3, "written": 40, "refused": 5}):
        assert [recorded.points(name) for name in metrics] == [[({}, 3)], [({}, 40)], [({}, 5)]]
    assert [recorded.points(name) for name in metrics] == [[], [], []]


def test_the_age_of_the_rollups_counts_from_when_all_was_summed() -> None:
    recorded = Recorded()
    assert recorded.points("zava.rollup.age") == []
    recorded.telemetry.rolled_up()
    ((_, age),) = recorded.points("zava.rollup.age")
    assert 0 <= age < 5


def test_histograms_have_the_boundaries_of_the_semantic_conventions() -> None:
    recorded = Recorded()
    recorded.telemetry.observe_query(RUN)
    recorded.telemetry.observe_request(1, "ping", None, None, None)
    boundaries = {
        name: point.explicit_bounds
        for name, metric in recorded.metrics().items()
        for point in metric.data.data_points
        if isinstance(point, HistogramDataPoint)
    }
    assert boundaries["db.client.operation.duration"] == (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
    assert boundaries["mcp.server.operation.duration"] == (
        *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300),
    )
    assert recorded.metrics()["mcp.server.operation.duration"].unit == "s"


@contextmanager
def logging_to_memory() -> Iterator[tuple[logging.Logger, InMemoryLogRecordExporter]]:
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    logger = logging.Logger("zava.somewhere")  # noqa: LOG001 - one that nobody else has
    logger.addHandler(OtlpHandler(provider))
    yield logger, exporter


def test_a_record_of_a_log_names_its_trace_its_tool_and_its_principal() -> None:
    recorded = Recorded()
    with logging_to_memory() as (logger, exporter), recorded.request(), recorded.telemetry.within("find_order"):
        token = call_under_way.set(CallUnderWay("find_order", datetime.now(UTC), 0, ADA))
        logger.warning("%s happened", "it")
        call_under_way.reset(token)
        logger.info("nobody asks")
    first, second = (one.log_record for one in exporter.get_finished_logs())
    (span,) = recorded.spans()
    assert (first.body, first.severity_text) == ("it happened", "WARN")
    assert first.attributes == {"gen_ai.tool.name": "find_order", "principal.id": str(ADA.principal_id)}
    assert span.context is not None
    assert (first.trace_id, first.span_id) == (span.context.trace_id, span.context.span_id)
    assert second.attributes == {}


def test_of_an_exception_a_record_tells_the_kind_and_the_place_and_none_of_the_words() -> None:
    with logging_to_memory() as (logger, exporter):
        try:
            try:
                raise psycopg.errors.UniqueViolation(SECRET)
            except psycopg.Error as error:
                raise RuntimeError(SECRET) from error
        except RuntimeError:
            logger.exception("It failed")
    (record,) = (one.log_record for one in exporter.get_finished_logs())
    attributes = dict(record.attributes or {})
    assert attributes["exception.type"] == "RuntimeError"
    stack = str(attributes["exception.stacktrace"])
    assert "UniqueViolation" in stack
    assert "test_telemetry.py" in stack
    assert SECRET not in str(attributes) + str(record.body)


def test_what_is_logged_while_telemetry_is_sent_is_not_sent_in_turn() -> None:
    with logging_to_memory() as (logger, exporter):
        token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, value=True))
        logger.warning("sending")
        detach(token)
    assert exporter.get_finished_logs() == ()


def test_complaints_of_exporters_are_written_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    library = logging.Logger("opentelemetry.exporter")  # noqa: LOG001 - one that nobody else has
    library.addHandler(Complaints(lambda: now))
    for now in (0.0, 1.0, 59.0, 60.0, 61.0):
        library.error("Failed to export to user:hunter2@collector:4317 at %g", now)
    assert caplog.messages == [
        "Telemetry suffers: Failed to export to collector:4317 at 0. More of this is not written for 60 seconds",
        "Telemetry suffers: Failed to export to collector:4317 at 60. More of this is not written for 60 seconds",
    ]


def test_a_variable_that_cannot_be_read_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    library = logging.Logger("opentelemetry.util.re")  # noqa: LOG001 - one that nobody else has
    library.addHandler(Complaints())
    library.warning("Header format invalid! %s", f"authorization {SECRET}")
    assert SECRET not in caplog.text
    assert "a variable OTEL_… is not well formed" in caplog.text


@pytest.mark.parametrize(
    ("variables", "signals"),
    [
        ({}, ()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, ()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, ("TRACES", "METRICS", "LOGS")),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c"}, ("METRICS",)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_LOGS_EXPORTER": "none"}, ("TRACES", "METRICS")),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, ()),
        ({"OTEL_SERVICE_NAME": "shop"}, ()),
    ],
)
def test_a_signal_is_sent_when_a_variable_says_where_to(variables: dict[str, str], signals: tuple[str, ...]) -> None:
    assert signals_sent(variables) == signals


@pytest.mark.parametrize(
    ("variables", "protocol"),
    [
        ({}, "grpc"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "http/protobuf"),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
            "http/protobuf",
        ),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "grpc"}, "http/protobuf"),
    ],
)
def test_a_signal_travels_as_its_variable_says_or_the_one_for_all(variables: dict[str, str], protocol: str) -> None:
    assert protocol_of("TRACES", variables) == protocol


def test_a_protocol_that_there_is_not_is_refused_by_the_name_of_its_variable() -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/json"}
    with (
        pytest.raises(errors.SetupError, match="OTEL_EXPORTER_OTLP_LOGS_PROTOCOL must be grpc or http/protobuf"),
        open_telemetry(variables, SERVER, version="1"),
    ):
        pass


def test_without_an_endpoint_neither_the_sdk_nor_an_exporter_is_loaded() -> None:
    program = """
import sys
from zava.adapters.postgres.access import DatabaseAccess
from zava.adapters.telemetry.setup import open_telemetry
from zava.commands import answering
from zava.container import new_container
from zava.settings import Settings
from pathlib import Path

access = DatabaseAccess("dbname=shop", Path("/nowhere"))
with answering.telemetry_of(Settings(), access) as telemetry:
    new_container(Settings(), access, telemetry=telemetry)
print(*sorted(name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter", "grpc"))))
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "ZAVA_"))}
    result = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.split() == []
    assert not result.stderr


async def test_telemetry_that_goes_nowhere_leaves_everything_as_it_is() -> None:
    telemetry = Telemetry()
    cache, provider = InMemoryCache(), Stub()
    assert telemetry.cache(cache, "embeddings") is cache
    assert telemetry.embeddings(provider, "local") is provider
    telemetry.observe_call(CALL)
    telemetry.observe_query(RUN)
    telemetry.observe_tokens("openai", "a-model", 1)
    telemetry.rolled_up()
    with telemetry.within("find_order"), telemetry.watching_pool("questions", dict), telemetry.watching_audit(dict):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("dsn", "server"),
    [
        ("host=db.example port=5433 dbname=shop user=zava_app password=hunter2", ("shop", "db.example", 5433)),
        ("postgresql://zava_app:hunter2@db.example/shop", ("shop", "db.example", 5432)),
        ("host=a,b port=1,2 dbname=shop", ("shop", "a", 1)),
        ("host=/run/postgresql dbname=shop", ("shop", "/run/postgresql", None)),
    ],
)
def test_the_server_of_a_connection_string_is_known_without_its_password(
    dsn: str, server: tuple[str, str, int | None]
) -> None:
    assert DatabaseAccess(dsn, Path("key")).server() == server


def test_tokens_are_counted_in_powers_of_four() -> None:
    recorded = Recorded()
    recorded.telemetry.observe_tokens("openai", "a-model", 5)
    (point,) = recorded.metrics()["gen_ai.client.token.usage"].data.data_points
    assert isinstance(point, HistogramDataPoint)
    assert [math.log(bound, 4) for bound in point.explicit_bounds] == pytest.approx(range(14))
