"""One trace, one metric and one log, sent on trial, and why the receiver did not take them."""

import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from zava.adapters.telemetry.providers import NAME as SERVICE
from zava.adapters.telemetry.providers import Protocol, Signal

NAME = "zava doctor"
EXPORTERS = "opentelemetry.exporter."
SECONDS = 3.0
# A name server may keep an exporter waiting beyond its own limit.
MARGIN_SECONDS = 2.0

# By what the exporters log, which tells more than their result; the first that is found counts.
REASONS: Mapping[str, str] = {
    r"UNAUTHENTICATED|PERMISSION_DENIED|\b40[13]\b": (
        "it does not accept the key, or wants one; OTEL_EXPORTER_OTLP_HEADERS holds it"
    ),
    r"UNIMPLEMENTED|\b404\b": (
        "it does not take {signal} there; OTEL_EXPORTER_OTLP_{SIGNAL}_ENDPOINT sends them elsewhere, "
        "OTEL_{SIGNAL}_EXPORTER=none nowhere"
    ),
    r"HTTP/2|BadStatusLine|\b415\b": (
        "it does not speak {protocol}; OTEL_EXPORTER_OTLP_PROTOCOL is grpc, by custom at port 4317, or http/protobuf, "
        "at 4318"
    ),
    r"refused": "nothing listens there",
    r"resolv": "there is no such host",
    r"TLS|SSL": (
        "TLS failed; http or https must be as the receiver has it, and OTEL_EXPORTER_OTLP_CERTIFICATE name an "
        "authority of your own"
    ),
    r"RESOURCE_EXHAUSTED|Service Unavailable|Too Many Requests|Bad Gateway": (
        "it takes nothing at present; try again later"
    ),
    r"DEADLINE_EXCEEDED|timeout": "it has not answered within {seconds:g} seconds",
}
# Of an address: who asks, and what for.
PRIVATE = re.compile(r"[^\s/@]+@|\?\S*")


def send(signal: Signal, protocol: Protocol, seconds: float = SECONDS) -> str | None:
    """Sends one of a signal where the variables OTEL_… say, and returns why it was not taken; None when it was.

    Args:
        signal: of which one is sent.
        protocol: by which it goes.
        seconds: that it may take; beside it only the look-up of a name.
    """
    send_one = {"TRACES": _send_trace, "METRICS": _send_metric, "LOGS": _send_log}[signal]
    taken: list[bool] = []
    with _complaints() as complaints:

        def run() -> None:
            try:
                taken.append(send_one(protocol == "grpc", seconds).name == "SUCCESS")
            except Exception as error:  # noqa: BLE001 - of whatever a variable made of an exporter
                complaints.append(f"a variable OTEL_… cannot be used: {type(error).__name__}")

        sending = threading.Thread(target=run, daemon=True)
        sending.start()
        sending.join(seconds + MARGIN_SECONDS)
    if taken == [True]:
        return None
    told = "\n".join(complaints) or "timeout"
    for pattern, reason in REASONS.items():
        if re.search(pattern, told, re.IGNORECASE):
            return reason.format(signal=signal.lower(), SIGNAL=signal, protocol=protocol, seconds=seconds)
    return PRIVATE.sub("", complaints[-1])


def _resource() -> Resource:
    return Resource({SERVICE_NAME: SERVICE}).merge(OTELResourceDetector().detect())


def _send_trace(grpc: bool, seconds: float) -> Enum:  # noqa: FBT001
    kept = InMemorySpanExporter()
    provider = TracerProvider(sampler=ALWAYS_ON, resource=_resource(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    provider.get_tracer(NAME).start_span(NAME).end()
    exporter = GrpcSpans(timeout=seconds) if grpc else HttpSpans(timeout=seconds)
    return _closing(exporter.shutdown, exporter.export(kept.get_finished_spans()))


def _send_metric(grpc: bool, seconds: float) -> Enum:  # noqa: FBT001
    kept = InMemoryMetricReader()
    provider = MeterProvider([kept], _resource(), shutdown_on_exit=False)
    provider.get_meter(NAME).create_counter("zava.doctor", "{run}", "Trials of zava doctor").add(1)
    data = kept.get_metrics_data()
    assert data is not None  # noqa: S101 - something was counted
    exporter = GrpcMetrics(timeout=seconds) if grpc else HttpMetrics(timeout=seconds)
    return _closing(exporter.shutdown, exporter.export(data))


def _send_log(grpc: bool, seconds: float) -> Enum:  # noqa: FBT001
    kept = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider(_resource(), shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(kept))
    record = LogRecord(severity_number=SeverityNumber.INFO, severity_text="INFO", body=f"{NAME}: logs arrive")
    provider.get_logger(NAME).emit(record)
    exporter = GrpcLogs(timeout=seconds) if grpc else HttpLogs(timeout=seconds)
    return _closing(exporter.shutdown, exporter.export(kept.get_finished_logs()))


def _closing(close: Callable[[], None], result: Enum) -> Enum:
    close()
    return result


class _Complaints(logging.Handler):
    def __init__(self, texts: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._texts = texts

    def emit(self, record: logging.LogRecord) -> None:
        self._texts.append(record.getMessage())


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What OpenTelemetry logs, which then goes nowhere else."""
    texts: list[str] = []
    handler = _Complaints(texts)
    source = logging.getLogger("opentelemetry")
    # They keep silent of what they have just said, though it may have been of another signal.
    silencing = {
        name: logging.getLogger(name).filters[:]
        for name in logging.root.manager.loggerDict
        if name.startswith(EXPORTERS)
    }
    propagate = source.propagate
    source.addHandler(handler)
    source.propagate = False
    for name in silencing:
        logging.getLogger(name).filters.clear()
    try:
        yield texts
    finally:
        source.removeHandler(handler)
        source.propagate = propagate
        for name, filters in silencing.items():
            logging.getLogger(name).filters[:] = filters
