"""A version of the shop stands for one state of it, whatever transactions overlap and in whatever order they commit."""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import IsolationLevel, sql

from tests import tiny_shop
from tests.contract.conftest import KEY, TestDatabase, new_pool
from tests.tiny_shop import PersonRow, identify
from zava.adapters.postgres.sandbox import PostgresSandbox, SandboxLimits
from zava.adapters.postgres.schema_catalog import PostgresSchemaCatalog
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.adapters.postgres.shop_versions import PostgresShopVersions
from zava.adapters.postgres.store_directory import PostgresStoreDirectory
from zava.core.readings import Reading, reading_under_way

Connection = psycopg.Connection[Any]

VERSIONS: LiteralString = "SELECT data_version, policy_version FROM access.shop_version()"
STOCK: LiteralString = "SELECT stock_level FROM retail.inventory ORDER BY store_id, product_id"
MARKS: LiteralString = "SELECT count(*) FROM access.changes WHERE kind = 'data'"
# What questions read, and what of it is made of the rest by triggers.
READ: LiteralString = """
    SELECT relation.oid::regclass::text
    FROM pg_class AS relation
    WHERE relation.relnamespace IN ('retail'::regnamespace, 'access'::regnamespace) AND relation.relkind IN ('r', 'p')
        AND NOT EXISTS (
            SELECT FROM pg_trigger AS mark
            WHERE mark.tgrelid = relation.oid AND mark.tgenabled = 'A' AND mark.tgname IN ('mark_data', 'mark_policy')
                AND mark.tgtype = 4 + 8 + 16 + 32
        )
"""


@contextmanager
def connected(database: TestDatabase, isolation: IsolationLevel | None = None) -> Iterator[Connection]:
    with psycopg.connect(database.admin_dsn) as connection:
        connection.isolation_level = isolation
        yield connection
        connection.rollback()


@pytest.fixture
def writer(tiny_copy: TestDatabase) -> Iterator[Connection]:
    with connected(tiny_copy) as connection:
        yield connection


@pytest.fixture
def other(tiny_copy: TestDatabase) -> Iterator[Connection]:
    with connected(tiny_copy) as connection:
        yield connection


@pytest.fixture
def reader(tiny_copy: TestDatabase) -> Iterator[Connection]:
    with connected(tiny_copy, IsolationLevel.REPEATABLE_READ) as connection:
        yield connection


def look(reader: Connection) -> tuple[str | None, list[int]]:
    """The version and the stock, of one snapshot."""
    version = reader.execute(VERSIONS).fetchone()
    stock = [level for (level,) in reader.execute(STOCK).fetchall()]
    reader.rollback()
    assert version
    return version[0], stock


def version(reader: Connection) -> str | None:
    return look(reader)[0]


def sell(connection: Connection, place: int = 0) -> None:
    """Takes one from the stock, of another product at each place."""
    store, product = list(tiny_shop.STOCK)[place]
    connection.execute(
        "UPDATE retail.inventory SET stock_level = stock_level + 1 WHERE store_id = %s AND product_id = %s",
        [identify(store), identify(product)],
    )


def begin(connection: Connection) -> None:
    """Takes a number for the transaction, and changes nothing yet."""
    connection.execute("SELECT pg_current_xact_id()")


def test_a_version_stays_while_nothing_changes(reader: Connection) -> None:
    assert version(reader) == version(reader)
    assert version(reader)


def test_each_change_makes_a_version_that_was_never_before(writer: Connection, reader: Connection) -> None:
    seen = [version(reader)]
    for _ in range(5):
        sell(writer)
        writer.commit()
        seen.append(version(reader))
    assert len(set(seen)) == len(seen)


def test_what_is_not_committed_changes_no_version(writer: Connection, reader: Connection) -> None:
    before = version(reader)
    sell(writer)
    assert version(reader) == before
    writer.rollback()
    assert version(reader) == before


def test_transactions_may_commit_in_another_order_than_they_began(
    writer: Connection, other: Connection, reader: Connection
) -> None:
    seen = [version(reader)]
    begin(writer)
    sell(other, 1)
    other.commit()
    seen.append(version(reader))
    sell(writer)
    assert version(reader) == seen[-1]
    writer.commit()
    seen.append(version(reader))
    assert len(set(seen)) == len(seen)


def test_a_change_that_was_taken_back_and_made_again_within_a_transaction_counts(
    writer: Connection, reader: Connection
) -> None:
    before = version(reader)
    begin(writer)
    writer.execute("SAVEPOINT here")
    sell(writer)
    writer.execute("ROLLBACK TO here")
    sell(writer)
    writer.commit()
    assert version(reader) != before


def test_changes_under_any_isolation_hinder_nobody(tiny_copy: TestDatabase, reader: Connection) -> None:
    for isolation in (IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE):
        before = version(reader)
        with connected(tiny_copy, isolation) as first, connected(tiny_copy, isolation) as second:
            for place, connection in enumerate((first, second)):
                begin(connection)
                sell(connection, place)
            first.commit()
            second.commit()
        assert version(reader) != before


def test_marks_do_not_pile_up(writer: Connection) -> None:
    for _ in range(1_500):
        sell(writer)
        writer.commit()
    (marks,) = writer.execute(MARKS).fetchone() or (0,)
    assert marks
    assert marks < 1_000


def test_marks_of_another_cluster_do_not_hide_changes(
    writer: Connection, other: Connection, reader: Connection
) -> None:
    """A dump holds marks, and where it is restored the numbers of transactions are lower."""
    seen = [version(reader)]
    for _ in range(4):
        (own,) = writer.execute("SELECT pg_current_xact_id()::text::bigint").fetchone() or (0,)
        # One far ahead, and that of the very next transaction.
        for number in (2**40, own + 1):
            writer.execute(
                "INSERT INTO access.changes VALUES ('data', %s::text::xid8) ON CONFLICT DO NOTHING", [number]
            )
        writer.commit()
        sell(writer)
        begin(other)
        other.commit()
        seen.append(version(reader))
        writer.commit()
        seen.append(version(reader))
    writer.execute("DELETE FROM access.changes WHERE changed_by = '1099511627776'::xid8")
    writer.commit()
    assert len(set(seen)) == len(seen)


def test_nothing_that_is_read_changes_without_a_mark(writer: Connection) -> None:
    unmarked = {name for (name,) in writer.execute(READ).fetchall()}
    assert unmarked == {
        # Made of the rest, in the same transaction or so that it says the same.
        *(f"retail.{name}" for name in ("product_availability", "product_search", "product_words", "sales_changes")),
        *(f"retail.sales_by_{name}" for name in ("day", "category", "category_and_month", "product")),
        # Says who is known, and nothing of what they see.
        *(f"access.{name}" for name in ("keys", "tokens", "sample_shop", "changes")),
    }


POLICIES: dict[str, LiteralString] = {
    "a role": "UPDATE access.principals SET role = 'regional_manager' WHERE name = 'Tacoma manager'",
    "a store": "DELETE FROM access.principal_stores WHERE store_id = '00000000-0000-0000-0000-000000000000'",
    "a grant": "DELETE FROM access.principal_grants WHERE grant_name = 'personal'",
    "a group": "DELETE FROM access.group_roles",
    "a store of a group": "DELETE FROM access.group_stores",
    "a store of the chain": "UPDATE retail.stores SET name = name",
}


@pytest.mark.parametrize("change", POLICIES)
def test_what_somebody_sees_has_a_version_of_its_own(writer: Connection, reader: Connection, change: str) -> None:
    before = reader.execute(VERSIONS).fetchone()
    reader.rollback()
    writer.execute(sql.SQL(POLICIES[change]))
    # Seen by the transaction itself as soon as it has changed something; nothing is left behind for other tests.
    after = writer.execute("SELECT mark::text FROM access.changes WHERE kind = 'policy' ORDER BY changed_by DESC")
    assert before
    assert after.fetchone() != (before[1],)


@pytest.mark.parametrize("seed", range(6))
def test_equal_versions_are_of_equal_states_in_whatever_order_things_happen(
    tiny_copy: TestDatabase, reader: Connection, seed: int
) -> None:
    """Transactions begin, change, take back, commit and fail at random; nobody waits, since each sells another product.

    Readers look at each moment, and some of them long after their snapshot was taken.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    states: dict[str | None, list[int]] = {}
    kept = 0

    def check(version: str | None, stock: list[int]) -> None:
        assert states.setdefault(version, stock) == stock, f"version {version} is of two states"

    with ExitStack() as stack:
        writers = [stack.enter_context(connected(tiny_copy)) for _ in tiny_shop.STOCK]
        late = stack.enter_context(connected(tiny_copy, IsolationLevel.REPEATABLE_READ))
        late.execute("SELECT 1")
        for _ in range(120):
            place = chance.randrange(len(writers))
            writer = writers[place]
            match chance.choice(("begin", "sell", "sell", "take back", "commit", "commit", "fail")):
                case "begin":
                    begin(writer)
                case "sell":
                    sell(writer, place)
                case "take back":
                    writer.execute("SAVEPOINT here")
                    sell(writer, place)
                    writer.execute("ROLLBACK TO here")
                case "commit":
                    writer.commit()
                case "fail":
                    writer.rollback()
            before = len(states)
            check(*look(reader))
            kept += len(states) == before
            if chance.random() < 0.1:
                check(*look(late))
                late.execute("SELECT 1")
    # A version that is another at each look would prove nothing.
    assert kept > 30
    assert len(states) > 10


@pytest.fixture
async def versions(tiny_copy: TestDatabase) -> AsyncIterator[PostgresShopVersions]:
    async with new_pool(tiny_copy) as pool:
        versions = PostgresShopVersions(tiny_copy.app_dsn, PrincipalSessions(pool, lambda: KEY), "zava-tests")
        yield versions
        await versions.close()


async def test_the_version_of_a_poll_is_that_of_a_question(versions: PostgresShopVersions) -> None:
    latest = await versions.latest()
    assert latest.time_zone == "America/Los_Angeles"
    seen = await versions.seen_by(tiny_shop.HEAD_OFFICE.principal)
    assert (seen.data_version, seen.policy_version) == (latest.data_version, latest.policy_version)
    assert await versions.latest() == latest


async def test_those_who_see_the_same_have_the_same_rights_and_nobody_else(
    versions: PostgresShopVersions, writer: Connection
) -> None:
    """Whoever has the same role, stores and grants: one of them is entered twice here."""
    twin = PersonRow("Seattle's second manager", "store_manager", ("Seattle",), ("personal",))
    insert = "INSERT INTO access.principals (principal_id, subject, name, role) VALUES (%s, %s, %s, %s)"
    person_id = twin.principal.principal_id
    writer.execute(insert, [person_id, twin.name, twin.name, twin.role])
    writer.execute("INSERT INTO access.principal_stores VALUES (%s, %s)", [person_id, identify("Seattle")])
    writer.execute("INSERT INTO access.principal_grants VALUES (%s, 'personal')", [person_id])
    writer.commit()
    active = [person for person in tiny_shop.PEOPLE if not person.disabled]
    rights = {person.name: (await versions.seen_by(person.principal)).rights for person in active}
    assert len(set(rights.values())) == len(active)
    assert (await versions.seen_by(twin.principal)).rights == rights[tiny_shop.SEATTLE.name]
    writer.execute("DELETE FROM access.principals WHERE principal_id = %s", [person_id])
    writer.commit()


async def test_each_question_tells_what_its_transaction_saw(tiny_copy: TestDatabase) -> None:
    """While an answer is worked out that may be kept; free SQL tells it too."""
    person = tiny_shop.SEATTLE.principal
    async with new_pool(tiny_copy) as pool:
        sessions = PrincipalSessions(pool, lambda: KEY)
        versions = PostgresShopVersions(tiny_copy.app_dsn, sessions, "zava-tests")
        latest, seen = await versions.latest(), await versions.seen_by(person)
        await versions.close()
        reading = Reading()
        token = reading_under_way.set(reading)
        await PostgresStoreDirectory(sessions).stores_of(person)
        sandbox = PostgresSandbox(sessions, PostgresSchemaCatalog(sessions), SandboxLimits())
        await sandbox.execute_sales_query(person, "SELECT count(*) FROM retail.orders")
        reading_under_way.reset(token)
    # Those of the directory, of the catalog, which the guard asks, and of the query itself.
    assert [(one.data_version, one.policy_version, one.rights) for one in reading.snapshots] == [
        (latest.data_version, latest.policy_version, seen.rights)
    ] * 3
