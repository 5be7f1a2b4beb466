"""The database fails. Everybody gets a right answer or is told to try again, in time, and soon all is well again."""

import os
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from psycopg.sql import SQL

from tests.faults.conftest import Database, Serve
from tests.faults.load import RIGHT, Asker, asking
from tests.faults.proxy import Proxy
from tests.postgres import reachable_folder
from zava.adapters.postgres.errors import RESOURCES

# Also for a busy machine.
pytestmark = pytest.mark.timeout(300)

# Three attempts, each of which may wait for a connection.
LONGEST = 3 * 5 + 5

# Of each product, and of each line, something is kept: more than fits into 64 kB.
ANALYSIS = (
    "analyze_sales",
    {"metrics": ["customers"], "period": "2021-01-01..2025-12-31", "group_by": ["product"]},
)
DISTINCT_LINES = (
    "execute_sales_query",
    {"postgresql_query": "SELECT count(DISTINCT (order_id, line_no)) AS lines FROM retail.order_items"},
)
# Much more.
DISTINCT_PAIRS = (
    "execute_sales_query",
    {
        "postgresql_query": "SELECT count(DISTINCT (o.order_id, p.product_id)) AS pairs"
        " FROM retail.orders AS o CROSS JOIN retail.products AS p"
    },
)


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


def test_a_question_that_needs_more_temporary_files_than_it_may_have_is_told(
    serve: Serve, database: Database, proxy: Proxy
) -> None:
    """PostgreSQL's own limit says nothing else than a full disk does: it tells both as of class 53."""
    served = serve()
    token, right = next(iter(served.right.items()))
    with closing(Asker(served.url, token)) as asker:
        with database.set_for_new_connections(temp_file_limit="0", work_mem="64kB"):
            proxy.cut()
            without_room = asker.ask(*ANALYSIS)
        proxy.cut()
        check_says_resources(without_room)
        assert not asker.ask(*ANALYSIS).get("isError")
        assert asker.outcome(right).what == RIGHT


def check_says_resources(result: Mapping[str, Any]) -> None:
    assert result["_meta"]["zava/error"] == {"code": "UNAVAILABLE", "retryable": True}, result
    assert RESOURCES in result["content"][0]["text"]


@pytest.fixture
def small_disk(database: Database, proxy: Proxy) -> Iterator[Path]:
    """The server's connections have their temporary files here, and need some for each larger question."""
    assert os.geteuid() == 0, "only root can mount a small disk: run `make faults` as root"
    owner = (database.data_dir / "postgres").stat()
    with reachable_folder() as folder, ExitStack() as stack:
        disk = folder / "disk"
        disk.mkdir()
        options = f"size=8m,mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
        subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], check=True)  # noqa: S603 - our own
        stack.callback(lambda: subprocess.run(["/bin/umount", disk], check=True))  # noqa: S603
        administrator = stack.enter_context(database.administrator())
        administrator.execute(SQL("CREATE TABLESPACE small_disk LOCATION {}").format(str(disk)))
        stack.callback(administrator.execute, "DROP TABLESPACE small_disk")
        administrator.execute("GRANT CREATE ON TABLESPACE small_disk TO PUBLIC")
        # Connections that know it end.
        stack.callback(proxy.cut)
        stack.enter_context(
            database.set_for_new_connections(
                temp_tablespaces="small_disk", work_mem="64kB", log_min_messages="error", log_error_verbosity="verbose"
            )
        )
        proxy.cut()
        yield disk


def fill(file: Path) -> None:
    """To the last byte of its disk."""
    with file.open("wb", buffering=0) as opened, suppress(OSError):
        while True:
            opened.write(bytes(4096))
    assert shutil.disk_usage(file).free == 0


@pytest.mark.long
def test_a_full_disk_is_told_and_all_is_well_when_there_is_room(
    serve: Serve, database: Database, small_disk: Path
) -> None:
    served = serve()
    log = database.data_dir / "postgres.log"
    of_somebody_else = small_disk / "of somebody else"
    with closing(Asker(served.url, next(iter(served.right)))) as asker, asking(served.url, served.right) as outcomes:

        def asked() -> list[dict[str, Any]]:
            return [asker.ask(*ANALYSIS), asker.ask(*DISTINCT_LINES)]

        with_room = asked()
        begun = log.stat().st_size
        fill(of_somebody_else)
        without_room = asked()
        of_somebody_else.unlink()
        with_room_again = asked()
        # The disk is filled by the question itself.
        without_room.append(asker.ask(*DISTINCT_PAIRS))
        healed_at = time.monotonic()
        with_room_again += asked()
        time.sleep(6)
    for result in without_room:
        check_says_resources(result)
    right = [result["structuredContent"]["rows"] for result in with_room]
    assert [result["structuredContent"]["rows"] for result in with_room_again] == right * 2
    # What PostgreSQL says of a full disk, and not of a limit.
    states = Counter(re.findall(r"ERROR:  (\w{5}): ", log.read_text(encoding="utf-8")[begun:]))
    assert set(states) == {"53100"}, states
    assert states["53100"] >= len(without_room)
    outcomes.check(longest=LONGEST)
    outcomes.check_recovery(healed_at)
    print(outcomes.counted(), dict(states))


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
