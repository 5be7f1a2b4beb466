"""Counting how long things take: the exact figures, those within five percent, and a bound on memory."""

import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil, fsum
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zava.core.model import Principal
from zava.core.observations import Call, Coverage, QueryRun
from zava.core.performance import LatestTimings, PerformanceMonitor, QueryShape, Timings

ADA = Principal(UUID(int=1), "Ada")
BOB = Principal(UUID(int=2), "Bob")
NOW = datetime(2026, 3, 16, tzinfo=UTC)
# What the documents promise.
ERROR = 0.05

durations = st.lists(st.floats(0.000_01, 86_400), min_size=1, max_size=200)


def timings_of(seconds: Sequence[float]) -> Timings:
    timings = Timings()
    for one in seconds:
        timings.add(one, "allowed", slow=one >= 1)
    return timings


def nearest_rank(seconds: Sequence[float], percent: float) -> float:
    return sorted(seconds)[max(1, ceil(len(seconds) * percent / 100)) - 1]


def call(tool: str = "ask", seconds: float = 0.5, code: str | None = None, principal: Principal | None = ADA) -> Call:
    return Call(NOW, principal, None, tool, None, code, Coverage(), 0, seconds, None)


def run(name: str = "names", seconds: float = 0.5, error: str | None = None) -> QueryRun:
    return QueryRun(ADA, name, ("SELECT 1",), {}, None if error else 1, error, seconds)


def monitor(most: int = 1_000) -> PerformanceMonitor:
    return PerformanceMonitor(lambda run: QueryShape(run.name), NOW, process=41, slow_seconds=1, most=most)


@given(durations, st.sampled_from([1, 50, 90, 95, 99, 99.9, 100]))
@example([0.01] * 99 + [80_000], 99)
@example([0.01] * 99 + [80_000], 100)
def test_a_percentile_is_within_five_percent_of_the_exact_one(seconds: list[float], percent: float) -> None:
    assert timings_of(seconds).percentile(percent) == pytest.approx(nearest_rank(seconds, percent), rel=ERROR)


@given(durations)
def test_counts_sum_and_extremes_are_exact(seconds: list[float]) -> None:
    timings = timings_of(seconds)
    assert (timings.count, timings.slow) == (len(seconds), sum(one >= 1 for one in seconds))
    assert (timings.minimum, timings.maximum) == (min(seconds), max(seconds))
    assert timings.mean == pytest.approx(fsum(seconds) / len(seconds))


@given(st.lists(durations, min_size=1, max_size=5))
def test_timings_added_together_are_those_of_all(parts: list[list[float]]) -> None:
    together = Timings()
    for part in parts:
        together.merge(timings_of(part))
    alone = timings_of([one for part in parts for one in part])
    assert together.seconds == pytest.approx(alone.seconds)
    together.seconds = alone.seconds
    assert together == alone


@pytest.mark.parametrize("seconds", [0, 0.000_000_1, 100_000, 1e9])
def test_what_is_shorter_or_longer_than_anything_is_counted_all_the_same(seconds: float) -> None:
    timings = timings_of([seconds])
    assert [timings.count, timings.percentile(50), timings.maximum] == [1, seconds, seconds]


def test_what_failed_and_what_was_refused_are_told_apart() -> None:
    seen = monitor()
    for code in (None, "UNAVAILABLE", "INTERNAL_ERROR", "BUSY", "VALIDATION_ERROR", "NOT_FOUND"):
        seen.see_call(call(code=code))
    ((_, _, timings),) = seen.calls
    assert (timings.count, timings.failed, timings.refused) == (6, 2, 3)


@pytest.mark.parametrize(("seconds", "slow"), [(0.999, 0), (1.0, 1), (30.0, 1)])
def test_from_the_threshold_on_a_call_or_a_query_is_slow(seconds: float, slow: int) -> None:
    seen = monitor()
    seen.see_call(call(seconds=seconds))
    seen.see_query(run(seconds=seconds))
    assert [timings.slow for _, _, timings in (*seen.calls, *seen.queries)] == [slow, slow]


def test_a_query_with_an_error_has_failed() -> None:
    seen = monitor()
    for error in (None, "57014", "BusyError"):
        seen.see_query(run(error=error))
    ((shape, principal, timings),) = seen.queries
    assert (shape, principal) == (QueryShape("names"), ADA)
    assert (timings.count, timings.failed, timings.refused) == (3, 2, 0)


def test_each_tool_is_counted_for_each_principal_and_for_nobody() -> None:
    seen = monitor()
    for tool, principal in (("ask", ADA), ("ask", BOB), ("tell", ADA), ("ask", ADA), ("ask", None)):
        seen.see_call(call(tool, principal=principal))
    assert {(tool, principal): timings.count for tool, principal, timings in seen.calls} == {
        ("ask", ADA): 2,
        ("ask", BOB): 1,
        ("tell", ADA): 1,
        ("ask", None): 1,
    }


def test_queries_of_one_fingerprint_are_one_whatever_their_text() -> None:
    texts = iter(("SELECT ?", "select ?"))
    seen = PerformanceMonitor(lambda run: QueryShape(run.name, "4b", next(texts)), NOW, process=41)
    for _ in range(2):
        seen.see_query(run())
    ((shape, _, timings),) = seen.queries
    assert (shape.text, timings.count) == ("SELECT ?", 2)


def test_the_least_recently_used_make_room() -> None:
    kept = LatestTimings[str](2)
    for tool in ("first", "second", "first", "third", "third"):
        kept.of(tool, ADA).add(1, "allowed", slow=False)
    assert [(tool, timings.count) for tool, _, timings in kept] == [("first", 2), ("third", 2)]
    assert kept.given_up == 1


def test_queries_without_number_leave_the_figures_of_tools_alone() -> None:
    seen = monitor(most=3)
    seen.see_call(call())
    for number in range(100):
        seen.see_query(run(f"query {number}"))
    assert len(list(seen.calls)) == 1
    assert (len(list(seen.queries)), seen.queries.given_up) == (3, 97)


def test_ten_thousand_kinds_of_queries_take_no_more_memory_than_the_thousand_that_are_kept() -> None:
    seen = monitor()
    runs = [run(f"query {number}", seconds=number / 1_000) for number in range(10_000)]
    tracemalloc.start()
    for number in range(30_000):
        # So that some kinds stay, and others come and go.
        seen.see_query(runs[number % 900 if number % 10 else number * 7 % 10_000])
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(list(seen.queries)), seen.queries.given_up > 1_000) == (1_000, True)
    assert taken < 1_000 * 4_000
