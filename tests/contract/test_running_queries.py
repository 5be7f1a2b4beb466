"""An operator sees the queries of callers' own, and can stop these and nothing else."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.contract.conftest import TestDatabase
from tests.contract.test_sandbox import ENDLESS, SEATTLE, ask, running, sandbox_of, until
from zava.adapters.postgres.running_queries import RunningQuery, running_queries
from zava.core.errors import QueryStoppedError

LIKE_A_CALLER = f"{uuid4()} Somebody"


def seen(database: TestDatabase, stop: int | None = None) -> Sequence[RunningQuery]:
    with psycopg.connect(database.app_dsn, autocommit=True) as connection:
        return running_queries(connection, stop=stop)


async def test_a_query_that_runs_is_seen_with_who_asked_and_can_be_stopped(tiny_database: TestDatabase) -> None:
    assert seen(tiny_database) == []
    async with sandbox_of(tiny_database) as sandbox:
        asked = asyncio.create_task(sandbox.execute_sales_query(SEATTLE, f"{ENDLESS}\nWHERE 'é' <> ''"))
        await until(lambda: running(tiny_database) == 1)
        (query,) = seen(tiny_database)
        assert (query.principal_id, query.name) == (str(SEATTLE.principal_id), SEATTLE.name)
        assert (query.state, query.text, query.stopped) == ("active", f"{ENDLESS} WHERE 'é' <> ''", False)
        assert 0 < query.seconds < 10
        with psycopg.connect(tiny_database.admin_dsn, autocommit=True) as administrator:
            assert running_queries(administrator, stop=query.pid) == []
        (stopped,) = seen(tiny_database, stop=query.pid)
        assert (stopped.pid, stopped.stopped) == (query.pid, True)
        with pytest.raises(QueryStoppedError, match="stopped by an operator"):
            await asked
        assert (await sandbox.execute_sales_query(SEATTLE, "SELECT 1")).rows == ((1,),)
    assert seen(tiny_database) == []


async def test_the_one_that_is_stopped_is_the_one_that_was_meant(tiny_database: TestDatabase) -> None:
    async with sandbox_of(tiny_database) as sandbox:
        first = asyncio.create_task(sandbox.execute_sales_query(SEATTLE, ENDLESS))
        await until(lambda: running(tiny_database) == 1)
        second = asyncio.create_task(sandbox.execute_sales_query(SEATTLE, ENDLESS))
        await until(lambda: len(seen(tiny_database)) == 2)
        older, younger = seen(tiny_database)
        assert older.seconds > younger.seconds
        assert [query.stopped for query in seen(tiny_database, stop=younger.pid)] == [False, True]
        with pytest.raises(QueryStoppedError):
            await second
        assert [query.pid for query in seen(tiny_database)] == [older.pid]
        seen(tiny_database, stop=older.pid)
        with pytest.raises(QueryStoppedError):
            await first


async def test_a_query_with_the_name_of_a_query_but_of_somebody_else_is_left_in_peace(
    tiny_database: TestDatabase,
) -> None:
    others = {
        "the server's own": make_conninfo(tiny_database.app_dsn, application_name="zava-mcp-server"),
        "another login's": make_conninfo(tiny_database.admin_dsn, application_name=LIKE_A_CALLER),
        "another database's": make_conninfo(tiny_database.app_dsn, dbname="postgres", application_name=LIKE_A_CALLER),
    }
    async with AsyncExitStack() as stack:
        at_work = []
        for dsn in others.values():
            connection = await stack.enter_async_context(await psycopg.AsyncConnection.connect(dsn, autocommit=True))
            at_work.append((connection.info.backend_pid, asyncio.create_task(connection.execute("SELECT pg_sleep(2)"))))
        idle = await stack.enter_async_context(
            await psycopg.AsyncConnection.connect(
                make_conninfo(tiny_database.app_dsn, application_name=LIKE_A_CALLER), autocommit=True
            )
        )
        await until(lambda: running(tiny_database) == 1)
        for pid in (*(pid for pid, _ in at_work), idle.info.backend_pid, 0, -1, 2**40):
            assert seen(tiny_database, stop=pid) == []
        for _, sleeping in at_work:
            await sleeping


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
async def test_a_text_of_several_lines_is_run_and_not_run_twice(tiny_database: TestDatabase, end: str) -> None:
    table = await ask(tiny_database, f"SELECT 1 AS a{end}UNION ALL SELECT 2{end}-- the end")
    assert table.rows == ((1,), (2,))
