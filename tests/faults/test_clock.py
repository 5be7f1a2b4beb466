"""A wall clock jumps. Answers are right or the error names the clocks; when the clock is right again, all is well."""

import random
import shlex
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx2
import pytest

from tests.faults.clock import Clock
from tests.faults.conftest import Database, Serve, Served
from tests.faults.load import RIGHT, Asker, Outcome, Outcomes, asking
from tests.postgres import reachable_folder
from zava.adapters.postgres.errors import CLOCKS

# Also for a busy machine.
pytestmark = pytest.mark.timeout(300)

HOUR = 3600
LONGEST = 5
# Nothing has to be made anew.
RECOVERY = 1
FREE_SQL = "execute_sales_query", {"postgresql_query": "SELECT count(*) AS stores FROM retail.stores"}
ENDLESS = (
    "execute_sales_query",
    {"postgresql_query": "SELECT count(*) FROM retail.orders AS a, retail.orders AS b, retail.orders AS c"},
)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """Of the server alone, when it is started with the clock's variables."""
    return Clock(tmp_path / "clock")


@pytest.fixture
def database_clock(database: Database) -> Iterator[Clock]:
    """Of PostgreSQL alone, which is started anew."""
    program = Path(f"/proc/{database.pid}/exe").readlink()
    with reachable_folder() as folder:
        clock = Clock(folder / "clock")
        variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in clock.variables.items())
        started_with_them = folder / "postgres"
        started_with_them.write_text(
            f'#!/bin/sh\n{variables} exec {shlex.quote(str(program))} "$@"\n', encoding="utf-8"
        )
        started_with_them.chmod(0o755)
        database.stop()
        try:
            database.start(folder)
            yield clock
        finally:
            database.stop()
            database.start()


def asked_while(clock: Clock, off: int, outcomes: Outcomes, seconds: float = 0.7) -> list[Outcome]:
    """Questions that were asked and answered while the clock was so far off."""
    clock.jump(off)
    since = time.monotonic()
    time.sleep(seconds)
    # Longer on a busy machine.
    while not (asked := outcomes.since(since)):
        assert time.monotonic() < since + 10, outcomes.counted()
        time.sleep(0.1)
    return asked


def check_all_right(asked: list[Outcome]) -> None:
    assert [one for one in asked if one.what != RIGHT] == []


def check_clocks_are_named(asked: list[Outcome]) -> None:
    """And nothing else is told."""
    assert {(one.what, one.retryable) for one in asked} == {("UNAVAILABLE", True)}, asked
    assert [one for one in asked if CLOCKS not in one.text] == []


def check_recovery(clock: Clock, outcomes: Outcomes) -> None:
    clock.jump(0)
    healed_at = time.monotonic()
    time.sleep(RECOVERY + 1)
    outcomes.check_recovery(healed_at, within=RECOVERY)


def check_seconds_ahead(served: Served, off: int) -> None:
    """What the server believes: otherwise the jumps would be of no clock at all."""
    deadline = time.monotonic() + 5
    # The date of its answers is a second old at most.
    while abs(seconds_ahead(served) - off) > 2:
        assert time.monotonic() < deadline, "the clock of the server has not jumped"
        time.sleep(0.1)


def seconds_ahead(served: Served) -> float:
    alive = httpx2.get(served.url.replace("/mcp", "/health/live"), timeout=30)
    date: datetime = parsedate_to_datetime(alive.headers["date"])
    return (date - datetime.now(UTC)).total_seconds()


def test_the_clock_of_the_server_jumps_ahead_and_back(serve: Serve, clock: Clock) -> None:
    """The database tells the time that words are good for: a server that is ahead does no harm."""
    served = serve(**clock.variables)
    with asking(served.url, served.right) as outcomes:
        check_all_right(asked_while(clock, 5, outcomes))
        check_all_right(asked_while(clock, HOUR, outcomes))
        check_seconds_ahead(served, HOUR)
        # Whatever lasted by this clock would now last an hour longer.
        check_recovery(clock, outcomes)
    outcomes.check(longest=LONGEST)
    check_all_right(outcomes.all)
    print(outcomes.counted())


def test_the_clock_of_the_server_falls_behind_and_is_set(serve: Serve, clock: Clock) -> None:
    served = serve(**clock.variables)
    with asking(served.url, served.right) as outcomes:
        check_all_right(asked_while(clock, -5, outcomes))
        check_all_right(asked_while(clock, -50, outcomes))
        check_clocks_are_named(asked_while(clock, -70, outcomes))
        check_clocks_are_named(asked_while(clock, -HOUR, outcomes))
        check_seconds_ahead(served, -HOUR)
        ready = httpx2.get(served.url.replace("/mcp", "/health/ready"), timeout=30).json()
        assert ready["status"] == "degraded"
        assert "clocks of server and database differ by 3600 seconds" in ready["parts"]["clock"]
        check_recovery(clock, outcomes)
    outcomes.check(longest=LONGEST)
    print(outcomes.counted())


@pytest.mark.long
@pytest.mark.parametrize("kept", ["true", "false"])
def test_the_clock_of_the_server_jumps_about(serve: Serve, clock: Clock, kept: str) -> None:
    """However often; and answers that are kept are as good as those that are worked out."""
    served = serve(**clock.variables, ZAVA_CACHE__ENABLED=kept)
    chance = random.Random(8)  # noqa: S311 - the same jumps every time
    with asking(served.url, served.right) as outcomes:
        for _ in range(60):
            clock.jump(chance.choice((0, 5, -5, HOUR, -HOUR, 24 * HOUR, -24 * HOUR)))
            time.sleep(chance.uniform(0, 0.5))
        check_recovery(clock, outcomes)
    outcomes.check(longest=LONGEST)
    assert any(one.is_kept for one in outcomes.all) == (kept == "true")
    print(outcomes.counted())


@pytest.mark.long
def test_free_sql_by_a_server_whose_clock_is_behind_is_told_so(serve: Serve, clock: Clock) -> None:
    served = serve(**clock.variables)
    with closing(Asker(served.url, next(iter(served.right)))) as asker:
        right = asker.ask(*FREE_SQL)
        assert not right.get("isError"), right
        clock.jump(-HOUR)
        behind = asker.ask(*FREE_SQL)
        clock.jump(0)
        again = asker.ask(*FREE_SQL)
    assert behind["_meta"]["zava/error"] == {"code": "UNAVAILABLE", "retryable": True}
    assert CLOCKS in behind["content"][0]["text"]
    assert again["structuredContent"]["rows"] == right["structuredContent"]["rows"]


@pytest.mark.long
@pytest.mark.parametrize("off", [HOUR, -HOUR])
def test_how_often_one_may_ask_does_not_depend_on_a_clock_that_jumps(serve: Serve, clock: Clock, off: int) -> None:
    """Neither is a whole burst given anew, nor is anybody refused for an hour."""
    served = serve(**clock.variables, ZAVA_LIMITS__CALLS_PER_SECOND="0.5", ZAVA_LIMITS__BURST="5")
    token, right = next(iter(served.right.items()))
    with closing(Asker(served.url, token)) as asker:

        def at_once() -> int:
            """How many more are answered."""
            answered = 0
            while (outcome := asker.outcome(right)).what == RIGHT:
                answered += 1
            assert outcome.what == "BUSY", outcome
            return answered

        assert 3 <= at_once() <= 5, "the burst, and one of it is used up"
        clock.jump(off)
        check_seconds_ahead(served, off)
        assert at_once() <= 2
        clock.jump(0)
        check_seconds_ahead(served, 0)
        time.sleep(4)
        assert 1 <= at_once() <= 4


@pytest.mark.long
def test_the_audit_trail_is_kept_through_jumps(serve: Serve, clock: Clock, database: Database) -> None:
    before = audited(database)
    served = serve(**clock.variables)
    with asking(served.url, served.right) as outcomes:
        for off in (0, HOUR, 0, -HOUR, 0):
            asked_while(clock, off, outcomes)
    expected = before + len(served.right) + len(outcomes.all)
    deadline = time.monotonic() + 5
    while audited(database) != expected:
        assert time.monotonic() < deadline, (before, audited(database), expected)
        time.sleep(0.1)


def audited(database: Database) -> int:
    """How many calls of any server are in the database by now."""
    with database.administrator() as connection:
        (found,) = connection.execute("SELECT count(*) FROM audit.calls").fetchone() or (0,)
        return int(found)


@pytest.mark.long
def test_the_clock_of_the_database_jumps(serve: Serve, database: Database, database_clock: Clock) -> None:
    """What is behind is the server then, or the database, which does no harm."""
    served = serve()
    with asking(served.url, served.right) as outcomes:
        check_all_right(asked_while(database_clock, -5, outcomes))
        check_all_right(asked_while(database_clock, 5, outcomes))
        check_all_right(asked_while(database_clock, -HOUR, outcomes))
        check_clocks_are_named(asked_while(database_clock, HOUR, outcomes))
        with database.administrator() as connection:
            (now,) = connection.execute("SELECT clock_timestamp()").fetchone() or (None,)
            assert (now - datetime.now(UTC)).total_seconds() == pytest.approx(HOUR, abs=5)
        check_recovery(database_clock, outcomes)
    outcomes.check(longest=LONGEST)
    print(outcomes.counted())


@pytest.mark.long
@pytest.mark.parametrize(("off", "code"), [(HOUR, "QUERY_STOPPED"), (-HOUR, "QUERY_TIMEOUT")])
def test_a_long_question_ends_in_time_though_the_clock_of_the_database_jumps(
    serve: Serve, database: Database, database_clock: Clock, off: int, code: str
) -> None:
    """PostgreSQL reckons by it when to stop a statement: soon after a jump ahead, an hour late after one back."""
    served = serve(ZAVA_SANDBOX__STATEMENT_TIMEOUT="4")
    token, right = next(iter(served.right.items()))
    with closing(Asker(served.url, token)) as asker, ThreadPoolExecutor() as executor:
        long = executor.submit(asker.ask, *ENDLESS)
        time.sleep(1)
        database_clock.jump(off)
        assert long.result(timeout=15)["_meta"]["zava/error"]["code"] == code
        database_clock.jump(0)
        assert asker.outcome(right).what == RIGHT
        assert not asker.ask(*FREE_SQL).get("isError")
    deadline = time.monotonic() + 5
    while running(database):
        assert time.monotonic() < deadline, "PostgreSQL goes on answering nobody"
        time.sleep(0.1)


def running(database: Database) -> list[tuple[object, ...]]:
    with database.administrator() as connection:
        return connection.execute(
            "SELECT pid, query FROM pg_stat_activity WHERE usename = 'zava_app' AND state <> 'idle'"
        ).fetchall()
