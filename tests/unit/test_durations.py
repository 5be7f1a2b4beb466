"""Histograms of seconds: they are the SDK's own to the last bucket."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    InMemoryMetricReader,
    MetricsData,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from zava.adapters.telemetry.durations import Duration, Durations

BOUNDARIES = (0.01, 0.1, 1.0)
SECONDS = st.sampled_from([*BOUNDARIES, 0.0, 7.0]) | st.floats(0, 100)
RECORDS = st.lists(st.tuples(SECONDS, st.sampled_from("ab"), st.sampled_from(["x", None])))
TEMPORALITIES = pytest.mark.parametrize("temporality", list(AggregationTemporality)[1:])


def points(data: MetricsData | None) -> list[HistogramDataPoint]:
    """All points, in an order of their own, without the times."""
    found = [
        replace(
            point,
            attributes=dict(point.attributes or {}),
            start_time_unix_nano=0,
            time_unix_nano=0,
            # Added up in the same order, and then once more by the SDK, collection by collection.
            sum=round(point.sum, 6),
            bucket_counts=tuple(point.bucket_counts),
            explicit_bounds=tuple(point.explicit_bounds),
            exemplars=[],
        )
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if isinstance(point, HistogramDataPoint)
    ]
    return sorted(found, key=lambda point: sorted((point.attributes or {}).items()))


@TEMPORALITIES
@given(rounds=st.lists(RECORDS, max_size=3))
def test_it_tells_what_a_histogram_of_the_sdk_tells(
    temporality: AggregationTemporality, rounds: Iterable[list[tuple[float, str, str | None]]]
) -> None:
    reader = InMemoryMetricReader({Histogram: temporality})
    theirs = (
        MeterProvider([reader], shutdown_on_exit=False)
        .get_meter("test")
        .create_histogram("seconds", "s", explicit_bucket_boundaries_advisory=list(BOUNDARIES))
    )
    durations = Durations(InstrumentationScope("test"))
    ours = durations.new("seconds", "Seconds", BOUNDARIES, "letter", "error")
    for records in rounds:
        for seconds, letter, error in records:
            theirs.record(seconds, {"letter": letter} if error is None else {"letter": letter, "error": error})
            ours.record(seconds, letter, error)
        told = durations.added_to(MetricsData([]), Resource({}), temporality)
        assert points(told) == points(reader.get_metrics_data())


@pytest.mark.parametrize(
    ("temporality", "since"), [(AggregationTemporality.CUMULATIVE, 0), (AggregationTemporality.DELTA, 1)]
)
def test_it_tells_since_when_it_has_counted(temporality: AggregationTemporality, since: int) -> None:
    duration = Duration("seconds", "Seconds", BOUNDARIES, (), count().__next__)
    duration.collect(temporality)
    duration.record(1)
    (point,) = duration.collect(temporality).data.data_points
    assert (point.start_time_unix_nano, point.time_unix_nano) == (since, 2)


def test_nothing_is_added_where_nothing_was_recorded() -> None:
    durations = Durations(InstrumentationScope("test"))
    durations.new("seconds", "Seconds", BOUNDARIES)
    kept = MetricsData([])
    assert durations.added_to(kept, Resource({}), AggregationTemporality.CUMULATIVE) is kept


def test_all_goes_in_one_entry_since_exporters_keep_the_last_alone() -> None:
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    meters.get_meter("test").create_counter("calls").add(1)
    meters.get_meter("other").create_counter("others").add(1)
    durations = Durations(InstrumentationScope("test"))
    durations.new("seconds", "Seconds", BOUNDARIES).record(1)
    kept = reader.get_metrics_data()
    assert kept is not None
    data = durations.added_to(kept, kept.resource_metrics[0].resource, AggregationTemporality.CUMULATIVE)
    (resource,) = encode_metrics(data).resource_metrics
    told = {scope.scope.name: [metric.name for metric in scope.metrics] for scope in resource.scope_metrics}
    assert told == {"other": ["others"], "test": ["calls", "seconds"]}
