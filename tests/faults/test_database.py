"""The database fails. Everybody gets a right answer or is told to try again, in time, and soon all is well again."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx2
import pytest

from tests.faults.conftest import Database, Serve
from tests.faults.load import RIGHT, Asker, asking
from tests.faults.proxy import Proxy

# Also for a busy machine.
pytestmark = pytest.mark.timeout(300)

# Three attempts, each of which may wait for a connection.
LONGEST = 3 * 5 + 5


@pytest.mark.parametrize("outage", [2, pytest.param(40, marks=pytest.mark.long)])
def test_postgresql_is_killed_and_comes_back(serve: Serve, database: Database, outage: float) -> None:
    """After however long: whoever waits longer after each attempt to connect would miss that it is there again."""
    served = serve()
    with asking(served.url, served.right) as outcomes:
        time.sleep(1)
        database.kill()
        database.stop()
        time.sleep(outage)
        database.start()
        healed_at = time.monotonic()
        time.sleep(8)
    outcomes.check(longest=LONGEST)
    outcomes.check_recovery(healed_at)
    print(outcomes.counted())


@pytest.mark.long
def test_a_process_of_postgresql_is_killed_and_all_of_it_recovers(serve: Serve, database: Database) -> None:
    """PostgreSQL then ends all of its connections, and replays its log."""
    served = serve()
    with asking(served.url, served.right) as outcomes:
        time.sleep(1)
        database.kill_one()
        healed_at = time.monotonic()
        time.sleep(7)
    outcomes.check(longest=LONGEST)
    outcomes.check_recovery(healed_at)
    print(outcomes.counted())


def test_connections_are_cut_in_the_middle_of_questions(serve: Serve, proxy: Proxy) -> None:
    served = serve()
    with asking(served.url, served.right) as outcomes:
        for _ in range(20):
            time.sleep(0.15)
            proxy.cut()
        healed_at = time.monotonic()
        time.sleep(6)
    outcomes.check(longest=LONGEST)
    outcomes.check_recovery(healed_at)
    print(outcomes.counted())


def test_a_lock_on_the_orders_is_told_as_busy(serve: Serve, database: Database) -> None:
    served = serve()
    with asking(served.url, served.right) as outcomes, database.administrator() as connection:
        with connection.transaction():
            connection.execute("LOCK TABLE retail.orders IN ACCESS EXCLUSIVE MODE")
            locked_at = time.monotonic()
            time.sleep(4)
        healed_at = time.monotonic()
        time.sleep(6)
    outcomes.check(longest=LONGEST)
    outcomes.check_recovery(healed_at)
    # Those asked while it was held, and long before it was given back.
    stuck = [one for one in outcomes.since(locked_at) if one.at < healed_at - 3]
    assert {one.what for one in stuck} == {"BUSY"}, outcomes.counted()
    print(outcomes.counted())


@pytest.mark.long
def test_a_pool_without_a_free_connection_is_told_as_busy(serve: Serve, database: Database) -> None:
    served = serve(
        ZAVA_DATABASE__POOL_MIN_SIZE="1",
        ZAVA_DATABASE__POOL_MAX_SIZE="1",
        ZAVA_DATABASE__POOL_TIMEOUT="0.5",
        ZAVA_LIMITS__PATIENCE="0.5",
    )
    with asking(served.url, served.right, each=4) as outcomes, database.administrator() as connection:
        with connection.transaction():
            connection.execute("LOCK TABLE retail.orders IN ACCESS EXCLUSIVE MODE")
            time.sleep(3)
        healed_at = time.monotonic()
        time.sleep(6)
    outcomes.check(longest=LONGEST)
    assert "BUSY" in {one.what for one in outcomes.all}
    assert RIGHT in {one.what for one in outcomes.since(healed_at + 5)}
    assert database.connections() <= 2, "one of the pool, and one of free SQL"
    print(outcomes.counted())


def test_a_disk_without_room_for_temporary_files_is_told(serve: Serve, database: Database, proxy: Proxy) -> None:
    """PostgreSQL's own limit stands for a full disk: it tells both as of class 53."""
    served = serve()
    token, right = next(iter(served.right.items()))
    question = {"metrics": ["customers"], "period": "2021-01-01..2025-12-31", "group_by": ["product"]}
    with closing(Asker(served.url, token)) as asker, database.administrator() as connection:
        connection.execute("ALTER ROLE zava_app IN DATABASE zava SET temp_file_limit = '0'")
        connection.execute("ALTER ROLE zava_app IN DATABASE zava SET work_mem = '64kB'")
        try:
            # New connections begin with these settings.
            proxy.cut()
            without_room = asker.ask("analyze_sales", question)
        finally:
            connection.execute("ALTER ROLE zava_app IN DATABASE zava SET temp_file_limit = '1GB'")
            connection.execute("ALTER ROLE zava_app IN DATABASE zava SET work_mem = '4MB'")
            proxy.cut()
        assert without_room["_meta"]["zava/error"] == {"code": "UNAVAILABLE", "retryable": True}, without_room
        assert "run out of memory or disk" in without_room["content"][0]["text"]
        assert not asker.ask("analyze_sales", question).get("isError")
        assert asker.outcome(right).what == RIGHT


@pytest.mark.long
def test_a_database_that_takes_five_seconds_is_waited_for(serve: Serve, proxy: Proxy) -> None:
    served = serve()
    token = next(iter(served.right))
    asker = Asker(served.url, token)
    proxy.delay = 5
    try:
        with ThreadPoolExecutor() as executor:
            slow = executor.submit(asker.outcome, served.right[token])
            started = time.monotonic()
            alive = httpx2.get(served.url.replace("/mcp", "/health/live"), timeout=30)
            seconds = time.monotonic() - started
            outcome = slow.result()
    finally:
        proxy.delay = 0
        asker.close()
    assert outcome.what == RIGHT, outcome
    assert 5 < outcome.seconds < 60
    assert alive.status_code == 200
    assert seconds < 1


@pytest.mark.long
def test_a_database_that_says_nothing_any_more_is_given_up(serve: Serve, proxy: Proxy) -> None:
    served = serve(ZAVA_DATABASE__STATEMENT_TIMEOUT="4", ZAVA_SANDBOX__STATEMENT_TIMEOUT="4", ZAVA_LIMITS__PATIENCE="2")
    with asking(served.url, served.right) as outcomes:
        time.sleep(1)
        proxy.freeze()
        time.sleep(15)
        proxy.thaw()
        healed_at = time.monotonic()
        time.sleep(8)
    # Nine seconds for a question, and for who it is that asks; and the wait for a turn.
    outcomes.check(longest=25)
    outcomes.check_recovery(healed_at)
    print(outcomes.counted())
