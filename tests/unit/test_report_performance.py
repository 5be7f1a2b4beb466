"""Who sees how long calls and queries took, and in which order."""

from datetime import UTC, datetime

import pytest

from tests import tiny_shop
from tests.fakes import FakeStoreDirectory
from tests.tiny_shop import PersonRow
from zava.core.model import Principal
from zava.core.observations import Call, Coverage, QueryRun
from zava.core.performance import PerformanceMonitor, QueryShape
from zava.core.use_cases.report_performance import Figures, PerformanceReport, ReportPerformance

NOW = datetime(2026, 3, 16, tzinfo=UTC)
SEATTLE, TACOMA = tiny_shop.SEATTLE.principal, tiny_shop.TACOMA.principal
FREE_SQL = "execute_sales_query"


def shape_of(run: QueryRun) -> QueryShape:
    return QueryShape(run.name, "4b", "SELECT ?") if run.name == FREE_SQL else QueryShape(run.name)


def monitor_of(*calls: tuple[str, Principal | None, float], most: int = 1_000) -> PerformanceMonitor:
    """A monitor that was told of these calls, and of a query of free SQL in each."""
    monitor = PerformanceMonitor(shape_of, NOW, process=41, slow_seconds=1, most=most)
    for tool, principal, seconds in calls:
        monitor.see_call(Call(NOW, principal, None, tool, None, None, Coverage(), 0, seconds, None))
        if principal:
            monitor.see_query(QueryRun(principal, FREE_SQL, ("SELECT 1",), (), 1, None, seconds))
    return monitor


async def report(person: PersonRow, monitor: PerformanceMonitor, *, of_everybody: bool = True) -> PerformanceReport:
    return await ReportPerformance(FakeStoreDirectory(), monitor)(person.principal, of_everybody=of_everybody)


def counts(report: PerformanceReport) -> dict[str, dict[str | None, int]]:
    """How often each tool was called by each."""
    return {call.tool: {one.principal: one.figures.count for one in call.principals} for call in report.calls}


async def test_who_reads_the_audit_sees_everybody_principal_by_principal() -> None:
    monitor = monitor_of(("ask", SEATTLE, 0.1), ("ask", TACOMA, 0.2), ("ask", TACOMA, 0.4), ("tell", None, 0.1))
    told = await report(tiny_shop.HEAD_OFFICE, monitor)
    assert told.of_everybody
    assert counts(told) == {"ask": {TACOMA.name: 2, SEATTLE.name: 1}, "tell": {None: 1}}
    assert told.calls[0].figures.count == 3
    assert [one.principal_id for one in told.queries[0].principals] == [TACOMA.principal_id, SEATTLE.principal_id]


async def test_others_see_their_own_and_nothing_of_others() -> None:
    monitor = monitor_of(("ask", SEATTLE, 0.1), ("ask", TACOMA, 5.0), ("tell", TACOMA, 5.0), ("ask", None, 5.0))
    for person, own in ((tiny_shop.SEATTLE, {"ask": {SEATTLE.name: 1}}), (tiny_shop.REGION, {})):
        told = await report(person, monitor)
        assert not told.of_everybody
        assert counts(told) == own
        assert [one.principal for query in told.queries for one in query.principals] == [SEATTLE.name] * len(own)
        assert all(one.figures.max == 0.1 for one in told.calls)
        assert all(one.figures.max == 0.1 for one in told.queries)


async def test_who_reads_the_audit_sees_their_own_where_no_more_may_be_told() -> None:
    told = await report(tiny_shop.HEAD_OFFICE, monitor_of(("ask", SEATTLE, 0.1)), of_everybody=False)
    assert not told.of_everybody
    assert counts(told) == {}


async def test_how_much_is_missing_is_for_who_sees_everybody() -> None:
    monitor = monitor_of(("ask", SEATTLE, 0.1), ("ask", TACOMA, 5.0), ("tell", TACOMA, 5.0), most=2)
    assert (await report(tiny_shop.HEAD_OFFICE, monitor)).given_up == 1
    assert (await report(tiny_shop.SEATTLE, monitor)).given_up is None


async def test_a_query_is_told_by_name_fingerprint_and_text() -> None:
    (query,) = (await report(tiny_shop.SEATTLE, monitor_of(("ask", SEATTLE, 0.1)))).queries
    assert (query.name, query.fingerprint, query.text) == (FREE_SQL, "4b", "SELECT ?")


async def test_what_took_the_most_time_comes_first() -> None:
    monitor = monitor_of(
        ("b often", SEATTLE, 0.4), ("b often", SEATTLE, 0.4), ("a once", SEATTLE, 0.7), ("c seldom", TACOMA, 9)
    )
    assert list(counts(await report(tiny_shop.HEAD_OFFICE, monitor))) == ["c seldom", "b often", "a once"]


async def test_figures_are_in_seconds_and_say_since_when_and_of_which_process() -> None:
    told = await report(tiny_shop.SEATTLE, monitor_of(("ask", SEATTLE, 0.25), ("ask", SEATTLE, 1.75)))
    assert (told.since, told.process, told.slow_seconds) == (NOW, 41, 1)
    figures = told.calls[0].figures
    assert (figures.count, figures.slow, figures.failed, figures.refused) == (2, 1, 0, 0)
    assert (figures.mean, figures.min, figures.max) == (1.0, 0.25, 1.75)
    assert [figures.p50, figures.p95, figures.p99] == pytest.approx([0.25, 1.75, 1.75], rel=0.05)


async def test_totals_over_principals_are_those_of_all_their_calls() -> None:
    split = monitor_of(*(("ask", person, 0.01 * n) for n in range(1, 50) for person in (SEATTLE, TACOMA)))
    alone = monitor_of(*(("ask", SEATTLE, 0.01 * n) for n in range(1, 50) for _ in range(2)))
    (of_both,), (of_one,) = [(await report(tiny_shop.HEAD_OFFICE, monitor)).calls for monitor in (split, alone)]
    assert isinstance(of_both.figures, Figures)
    assert of_both.figures == of_one.figures
