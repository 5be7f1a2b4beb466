"""The SDK's providers and exporters. They read the variables OTEL_… themselves."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from zava.adapters.telemetry.durations import Durations

Signal: TypeAlias = Literal["TRACES", "METRICS", "LOGS"]
Protocol: TypeAlias = Literal["grpc", "http/protobuf"]

NAME = "zava"


class Providers:
    """One provider a signal; a signal that goes nowhere has one that does nothing.

    Attributes:
        durations: histograms that are sent beside what the SDK keeps.
        loggers: None when logs go nowhere.
    """

    def __init__(self, protocols: Mapping[Signal, Protocol], version: str) -> None:
        """Starts the threads that send.

        Args:
            protocols: of the signals that go anywhere.
            version: of this program.

        Raises:
            ValueError: the SDK cannot read a variable.
        """
        # As the variables say, and otherwise ours.
        ours = Resource({SERVICE_NAME: NAME, SERVICE_VERSION: version})
        resource = Resource.create().merge(ours).merge(OTELResourceDetector().detect())
        self.durations = Durations(InstrumentationScope(NAME, version))
        self.tracers: trace.TracerProvider = trace.NoOpTracerProvider()
        self.meters: metrics.MeterProvider = metrics.NoOpMeterProvider()
        self.loggers: LoggerProvider | None = None
        self._started: list[TracerProvider | MeterProvider | LoggerProvider] = []
        # At the end they are closed by close(), which has a limit, and not once more by the interpreter.
        if protocol := protocols.get("METRICS"):
            metrics_exporter = GrpcMetrics() if protocol == "grpc" else HttpMetrics()
            reader = PeriodicExportingMetricReader(_WithDurations(metrics_exporter, self.durations, resource))
            self.meters = meters = MeterProvider([reader], resource, shutdown_on_exit=False)
            self._started.append(meters)
        if protocol := protocols.get("TRACES"):
            self.tracers = tracers = TracerProvider(
                resource=resource, shutdown_on_exit=False, meter_provider=self.meters
            )
            spans_exporter = GrpcSpans() if protocol == "grpc" else HttpSpans()
            tracers.add_span_processor(BatchSpanProcessor(spans_exporter, meter_provider=self.meters))
            self._started.append(tracers)
        if protocol := protocols.get("LOGS"):
            self.loggers = loggers = LoggerProvider(resource, shutdown_on_exit=False, meter_provider=self.meters)
            logs_exporter = GrpcLogs() if protocol == "grpc" else HttpLogs()
            loggers.add_log_record_processor(BatchLogRecordProcessor(logs_exporter, meter_provider=self.meters))
            self._started.append(loggers)

    def close(self) -> None:
        """Sends what is left, signal by signal. Takes as long as the receiver takes."""
        for provider in self._started:
            provider.shutdown()


class _WithDurations(MetricExporter):
    """Sends them beside what it is given."""

    def __init__(self, exporter: MetricExporter, durations: Durations, resource: Resource) -> None:
        # There is no other way to learn what OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE says.
        temporality = exporter._preferred_temporality  # noqa: SLF001
        super().__init__(temporality, exporter._preferred_aggregation)  # noqa: SLF001
        self._temporality = (temporality or {}).get(Histogram, AggregationTemporality.CUMULATIVE)
        self._exporter = exporter
        self._durations = durations
        self._resource = resource

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object) -> MetricExportResult:
        everything = self._durations.added_to(metrics_data, self._resource, self._temporality)
        return self._exporter.export(everything, timeout_millis, **kwargs)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:
        self._exporter.shutdown(timeout_millis, **kwargs)
