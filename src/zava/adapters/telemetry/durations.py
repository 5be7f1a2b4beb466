"""Histograms of seconds that cost a call next to nothing."""

import math
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope


@dataclass(slots=True)
class _Series:
    counts: list[int]
    seconds: float = 0.0
    least: float = math.inf
    most: float = -math.inf


@dataclass
class Duration:
    """How many took how long, by the values of attributes.

    The SDK's own histogram takes twenty times as long for each: it checks, copies and hashes attributes every time.

    Attributes:
        name: of the metric.
        description: for people.
        boundaries: of the buckets, in seconds, each included in the bucket below it.
        attributes: by which series are kept apart.
    """

    name: str
    description: str
    boundaries: Sequence[float]
    attributes: Sequence[str]
    clock: Callable[[], int] = time.time_ns
    _series: dict[tuple[str | None, ...], _Series] = field(default_factory=dict, init=False)
    # Metrics are sent by another thread.
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._since = self.clock()

    def record(self, seconds: float, *values: str | None) -> None:
        """Counts one more.

        Args:
            seconds: that it took.
            values: of the attributes, each None where it has none.
        """
        with self._lock:
            series = self._series.get(values)
            if series is None:
                series = self._series[values] = _Series([0] * (len(self.boundaries) + 1))
            series.counts[bisect_left(self.boundaries, seconds)] += 1
            series.seconds += seconds
            series.least = min(series.least, seconds)
            series.most = max(series.most, seconds)

    def collect(self, temporality: AggregationTemporality) -> Metric:
        """All since the beginning; or, of the temporality DELTA, all since the last time this was called."""
        now = self.clock()
        with self._lock:
            points = list(self._points(now))
            if temporality is AggregationTemporality.DELTA:
                self._series = {}
                self._since = now
        return Metric(self.name, self.description, "s", Histogram(points, temporality))

    def _points(self, now: int) -> Iterator[HistogramDataPoint]:
        for values, series in self._series.items():
            named = zip(self.attributes, values, strict=True)
            yield HistogramDataPoint(
                attributes={name: value for name, value in named if value is not None},
                start_time_unix_nano=self._since,
                time_unix_nano=now,
                count=sum(series.counts),
                sum=series.seconds,
                bucket_counts=tuple(series.counts),
                explicit_bounds=self.boundaries,
                min=series.least,
                max=series.most,
            )


@dataclass
class Durations:
    """All histograms of seconds, as they are sent beside what the SDK keeps.

    Attributes:
        scope: whose they are.
    """

    scope: InstrumentationScope
    _durations: list[Duration] = field(default_factory=list, init=False)

    def new(self, name: str, description: str, boundaries: Sequence[float], *attributes: str) -> Duration:
        """A further histogram; the arguments are its attributes."""
        duration = Duration(name, description, boundaries, attributes)
        self._durations.append(duration)
        return duration

    def added_to(self, data: MetricsData, resource: Resource, temporality: AggregationTemporality) -> MetricsData:
        """What the SDK is about to send, and these."""
        collected = [duration.collect(temporality) for duration in self._durations]
        metrics = [metric for metric in collected if metric.data.data_points]
        if not metrics:
            return data
        # An exporter takes the last of several entries for one resource, and of several for one scope.
        scopes = [scope for one in data.resource_metrics for scope in one.scope_metrics]
        same = [metric for scope in scopes if scope.scope == self.scope for metric in scope.metrics]
        others = [scope for scope in scopes if scope.scope != self.scope]
        told = ScopeMetrics(self.scope, [*same, *metrics], "")
        return MetricsData([ResourceMetrics(resource, [*others, told], resource.schema_url)])
