"""Several servers that are read from: a real standby, killed, frozen, held back, and back again."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
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
from tests.standby import copy_to_follow, frozen, kill, several, wait_until_followed
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.access import DatabaseAccess
from zava.adapters.postgres.sessions import PrincipalSessions, Question
from zava.container import Container, new_container
from zava.core.observations import QueryRun
from zava.settings import DatabaseSettings, Settings

pytestmark = pytest.mark.operations

SEATTLE = tiny_shop.SEATTLE.principal
# It is promised within 5, and takes one or two where nothing else runs.
SECONDS_TO_RECOVER = 10
LAG = 1.0
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
PRIMARY, STANDBY = "primary", "standby"

WHERE = Question(
    "where", "SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END AS name FROM retail.stores", Name
)
SLOWLY = Question("slowly", "SELECT pg_is_in_recovery()::text || pg_sleep(1.5)::text AS name FROM retail.stores", Name)


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


@dataclass
class Load:
    """Governed questions and free SQL, all the time, and what became of them.

    Attributes:
        asked: who answered the latest governed question.
        as_of: the moment that the latest answer of free SQL said of itself.
        slowest: seconds of an answer.
    """

    asked: str = ""
    as_of: datetime = LONG_AGO
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0
    over: threading.Event = field(default_factory=threading.Event)

    async def run(self, container: Container) -> None:
        pools = container.pool(), container.sandbox_pool()
        async with container.read_hosts().watching(*pools), pools[0], pools[1], asyncio.TaskGroup() as tasks:
            for _ in range(2):
                tasks.create_task(self._ask(self._ask_governed, container))
                tasks.create_task(self._ask(self._ask_freely, container))

    async def _ask(self, ask: Callable[[Container], Awaitable[None]], container: Container) -> None:
        while not self.over.is_set():
            started = time.monotonic()
            try:
                await ask(container)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
                self.failures.append(repr(error))
            self.slowest = max(self.slowest, time.monotonic() - started)
            await asyncio.sleep(0.01)

    async def _ask_governed(self, container: Container) -> None:
        (answer,) = (await container.sessions().ask(SEATTLE, {}, WHERE))[WHERE]
        self.asked = answer.name
        self.answers[answer.name] += 1

    async def _ask_freely(self, container: Container) -> None:
        table = await container.sandbox().execute_sales_query(SEATTLE, "SELECT name FROM stores")
        assert table.rows == (("Seattle",),)
        self.as_of = table.as_of

    def wait_for(self, name: str) -> float:
        """Waits until this one is asked, and returns after how many seconds that was."""
        self.asked = ""
        started = time.monotonic()
        while self.asked != name:
            assert time.monotonic() - started < SECONDS_TO_RECOVER, f"{self.asked} is asked"
            time.sleep(0.02)
        return time.monotonic() - started


@pytest.fixture
def container(pair: Pair) -> Container:
    """What answers, over both of them, which are as they should be in the beginning."""
    for name in (PRIMARY, STANDBY):
        if name not in pair.servers:
            pair.start(name)
    wait_until_followed(*(pair.dsn(name, pair.database.admin_dsn) for name in (PRIMARY, STANDBY)))
    settings = Settings(database=DatabaseSettings(replica_lag=LAG))
    return new_container(settings, DatabaseAccess(pair.read_dsn, pair.folder / "key"), {})


@pytest.fixture
def load(container: Container) -> Iterator[Load]:
    """On both of them."""
    load = Load()
    # PostgreSQL is started from the main thread, which must not wait while others are answered.
    thread = threading.Thread(target=lambda: asyncio.run(load.run(container)))
    thread.start()
    try:
        load.wait_for(STANDBY)
        yield load
    finally:
        load.over.set()
        thread.join()


def test_a_killed_standby_costs_no_answer_and_is_asked_again_when_it_is_back(load: Load, pair: Pair) -> None:
    kill(pair.folder / STANDBY)
    print(f"the primary is asked after {load.wait_for(PRIMARY):.2f} s")
    pair.stop(STANDBY)
    pair.start(STANDBY)
    print(f"the standby is asked again after {load.wait_for(STANDBY):.2f} s")
    print(f"{sum(load.answers.values())} answers, the slowest after {load.slowest:.2f} s")
    assert load.failures == []
    assert load.slowest < SECONDS_TO_RECOVER


def test_a_killed_primary_costs_readers_nothing(load: Load, pair: Pair) -> None:
    kill(pair.folder / PRIMARY)
    time.sleep(2 * LAG + 1)
    load.wait_for(STANDBY)
    pair.stop(PRIMARY)
    assert load.failures == []
    assert set(load.answers) == {STANDBY}


def test_a_frozen_standby_is_asked_no_more(load: Load, pair: Pair) -> None:
    with frozen(pair.folder / STANDBY):
        print(f"the primary is asked after {load.wait_for(PRIMARY):.2f} s")
    load.wait_for(STANDBY)
    assert load.failures == []


def test_a_standby_too_far_behind_is_not_asked(load: Load, pair: Pair) -> None:
    pair.administer(STANDBY, "SELECT pg_wal_replay_pause()")
    try:
        pair.administer(PRIMARY, "SELECT pg_current_xact_id()")
        load.wait_for(PRIMARY)
        time.sleep(0.5)
        load.answers.clear()
        time.sleep(1)
        assert set(load.answers) == {PRIMARY}
    finally:
        pair.administer(STANDBY, "SELECT pg_wal_replay_resume()")
    load.wait_for(STANDBY)
    assert load.failures == []


def test_an_answer_of_a_standby_says_as_of_which_moment_it_is(load: Load, pair: Pair) -> None:
    pair.administer(PRIMARY, "SELECT pg_current_xact_id()")
    time.sleep(0.5)
    after = datetime.now(UTC)
    time.sleep(0.5)
    load.wait_for(STANDBY)
    assert after - timedelta(seconds=2) < load.as_of < after
    pair.administer(PRIMARY, "SELECT pg_current_xact_id()")
    time.sleep(0.5)
    assert load.as_of > after


async def test_a_question_that_a_standby_stops_in_favour_of_what_it_follows_is_asked_again(
    container: Container, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    pair.administer(STANDBY, "ALTER SYSTEM SET max_standby_streaming_delay = 0", "SELECT pg_reload_conf()")
    told: list[QueryRun] = []
    async with container.read_hosts().watching(container.pool()), container.pool() as pool:
        sessions = PrincipalSessions(pool, lambda: KEY, observers=[told.append])
        async with asyncio.timeout(SECONDS_TO_RECOVER):
            while (await container.sessions().ask(SEATTLE, {}, WHERE))[WHERE] != [Name(STANDBY)]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        caplog.clear()
        asking = asyncio.create_task(sessions.ask(SEATTLE, {}, SLOWLY))
        await asyncio.sleep(0.5)
        # Versions of rows that the question could still want to see.
        changes = "UPDATE retail.inventory SET stock_level = stock_level", "VACUUM retail.inventory"
        await asyncio.to_thread(pair.administer, PRIMARY, *changes)
        assert (await asking)[SLOWLY] == [Name("true")]
    (run,) = told
    assert run.error is None
    assert run.seconds > 2, "nothing was stopped"
    assert caplog.messages == []
    pair.administer(STANDBY, "ALTER SYSTEM RESET max_standby_streaming_delay", "SELECT pg_reload_conf()")


def test_after_all_of_them_were_away_questions_are_answered_again_within_seconds(load: Load, pair: Pair) -> None:
    for name in (PRIMARY, STANDBY):
        kill(pair.folder / name)
        pair.stop(name)
    time.sleep(10)
    away, load.failures = load.failures, []
    pair.start(PRIMARY)
    print(f"the primary is asked after {load.wait_for(PRIMARY):.2f} s")
    assert away
    assert {failure.split("(")[0] for failure in away} <= {"UnavailableError", "BusyError"}
