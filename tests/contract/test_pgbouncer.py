"""Through PgBouncer in transaction mode, where every transaction may be on another connection of the server's.

What the ports answer through it, tests/contract/test_ports.py asks; whom it could tell of whom, tests/isolation.
"""

import asyncio
from pathlib import Path

import psycopg
import pytest

from tests import tiny_shop
from tests.contract.conftest import KEY, TestDatabase, new_pool
from tests.contract.test_sandbox import ENDLESS, ENDLESS_ROW, SEATTLE, answered_at_last, running, sandbox_of, until
from tests.contract.test_sessions import BROKEN, MANAGERS, NAMES, SLEEP, names
from tests.pgbouncer import needs_pgbouncer
from zava.adapters.postgres.access import DatabaseAccess
from zava.adapters.postgres.sandbox import SandboxLimits
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.commands.database import Database
from zava.core.errors import BusyError, QueryTimeoutError, SetupError
from zava.core.model import Table

pytestmark = [needs_pgbouncer, pytest.mark.operations]

# What one transaction could leave to the next on a connection of the server's.
LEFT = """
    SELECT
        pg_backend_pid(), current_user, current_setting('zava.context', true), current_setting('TimeZone'),
        current_setting('application_name'), (SELECT count(*) FROM pg_prepared_statements)
"""


async def left_behind(database: TestDatabase) -> set[tuple[object, ...]]:
    """What is left on the connections of the server's that are used in turn."""
    async with await psycopg.AsyncConnection.connect(
        database.app_dsn, autocommit=True, prepare_threshold=None, application_name="looking"
    ) as connection:
        return {(await (await connection.execute(LEFT)).fetchall())[0] for _ in range(20)}


async def test_many_principals_share_few_connections_and_leave_nothing_on_them(pooled_shop: TestDatabase) -> None:
    async with new_pool(pooled_shop) as pool, sandbox_of(pooled_shop) as sandbox:
        sessions = PrincipalSessions(pool, lambda: KEY)
        asked = [MANAGERS[number % len(MANAGERS)] for number in range(100)]
        answers = await asyncio.gather(
            *(names(sessions, person) for person in asked),
            *(sandbox.execute_sales_query(person.principal, "SELECT name FROM stores ORDER BY 1") for person in asked),
            *(sessions.ask(person.principal, {}, NAMES, BROKEN) for person in asked[:20]),
            return_exceptions=True,
        )
    seen = [sorted(person.stores) or ["Bellevue", "Seattle", "Tacoma"] for person in asked]
    assert answers[:100] == seen
    assert [[name for (name,) in table.rows] for table in answers[100:200] if isinstance(table, Table)] == seen
    assert {type(error) for error in answers[200:]} == {psycopg.errors.DivisionByZero}

    found = await left_behind(pooled_shop)
    assert len({pid for pid, *_ in found}) > 1, "all of it was on one connection"
    assert {left[1:] for left in found} == {("zava_app", "", "UTC", "looking", 0)}


async def test_a_cancelled_query_ends_in_postgresql_too(pooled_shop: TestDatabase) -> None:
    async with sandbox_of(pooled_shop) as sandbox:
        asking = asyncio.create_task(sandbox.execute_sales_query(SEATTLE, ENDLESS))
        await until(lambda: running(pooled_shop) == 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until(lambda: running(pooled_shop) == 0)
        assert (await sandbox.execute_sales_query(SEATTLE, "SELECT 1")).rows == ((1,),)


async def test_what_postgresql_does_not_stop_is_known_by_its_text(pooled_shop: TestDatabase) -> None:
    # For PostgreSQL this is no limit at all: its client gives up, after a second and a half.
    async with sandbox_of(pooled_shop, SandboxLimits(seconds=0.0001, most_given_up=1)) as sandbox:
        with pytest.raises(QueryTimeoutError):
            await sandbox.execute_sales_query(SEATTLE, ENDLESS_ROW)
        with pytest.raises(BusyError, match="not at their end yet"):
            await sandbox.execute_sales_query(SEATTLE, "SELECT 1")
        await answered_at_last(sandbox)


async def test_connections_that_postgresql_ends_cost_no_answer(pooled_shop: TestDatabase) -> None:
    async with new_pool(pooled_shop) as pool:
        sessions = PrincipalSessions(pool, lambda: KEY)
        sleeping = asyncio.create_task(sessions.ask(tiny_shop.SEATTLE.principal, {}, SLEEP))
        await until(lambda: running(pooled_shop) == 1)
        with psycopg.connect(pooled_shop.admin_dsn, autocommit=True) as administrator:
            administrator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'zava_app'")
        assert await names(sessions, tiny_shop.SEATTLE) == ["Seattle"]
        sleeping.cancel()
        await asyncio.gather(sleeping, return_exceptions=True)


def test_a_server_that_was_not_told_of_a_pooler_does_not_start(pooled_shop: TestDatabase, tmp_path: Path) -> None:
    pooled = Database(DatabaseAccess(pooled_shop.app_dsn, tmp_path), admin_dsn=None)
    with pytest.raises(SetupError, match="set ZAVA_DATABASE__POOLER=transaction"):
        pooled.check_login("none")
    pooled.check_login("transaction")


def test_an_administrator_is_not_let_in_through_a_pooler(pooled_shop: TestDatabase, tmp_path: Path) -> None:
    access = DatabaseAccess(pooled_shop.app_dsn, tmp_path)
    with Database(access, pooled_shop.admin_dsn).administration() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    # Whoever it is, it is looked at first.
    pooled = Database(access, admin_dsn=pooled_shop.app_dsn)
    with pytest.raises(SetupError, match="name the host and port of PostgreSQL itself"), pooled.administration():
        pass
