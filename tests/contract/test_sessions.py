"""How questions travel: one round trip, nothing left behind, and what happens when connections fail."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import cast

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests import tiny_shop
from tests.contract.conftest import KEY, Pool, TestDatabase, new_pool
from zava.adapters.postgres.context import ContextKey
from zava.adapters.postgres.sessions import PrincipalSessions, Question
from zava.adapters.postgres.store_directory import PostgresStoreDirectory
from zava.core.errors import BusyError, QueryTimeoutError, UnavailableError
from zava.core.observations import QueryRun


@dataclass(frozen=True)
class Name:
    name: str


NAMES = Question("names", "SELECT name FROM retail.stores ORDER BY name", Name)
# A name twice, another that is not asked for, and a sign that is no parameter.
PARAMETERS = Question(
    "parameters", "SELECT '100%%, ' || %(day)s::date || ', ' || %(word)s || %(day)s::date AS name", Name
)
SLEEP = Question("sleep", "SELECT pg_sleep(30)::text AS name", Name)
SLEEP_A_LITTLE = Question("sleep_a_little", "SELECT pg_sleep(0.01)::text AS name", Name)
BROKEN = Question("broken", "SELECT 1 / 0 AS name", Name)
MANAGERS = (tiny_shop.SEATTLE, tiny_shop.TACOMA, tiny_shop.REGION, tiny_shop.HEAD_OFFICE)


@pytest.fixture
async def pool(tiny_database: TestDatabase) -> AsyncIterator[Pool]:
    async with new_pool(tiny_database) as pool:
        yield pool


@pytest.fixture
def sessions(pool: Pool) -> PrincipalSessions:
    return PrincipalSessions(pool, lambda: KEY)


async def names(sessions: PrincipalSessions, person: tiny_shop.PersonRow) -> list[str]:
    return [row.name for row in (await sessions.ask(person.principal, {}, NAMES))[NAMES]]


class CountingProxy:
    """Stands between a client and PostgreSQL, and counts how often the client waits for an answer."""

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path
        self._connections: set[asyncio.Task[None]] = set()
        self._answered = True
        self.round_trips = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(cast("asyncio.Task[None]", asyncio.current_task()))
        server_reader, server_writer = await asyncio.open_unix_connection(self._socket_path)
        await asyncio.gather(
            self._forward(reader, server_writer, asking=True), self._forward(server_reader, writer, asking=False)
        )

    async def closed(self) -> None:
        await asyncio.gather(*self._connections)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, asking: bool) -> None:
        while data := await reader.read(65536):
            if asking and self._answered:
                self.round_trips += 1
            self._answered = not asking
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def counted(database: TestDatabase, folder: Path) -> AsyncIterator[tuple[CountingProxy, TestDatabase]]:
    socket_name = ".s.PGSQL.5432"
    proxy = CountingProxy(f"{conninfo_to_dict(database.app_dsn)['host']}/{socket_name}")
    server = await asyncio.start_unix_server(proxy, folder / socket_name)
    async with server:
        yield proxy, TestDatabase(database.admin_dsn, make_conninfo(database.app_dsn, host=str(folder)))
    await proxy.closed()


async def test_questions_that_belong_together_take_one_round_trip(tiny_database: TestDatabase, tmp_path: Path) -> None:
    async with counted(tiny_database, tmp_path) as (proxy, database), new_pool(database) as pool:
        await pool.wait()
        directory = PostgresStoreDirectory(PrincipalSessions(pool, lambda: KEY))
        # The first time, when nothing is parsed yet, and once more.
        for _ in range(2):
            before = proxy.round_trips
            await directory.stores_of(tiny_shop.SEATTLE.principal)
            assert proxy.round_trips - before == 1


async def test_parameters_are_given_by_name(sessions: PrincipalSessions) -> None:
    parameters = {"word": "it's ", "day": date(2026, 2, 3), "other": object()}
    answers = await sessions.ask(tiny_shop.SEATTLE.principal, parameters, PARAMETERS)
    assert answers[PARAMETERS] == [Name("100%, 2026-02-03, it's 2026-02-03")]


async def test_a_connection_keeps_what_is_asked_again_and_no_text_that_is_another_each_time(
    tiny_database: TestDatabase,
) -> None:
    async with new_pool(tiny_database) as pool:
        sessions = PrincipalSessions(pool, lambda: KEY)
        for number in range(10):
            once = Question("once", f"SELECT 'once {number}' AS name", Name, keep=False)
            answers = await sessions.ask(tiny_shop.SEATTLE.principal, {}, once, NAMES)
            assert (answers[once], answers[NAMES]) == ([Name(f"once {number}")], [Name("Seattle")])
        async with pool.connection() as connection:
            cursor = await connection.execute("SELECT statement FROM pg_prepared_statements")
            kept = [statement for (statement,) in await cursor.fetchall()]
    assert (kept.count("ROLLBACK"), kept.count(NAMES.sql)) == (1, 1)
    assert not [statement for statement in kept if "once" in statement]


async def test_many_principals_on_few_connections_each_see_their_own(sessions: PrincipalSessions) -> None:
    asked = [MANAGERS[number % len(MANAGERS)] for number in range(100)]
    answers = await asyncio.gather(*(names(sessions, person) for person in asked))
    for person, answer in zip(asked, answers, strict=True):
        assert answer == (sorted(person.stores) or ["Bellevue", "Seattle", "Tacoma"])


async def test_a_failed_question_leaves_nothing_on_the_connection(sessions: PrincipalSessions, pool: Pool) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        await sessions.ask(tiny_shop.HEAD_OFFICE.principal, {}, NAMES, BROKEN)
    assert await names(sessions, tiny_shop.TACOMA) == ["Tacoma"]
    async with pool.connection() as connection:
        cursor = await connection.execute("SELECT current_user, coalesce(current_setting('zava.context', true), '')")
        assert await cursor.fetchone() == ("zava_app", "")


async def test_a_question_that_takes_too_long_is_stopped(pool: Pool) -> None:
    sessions = PrincipalSessions(pool, lambda: KEY, statement_timeout=0.2)
    started = time.monotonic()
    with pytest.raises(QueryTimeoutError, match="fewer days or fewer stores"):
        await sessions.ask(tiny_shop.SEATTLE.principal, {}, SLEEP)
    assert time.monotonic() - started < 10, "only the login's own limit of 30 seconds stopped it"
    assert await names(sessions, tiny_shop.SEATTLE) == ["Seattle"]


async def test_a_cancelled_question_stops_in_postgresql_too(
    tiny_database: TestDatabase, sessions: PrincipalSessions
) -> None:
    asking = asyncio.create_task(sessions.ask(tiny_shop.SEATTLE.principal, {}, SLEEP))
    running = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE state = 'active' AND query LIKE '%%pg_sleep%%' AND pid <> pg_backend_pid()"
    )
    async with await psycopg.AsyncConnection.connect(tiny_database.admin_dsn, autocommit=True) as administrator:

        async def until(count: int) -> None:
            async with asyncio.timeout(10):
                while (await (await administrator.execute(running)).fetchone()) != (count,):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

        await until(1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until(0)
    assert await names(sessions, tiny_shop.SEATTLE) == ["Seattle"]


async def test_lost_connections_are_replaced_and_the_question_asked_again(
    tiny_database: TestDatabase, sessions: PrincipalSessions, pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.gather(*(names(sessions, tiny_shop.SEATTLE) for _ in range(10)))
    with psycopg.connect(tiny_database.admin_dsn, autocommit=True) as administrator:
        killed = administrator.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE usename = 'zava_app' AND datname = current_database()"
        ).fetchone()
    assert killed is not None
    assert killed[0] > 0
    with caplog.at_level(logging.WARNING, logger="zava"):
        assert await names(sessions, tiny_shop.SEATTLE) == ["Seattle"]
    assert "Database connection failed, retrying (1/3)" in caplog.messages
    assert pool.get_stats()["pool_size"] > 0


async def test_a_key_that_the_database_does_not_know_any_more_is_read_again(pool: Pool) -> None:
    keys = [ContextKey(b"a key that was rotated away some time ago"), KEY]
    sessions = PrincipalSessions(pool, lambda: keys.pop(0))
    assert await names(sessions, tiny_shop.SEATTLE) == ["Seattle"]
    assert keys == []


async def test_a_key_that_the_database_never_knew_opens_nothing(pool: Pool) -> None:
    sessions = PrincipalSessions(pool, lambda: ContextKey(b"a key of somebody else altogether"))
    with pytest.raises(psycopg.Error, match="unknown key"):
        await names(sessions, tiny_shop.SEATTLE)


async def test_a_clock_that_jumps_is_told_and_does_no_harm_once_it_is_right(pool: Pool) -> None:
    jumps = iter([3_600, -3_600, 0])
    sessions = PrincipalSessions(pool, lambda: KEY, now=lambda: time.time() + next(jumps))
    assert await names(sessions, tiny_shop.SEATTLE) == ["Seattle"]
    with pytest.raises(UnavailableError, match="clocks"):
        await names(sessions, tiny_shop.SEATTLE)
    assert await names(sessions, tiny_shop.TACOMA) == ["Tacoma"]


async def test_a_server_that_is_gone_is_unavailable(tiny_database: TestDatabase, tmp_path: Path) -> None:
    gone = TestDatabase("", make_conninfo(tiny_database.app_dsn, host=str(tmp_path)))
    pool = new_pool(gone, timeout=0.5)
    await pool.open()
    try:
        with pytest.raises(UnavailableError):
            await PrincipalSessions(pool, lambda: KEY).ask(tiny_shop.SEATTLE.principal, {}, NAMES)
    finally:
        await pool.close()


async def test_a_pool_with_nothing_free_is_busy(tiny_database: TestDatabase) -> None:
    async with new_pool(tiny_database, timeout=0.3) as pool:
        sessions = PrincipalSessions(pool, lambda: KEY)
        asking = [asyncio.create_task(sessions.ask(tiny_shop.SEATTLE.principal, {}, SLEEP)) for _ in range(3)]
        await asyncio.sleep(0.2)
        started = time.monotonic()
        with pytest.raises(BusyError):
            await names(sessions, tiny_shop.TACOMA)
        assert time.monotonic() - started < 5
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def test_observers_are_told_what_was_asked_and_what_came_of_it(pool: Pool) -> None:
    told: list[QueryRun] = []
    sessions = PrincipalSessions(pool, lambda: KEY, observers=[told.append])
    person = tiny_shop.HEAD_OFFICE

    await sessions.ask(person.principal, {"ignored": 1}, NAMES, SLEEP_A_LITTLE)
    with pytest.raises(psycopg.errors.DivisionByZero):
        await sessions.ask(person.principal, {}, BROKEN)

    answered, failed = told
    assert (answered.principal, answered.name) == (person.principal, "names, sleep_a_little")
    assert (answered.queries, answered.parameters) == ((NAMES.sql, SLEEP_A_LITTLE.sql), {"ignored": 1})
    assert (answered.rows, answered.error) == (len(tiny_shop.STORES) + 1, None)
    assert 0.01 < answered.seconds < 60
    assert (failed.name, failed.rows, failed.error) == ("broken", None, "22012")
