"""Several servers that are read from: a real standby, killed, frozen, held back, and back again."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests import tiny_shop
from tests.contract.conftest import KEY, TestDatabase, tiny_shop_on
from tests.contract.test_sessions import Name
from tests.postgres import reachable_folder
from tests.standby import copy_to_follow, kill, several, wait_until_followed
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.access import DatabaseAccess
from zava.adapters.postgres.sessions import Question
from zava.container import Container, new_container
from zava.settings import DatabaseSettings, Settings

SEATTLE = tiny_shop.SEATTLE.principal
SECONDS_TO_RECOVER = 5
LAG = 1.0
PRIMARY, STANDBY = "primary", "standby"

WHERE = Question(
    "where", "SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END AS name FROM retail.stores", Name
)
FREE_SQL = "SELECT name FROM stores"


@dataclass
class Pair:
    """A primary and a standby of it. Each can be killed, and started again."""

    folder: Path
    servers: dict[str, EmbeddedPostgres] = field(default_factory=dict)
    database: TestDatabase = field(init=False)

    def start(self, name: str) -> None:
        self.servers[name] = EmbeddedPostgres(self.folder / name)
        self.servers[name].__enter__()

    def kill(self, name: str) -> None:
        kill(self.folder / name)
        self.stop(name)

    def stop(self, name: str) -> None:
        self.servers.pop(name).__exit__(None, None, None)

    def dsn(self, name: str, dsn: str) -> str:
        return make_conninfo(dsn, host=str(self.folder / name))

    @property
    def read_dsn(self) -> str:
        both = (self.dsn(name, self.database.app_dsn) for name in (PRIMARY, STANDBY))
        return several(*both, target_session_attrs="prefer-standby")

    def administer(self, name: str, *statements: str) -> None:
        with psycopg.connect(self.dsn(name, self.database.admin_dsn), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with reachable_folder() as folder:
        pair = Pair(folder)
        pair.start(PRIMARY)
        try:
            pair.database = tiny_shop_on(pair.servers[PRIMARY])
            copy_to_follow(pair.servers[PRIMARY], folder / PRIMARY, folder / STANDBY)
            pair.start(STANDBY)
            key_file = folder / "key"
            key_file.write_bytes(KEY.secret)
            key_file.chmod(0o600)
            yield pair
        finally:
            for name in list(pair.servers):
                pair.stop(name)


@pytest.fixture
async def container(pair: Pair) -> AsyncIterator[Container]:
    """What answers, over both of them, which are as they should be."""
    for name in (PRIMARY, STANDBY):
        if name not in pair.servers:
            pair.start(name)
    wait_until_followed(*(pair.dsn(name, pair.database.admin_dsn) for name in (PRIMARY, STANDBY)))
    settings = Settings(database=DatabaseSettings(replica_lag=LAG))
    container = new_container(settings, DatabaseAccess(pair.read_dsn, pair.folder / "key"), {})
    pools = container.pool(), container.sandbox_pool()
    async with container.read_hosts().watching(*pools), pools[0], pools[1]:
        yield container


@dataclass
class Load:
    """What became of questions that were asked without a pause."""

    answers: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0


async def where(container: Container) -> str:
    """Who answers."""
    answers = await container.sessions().ask(SEATTLE, {}, WHERE)
    (found,) = answers[WHERE]
    return found.name


@asynccontextmanager
async def load_on(container: Container, askers: int = 4) -> AsyncIterator[Load]:
    """Governed questions and free SQL, all the time."""
    load = Load()
    over = asyncio.Event()

    async def ask(number: int) -> None:
        while not over.is_set():
            started = time.monotonic()
            try:
                if number % 2:
                    table = await container.sandbox().execute_sales_query(SEATTLE, FREE_SQL)
                    assert table.rows == (("Seattle",),)
                else:
                    load.answers.append(await where(container))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
                load.failures.append(repr(error))
            load.slowest = max(load.slowest, time.monotonic() - started)
            await asyncio.sleep(0.005)

    async with asyncio.TaskGroup() as tasks:
        for number in range(askers):
            tasks.create_task(ask(number))
        await asyncio.sleep(0.5)
        yield load
        await asyncio.sleep(0.5)
        over.set()


async def until_asked(container: Container, name: str, seconds: float = SECONDS_TO_RECOVER) -> None:
    async with asyncio.timeout(seconds):
        while await where(container) != name:
            await asyncio.sleep(0.05)


async def in_thread(work: Callable[[], None]) -> None:
    await asyncio.get_running_loop().run_in_executor(None, work)


async def test_the_standby_is_asked(container: Container) -> None:
    assert {await where(container) for _ in range(20)} == {STANDBY}


async def test_a_killed_standby_costs_no_answer_and_is_asked_again_when_it_is_back(
    container: Container, pair: Pair
) -> None:
    async with load_on(container) as load:
        kill(pair.folder / STANDBY)
        await until_asked(container, PRIMARY)
        pair.stop(STANDBY)
        pair.start(STANDBY)
        started = time.monotonic()
        await until_asked(container, STANDBY)
        print(f"asked again after {time.monotonic() - started:.1f} s")
    print(f"{len(load.answers)} answers, the slowest after {load.slowest:.2f} s")
    assert load.failures == []
    assert len(load.answers) > 100
    assert load.slowest < SECONDS_TO_RECOVER


async def test_a_killed_primary_costs_readers_nothing(container: Container, pair: Pair) -> None:
    async with load_on(container) as load:
        kill(pair.folder / PRIMARY)
        await asyncio.sleep(2 * LAG + 1)
    pair.stop(PRIMARY)
    assert load.failures == []
    assert set(load.answers) == {STANDBY}


async def test_a_frozen_standby_is_left_alone(container: Container, pair: Pair) -> None:
    kill(pair.folder / STANDBY, signal.SIGSTOP)
    try:
        await asyncio.sleep(0.1)
        await until_asked(container, PRIMARY)
    finally:
        kill(pair.folder / STANDBY, signal.SIGCONT)
    await until_asked(container, STANDBY)


async def test_a_standby_too_far_behind_is_not_asked(container: Container, pair: Pair) -> None:
    async with load_on(container) as load:
        pair.administer(STANDBY, "SELECT pg_wal_replay_pause()")
        try:
            # As long as nothing is written it lacks nothing.
            await asyncio.sleep(2 * LAG)
            assert await where(container) == STANDBY
            pair.administer(PRIMARY, "SELECT pg_current_xact_id()")
            await until_asked(container, PRIMARY)
            assert {await where(container) for _ in range(20)} == {PRIMARY}
        finally:
            pair.administer(STANDBY, "SELECT pg_wal_replay_resume()")
        await until_asked(container, STANDBY)
    assert load.failures == []


async def test_an_answer_says_as_of_which_moment_a_standby_is(container: Container, pair: Pair) -> None:
    pair.administer(PRIMARY, "SELECT pg_current_xact_id()")
    before = datetime.now(UTC)
    await asyncio.sleep(0.3)
    pair.administer(STANDBY, "SELECT pg_wal_replay_pause()")
    try:
        await asyncio.sleep(0.3)
        table = await container.sandbox().execute_sales_query(SEATTLE, "SELECT pg_is_in_recovery()" and FREE_SQL)
    finally:
        pair.administer(STANDBY, "SELECT pg_wal_replay_resume()")
    assert before - timedelta(seconds=1) < table.as_of <= before
