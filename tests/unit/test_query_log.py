"""What the log says of queries that failed or were slow: enough to find them, and nothing of what is in them."""

import asyncio
import logging
from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest

from zava.adapters.postgres.query_log import PLANS_EVERY_SECONDS, QueryLog
from zava.adapters.postgres.query_shapes import shape_of
from zava.core.errors import BusyError
from zava.core.model import Principal
from zava.core.observations import QueryRun

ADA = Principal(UUID(int=1), "Ada")
FREE_SQL = "execute_sales_query"
CANARY = "Jane Canary"
STATEMENT = f"SELECT '{CANARY}' AS \"{CANARY}\" FROM orders -- {CANARY}"  # noqa: S608 - nobody runs it
TEXT = 'SELECT ? AS "?" FROM orders'


def run(
    seconds: float = 0.1, error: str | None = None, name: str = FREE_SQL, statement: str = STATEMENT, rows: int = 7
) -> QueryRun:
    return QueryRun(ADA, name, (statement,), {"secret": CANARY}, None if error else rows, error, seconds)


class Planner:
    """Makes plans when it is let.

    Attributes:
        asked: the queries whose plans were wanted.
        at_work: how many plans are being made.
    """

    def __init__(self, plan: str = "Seq Scan on orders", error: Exception | None = None) -> None:
        self.asked: list[QueryRun] = []
        self.at_work = 0
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self._plan = plan
        self._error = error

    async def plan_of(self, query: QueryRun) -> str:
        self.asked.append(query)
        self.at_work += 1
        try:
            await self.goes_on.wait()
        finally:
            self.at_work -= 1
        if self._error:
            raise self._error
        return self._plan


def log_of(planner: Planner, clock: Callable[[], float] = lambda: 0.0) -> QueryLog:
    return QueryLog(planner.plan_of, slow_seconds=1, clock=clock)


async def until_planned() -> None:
    """Lets what goes on in the background come to its end."""
    for _ in range(10):
        await asyncio.sleep(0)


async def lines_of(query: QueryRun, caplog: pytest.LogCaptureFixture, planner: Planner | None = None) -> list[str]:
    log_of(planner or Planner()).see(query)
    await until_planned()
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    return caplog.messages


async def test_a_query_that_is_neither_slow_nor_failed_is_not_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    log_of(planner := Planner()).see(run(seconds=0.999))
    await until_planned()
    assert (caplog.messages, planner.asked) == ([], [])


async def test_a_slow_query_is_logged_with_who_asked_how_long_and_its_plan(caplog: pytest.LogCaptureFixture) -> None:
    fingerprint = shape_of(run()).fingerprint
    assert await lines_of(run(seconds=1.25), caplog, Planner("Limit\n  ->  Seq Scan on orders")) == [
        f"Slow query detected: {FREE_SQL} {fingerprint} of {ADA.principal_id}, 1.250 s, 7 rows: {TEXT}",
        f"Plan of slow query {fingerprint}:\nLimit\n  ->  Seq Scan on orders",
    ]


async def test_a_governed_question_is_logged_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    assert await lines_of(run(seconds=1, name="stores_of, business_settings"), caplog) == [
        f"Slow query detected: stores_of, business_settings of {ADA.principal_id}, 1.000 s, 7 rows",
        "Plan of slow query stores_of, business_settings:\nSeq Scan on orders",
    ]


@pytest.mark.parametrize("error", ["42P01", "57014", "BusyError"])
async def test_a_query_that_failed_is_logged_with_its_sqlstate(error: str, caplog: pytest.LogCaptureFixture) -> None:
    fingerprint = shape_of(run()).fingerprint
    assert await lines_of(run(error=error), caplog) == [
        f"Query failed: {error}, {FREE_SQL} {fingerprint} of {ADA.principal_id}, 0.100 s: {TEXT}"
    ]


async def test_whoever_went_away_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    assert await lines_of(run(error="CancelledError"), caplog) == []


@pytest.mark.parametrize(
    ("error", "planned"),
    [
        ("57014", True),
        ("QueryTimeoutError", True),
        ("QueryStoppedError", True),
        ("CancelledError", True),
        ("BusyError", False),
        ("08006", False),
        ("42P01", False),
    ],
)
async def test_of_slow_queries_that_failed_those_that_were_stopped_are_planned(
    error: str,
    planned: bool,  # noqa: FBT001
) -> None:
    log_of(planner := Planner()).see(run(seconds=15, error=error))
    await until_planned()
    assert bool(planner.asked) is planned


async def test_nothing_of_what_is_in_a_query_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    log = log_of(Planner(error=psycopg.errors.InvalidTextRepresentation(f'invalid input: "{CANARY}"')))
    for query in (run(seconds=2), run(error="22P02"), run(seconds=2, name="find_order")):
        log.see(query)
        await until_planned()
    assert len(caplog.messages) == 5
    assert CANARY not in caplog.text


async def test_a_text_is_logged_on_one_line_and_cut_short(caplog: pytest.LogCaptureFixture) -> None:
    columns = ",\n".join(["order_id"] * 100)
    (line, _) = await lines_of(run(seconds=2, statement=f"SELECT {columns}"), caplog)
    assert "\n" not in line
    assert len(line.partition(" rows: ")[2]) == 200


async def test_a_query_that_cannot_be_read_is_logged_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    assert (await lines_of(run(seconds=2, statement="SELECT FROM FROM"), caplog))[0] == (
        f"Slow query detected: {FREE_SQL} of {ADA.principal_id}, 2.000 s, 7 rows"
    )


@pytest.mark.parametrize("error", [BusyError("Later."), psycopg.errors.UndefinedFunction(CANARY), TimeoutError()])
async def test_why_there_is_no_plan_is_logged_without_words(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    (_, line) = await lines_of(run(seconds=2), caplog, Planner(error=error))
    reason = getattr(error, "sqlstate", None) or type(error).__name__
    assert line == f"No plan of slow query {shape_of(run()).fingerprint}: {reason}"


async def test_one_plan_is_made_at_a_time() -> None:
    log = log_of(planner := Planner())
    planner.goes_on.clear()
    for name in ("first", "second", "third"):
        log.see(run(seconds=2, name=name))
        await until_planned()
    assert planner.at_work == 1
    planner.goes_on.set()
    await until_planned()
    log.see(run(seconds=2, name="third"))
    await until_planned()
    assert [query.name for query in planner.asked] == ["first", "third"]


async def test_a_kind_of_query_is_planned_once_in_ten_minutes() -> None:
    now = 0.0
    log = log_of(planner := Planner(), lambda: now)
    for at in (0.0, 1.0, PLANS_EVERY_SECONDS - 1.0, PLANS_EVERY_SECONDS + 1.0):
        now = at
        # Another value is no other kind.
        log.see(run(seconds=2, statement=f"SELECT {at}"))
        await until_planned()
    assert [query.queries for query in planner.asked] == [("SELECT 0.0",), (f"SELECT {PLANS_EVERY_SECONDS + 1.0}",)]


async def test_whoever_asked_does_not_wait_for_the_plan() -> None:
    log = log_of(planner := Planner())
    log.see(run(seconds=2))
    assert planner.asked == []
    await log.close()


async def test_closing_gives_up_a_plan_that_is_being_made(caplog: pytest.LogCaptureFixture) -> None:
    log = log_of(planner := Planner())
    planner.goes_on.clear()
    log.see(run(seconds=2))
    await until_planned()
    assert planner.at_work == 1
    await log.close()
    assert planner.at_work == 0
    assert len(caplog.messages) == 1


async def test_a_log_without_plans_is_closed_too() -> None:
    await log_of(Planner()).close()


async def test_a_plan_of_any_length_is_cut_short(caplog: pytest.LogCaptureFixture) -> None:
    (_, line) = await lines_of(run(seconds=2), caplog, Planner("x" * 100_000))
    assert 9_000 < len(line) < 11_000
