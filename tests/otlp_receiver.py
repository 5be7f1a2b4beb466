"""What a collector of OpenTelemetry is to Zava: takes all three signals, over gRPC and over HTTP, and keeps them."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

import grpc  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

Attributes: TypeAlias = Mapping[str, Any]
Request: TypeAlias = Any

PATIENCE = 20


@dataclass(frozen=True)
class Span:
    """A span as it came. Ids are hexadecimal; seconds count from 1970."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: Attributes
    is_error: bool
    message: str
    events: int
    started: float
    ended: float
    resource: Attributes


@dataclass(frozen=True)
class Point:
    """One series of a metric, as of its latest export.

    Attributes:
        value: its sum or value; of a histogram the sum of what was recorded.
        count: how often a histogram was written to.
        boundaries: of a histogram's buckets.
    """

    attributes: Attributes
    value: float
    count: int = 0
    boundaries: tuple[float, ...] = ()


@dataclass(frozen=True)
class LogLine:
    """A record of a log as it came."""

    logger: str
    severity: str
    body: str
    trace_id: str
    span_id: str
    attributes: Attributes


@dataclass
class Receiver:
    """What has come so far.

    Attributes:
        raw: every request as it came, for those who look for what must not be in it.
        endpoint: where gRPC is spoken.
        http_endpoint: where HTTP is spoken.
    """

    endpoint: str = ""
    http_endpoint: str = ""
    raw: list[Request] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    metrics: dict[str, list[Point]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    logs: list[LogLine] = field(default_factory=list)

    def wait_for(self, found: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever is looked for
        """What a look at what has come finds, as soon as it is true."""
        until = time.monotonic() + PATIENCE
        while not (result := found()):
            assert time.monotonic() < until, f"nothing of the kind came; spans: {[span.name for span in self.spans]}"
            time.sleep(0.05)
        return result

    def span(self, name: str, trace_id: str | None = None) -> Span:
        """The latest span of this name, of this trace."""
        found = self.wait_for(
            lambda: [span for span in list(self.spans) if span.name == name and trace_id in {None, span.trace_id}]
        )
        latest = found[-1]
        assert isinstance(latest, Span)
        return latest

    def points(self, name: str, **attributes: object) -> list[Point]:
        """The series of a metric that have these attributes; dots are written as two underscores."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        return [
            point
            for point in self.metrics.get(name, [])
            if all(point.attributes.get(key) == value for key, value in wanted.items())
        ]

    def take(self, request: Request) -> None:
        self.raw.append(request)
        match request:
            case trace_service_pb2.ExportTraceServiceRequest():
                self._take_spans(request)
            case metrics_service_pb2.ExportMetricsServiceRequest():
                self._take_metrics(request)
            case logs_service_pb2.ExportLogsServiceRequest():
                self._take_logs(request)

    def _take_spans(self, request: trace_service_pb2.ExportTraceServiceRequest) -> None:
        for resource_spans in request.resource_spans:
            resource = _attributes(resource_spans.resource.attributes)
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    self.spans.append(
                        Span(
                            span.name,
                            ProtoSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            _attributes(span.attributes),
                            span.status.code == 2,
                            span.status.message,
                            len(span.events),
                            span.start_time_unix_nano / 1e9,
                            span.end_time_unix_nano / 1e9,
                            resource,
                        )
                    )

    def _take_metrics(self, request: metrics_service_pb2.ExportMetricsServiceRequest) -> None:
        for resource_metrics in request.resource_metrics:
            for scope_metrics in resource_metrics.scope_metrics:
                for metric in scope_metrics.metrics:
                    self.units[metric.name] = metric.unit
                    kind = metric.WhichOneof("data")
                    points = getattr(metric, kind).data_points
                    if kind == "histogram":
                        self.metrics[metric.name] = [
                            Point(_attributes(one.attributes), one.sum, one.count, tuple(one.explicit_bounds))
                            for one in points
                        ]
                    else:
                        self.metrics[metric.name] = [
                            Point(_attributes(one.attributes), one.as_double or one.as_int) for one in points
                        ]

    def _take_logs(self, request: logs_service_pb2.ExportLogsServiceRequest) -> None:
        for resource_logs in request.resource_logs:
            for scope_logs in resource_logs.scope_logs:
                for record in scope_logs.log_records:
                    self.logs.append(
                        LogLine(
                            scope_logs.scope.name,
                            record.severity_text,
                            record.body.string_value,
                            record.trace_id.hex(),
                            record.span_id.hex(),
                            _attributes(record.attributes),
                        )
                    )


def _attributes(pairs: Any) -> Attributes:  # noqa: ANN401 - a container of protobuf's own
    return {pair.key: _value(pair.value) for pair in pairs if isinstance(pair, KeyValue)}


def _value(value: AnyValue) -> Any:  # noqa: ANN401
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None


@contextmanager
def otlp_receiver() -> Iterator[Receiver]:
    """A receiver on ports of its own."""
    receiver = Receiver()
    with _speaking_grpc(receiver), _speaking_http(receiver):
        yield receiver


@contextmanager
def _speaking_grpc(receiver: Receiver) -> Iterator[None]:
    class Traces(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Request, context: Any) -> Any:  # noqa: ANN401, ARG002, N802
            receiver.take(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
        def Export(self, request: Request, context: Any) -> Any:  # noqa: ANN401, ARG002, N802
            receiver.take(request)
            return metrics_service_pb2.ExportMetricsServiceResponse()

    class Logs(logs_service_pb2_grpc.LogsServiceServicer):
        def Export(self, request: Request, context: Any) -> Any:  # noqa: ANN401, ARG002, N802
            receiver.take(request)
            return logs_service_pb2.ExportLogsServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(3))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)  # type: ignore[no-untyped-call]
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)  # type: ignore[no-untyped-call]
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Logs(), server)  # type: ignore[no-untyped-call]
    receiver.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield
    finally:
        server.stop(0).wait()


@contextmanager
def _speaking_http(receiver: Receiver) -> Iterator[None]:
    kinds: dict[str, Any] = {
        "/v1/traces": trace_service_pb2.ExportTraceServiceRequest,
        "/v1/metrics": metrics_service_pb2.ExportMetricsServiceRequest,
        "/v1/logs": logs_service_pb2.ExportLogsServiceRequest,
    }

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.take(kinds[self.path].FromString(body))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Is silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.http_endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
