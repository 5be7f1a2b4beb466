"""The audit trail in PostgreSQL: whose it is to write and to read, and that nothing in it changes unseen."""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests import tiny_shop
from tests.contract.conftest import KEY as CONTEXT_KEY
from tests.contract.conftest import (
    SERVERS,
    StartServer,
    TestDatabase,
    installed_by_no_superuser,
    new_pool,
    running_postgres,
    tiny_shop_on,
)
from tests.contract.test_tenancy import as_administrator, scalars, seal
from tests.fakes import FakeAuditTrail, FakeStoreDirectory
from tests.tiny_shop import PersonRow
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.audit_chain import COLUMNS, AuditKey, Link
from zava.adapters.postgres.audit_spool import AuditSpool
from zava.adapters.postgres.audit_tail import AuditTail
from zava.adapters.postgres.audit_trail import AuditWriter, PostgresAuditTrail
from zava.adapters.postgres.audit_verification import Verdict, prune, verify
from zava.adapters.postgres.context import ContextKey
from zava.adapters.postgres.migrate import create_database, migrate, schema_root
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.adapters.postgres.store_directory import PostgresStoreDirectory, SeenStores
from zava.core.errors import AuthorizationError
from zava.core.model import Directory, Principal
from zava.core.observations import AuditedCall, Call, Coverage
from zava.core.ports import AuditTrail

KEY = AuditKey.of(CONTEXT_KEY, None)
QUERY = "SELECT count(*) FROM retail.customers WHERE last_name = 'Canary'"
MOMENT = datetime(2026, 4, 1, 12, tzinfo=UTC)
CALL = Call(
    started_at=MOMENT,
    principal=tiny_shop.SEATTLE.principal,
    client="Client 1.0",
    tool="execute_sales_query",
    query=QUERY,
    code=None,
    coverage=Coverage(("Seattle",), 1),
    text_bytes=120,
    seconds=0.012345678,
    trace_id="a" * 32,
)
TABLES: tuple[LiteralString, ...] = ("calls", "texts", "writers", "checkpoints", "erasures")


def writer_dsn(database: TestDatabase) -> str:
    return make_conninfo(database.admin_dsn, options="-c role=zava_writer")


def spool_in(directory: Path, **options: Any) -> AuditSpool:  # noqa: ANN401 - any of them
    return AuditSpool(directory, KEY, most_bytes=1_000_000, **options)


async def write(database: TestDatabase, directory: Path, calls: Sequence[Call], **options: Any) -> UUID:  # noqa: ANN401
    """A server process that is asked this, and ends; returns its writer's id."""
    with spool_in(directory, **options) as spool:
        for call in calls:
            await spool.append(call, call.coverage.stores)
        await AuditWriter(writer_dsn(database)).drain(spool)
        return spool.end.writer_id


@pytest.fixture(scope="module")
def open_empty(start_server: StartServer) -> Callable[[str], TestDatabase]:
    """The tiny shop on a server, with nothing in its audit trail."""
    shop = cache(lambda name: tiny_shop_on(start_server(name)))

    def emptied(name: str) -> TestDatabase:
        database = shop(name)
        with as_administrator(database) as connection:
            connection.execute("TRUNCATE audit.calls, audit.texts, audit.erasures, audit.writers, audit.checkpoints")
        return database

    return emptied


@pytest.fixture(params=SERVERS)
def database(request: pytest.FixtureRequest, open_empty: Callable[[str], TestDatabase]) -> TestDatabase:
    return open_empty(request.param)


@contextmanager
def as_role(database: TestDatabase, role: LiteralString) -> Iterator[psycopg.Connection[Any]]:
    """With a context of head office, which may see whatever is to be seen."""
    with as_administrator(database) as connection, connection.transaction(force_rollback=True):
        seal(connection, tiny_shop.HEAD_OFFICE.principal)
        connection.execute("SET LOCAL ROLE " + role)
        yield connection


# Rights


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "role",
    [
        "zava_app",
        "zava_reader",
        "zava_writer",
        "zava_owner",
        "zava_access",
        "zava_functions",
        "zava_sandbox",
        "zava_sandbox_one",
        "zava_sandbox_some",
        "zava_sandbox_all",
    ],
)
def test_nobody_but_its_owner_has_a_right_on_a_table(
    tiny_database: TestDatabase, role: LiteralString, table: LiteralString
) -> None:
    with as_administrator(tiny_database) as connection:
        rights = "SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"
        query: LiteralString = "SELECT has_table_privilege(%s, %s, %s) OR has_any_column_privilege(%s, %s, 'SELECT')"
        name = f"audit.{table}"
        assert connection.execute(query, [role, name, rights, role, name]).fetchone() == (False,)


def test_each_function_is_for_one_role_alone(tiny_database: TestDatabase) -> None:
    with as_administrator(tiny_database) as connection:
        found = connection.execute(
            """
            SELECT f.proname, granted.grantee::regrole::text, f.prosecdef, f.proconfig::text
            FROM pg_proc AS f CROSS JOIN LATERAL aclexplode(f.proacl) AS granted
            WHERE f.pronamespace = 'audit'::regnamespace AND granted.grantee <> f.proowner
            ORDER BY 1
            """
        ).fetchall()
    pinned = '{"search_path=pg_catalog, pg_temp"}'
    assert found == [("append", "zava_writer", True, pinned), ("latest_calls", "zava_reader", True, pinned)]


@pytest.mark.parametrize(
    "role", ["zava_app", "zava_sandbox", "zava_sandbox_one", "zava_sandbox_some", "zava_sandbox_all", "zava_functions"]
)
def test_the_login_and_free_sql_do_not_even_enter_the_schema(tiny_database: TestDatabase, role: LiteralString) -> None:
    for attempt in ("SELECT * FROM audit.calls", "SELECT audit.latest_calls(1)", "SELECT audit.append('[]')"):
        with as_role(tiny_database, role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(attempt)


def test_the_writer_appends_and_does_nothing_else(database: TestDatabase) -> None:
    attempts: tuple[LiteralString, ...] = (
        "SELECT audit.latest_calls(1)",
        "INSERT INTO audit.checkpoints VALUES (gen_random_uuid(), 1, '', '', '')",
        "DELETE FROM audit.calls",
        "UPDATE audit.writers SET sequence = 1",
        "TRUNCATE audit.calls",
    )
    for attempt in attempts:
        with as_role(database, "zava_writer") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(attempt)


def test_without_a_context_nobody_reads(tiny_database: TestDatabase) -> None:
    with as_administrator(tiny_database) as connection, connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL ROLE zava_reader")
        with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="nobody is asking"):
            connection.execute("SELECT audit.latest_calls(1)")


# Writing


async def test_a_row_is_kept_once_however_often_it_is_sent(database: TestDatabase, tmp_path: Path) -> None:
    sent: list[str] = []

    async def send(rows: Sequence[str]) -> None:
        sent.extend(rows)

    with spool_in(tmp_path, full_texts=True) as spool:
        for _ in range(3):
            await spool.append(CALL, ("Seattle",))
        await spool.drain(send)
    batch = f"[{','.join(sent)}]"
    with psycopg.connect(writer_dsn(database), autocommit=True) as connection:
        assert scalars(connection, "SELECT 1") == [1]
        assert [connection.execute("SELECT audit.append(%s)", [batch]).fetchone() for _ in range(2)] == [(3,), (0,)]
    with as_administrator(database) as connection:
        assert scalars(connection, "SELECT sequence FROM audit.calls ORDER BY 1") == [1, 2, 3]
        assert scalars(connection, "SELECT count(*) FROM audit.texts") == [3]
        assert connection.execute("SELECT * FROM audit.writers").fetchall() == [(spool.end.writer_id, 3, spool.end.mac)]


async def test_an_older_batch_that_comes_late_does_not_move_the_anchor_back(
    database: TestDatabase, tmp_path: Path
) -> None:
    sent: list[str] = []

    async def send(rows: Sequence[str]) -> None:
        sent.extend(rows)

    with spool_in(tmp_path) as spool:
        for _ in range(2):
            await spool.append(CALL, ())
        await spool.drain(send)
    with psycopg.connect(writer_dsn(database), autocommit=True) as connection:
        for row in reversed(sent):
            connection.execute("SELECT audit.append(%s)", [f"[{row}]"])
    with as_administrator(database) as connection:
        assert scalars(connection, "SELECT sequence FROM audit.writers") == [2]


async def test_what_is_in_the_table_is_what_was_called(database: TestDatabase, tmp_path: Path) -> None:
    await write(database, tmp_path, [CALL])
    with as_administrator(database) as connection:
        connection.execute("SET TIME ZONE 'America/New_York'")
        found = connection.execute(
            "SELECT called_at, principal_id, principal_name, client, tool, query, stores, row_count, text_bytes,"
            " decision, code, seconds, trace_id, key_id FROM audit.calls"
        ).fetchall()
    assert found == [
        (
            MOMENT,
            tiny_shop.SEATTLE.principal.principal_id,
            "Seattle manager",
            "Client 1.0",
            "execute_sales_query",
            "SELECT count(*) FROM retail.customers WHERE last_name = ?",
            ["Seattle"],
            1,
            120,
            "allowed",
            None,
            0.012346,
            "a" * 32,
            KEY.key_id,
        )
    ]


async def test_the_writer_can_tell_that_it_may_append(tiny_database: TestDatabase) -> None:
    assert await AuditWriter(writer_dsn(tiny_database)).check()
    assert not await AuditWriter(make_conninfo(tiny_database.admin_dsn, options="-c role=zava_reader")).check()


# Reading


class DrainedTrail(AuditTrail):
    """PostgreSQL's, whose rows are in the database at once."""

    def __init__(self, trail: PostgresAuditTrail, writer: AuditWriter) -> None:
        self._trail = trail
        self._writer = writer

    async def append(self, call: Call) -> None:
        await self._trail.append(call)
        await self._writer.drain(self._trail.spool)

    async def latest(self, principal: Principal, most: int) -> Sequence[AuditedCall]:
        return await self._trail.latest(principal, most)


@asynccontextmanager
async def trail_of(database: TestDatabase, directory: Path, **options: Any) -> AsyncIterator[AuditTrail]:  # noqa: ANN401
    async with new_pool(database) as pool:
        sessions = PrincipalSessions(pool, lambda: CONTEXT_KEY)
        seen = SeenStores(PostgresStoreDirectory(sessions))
        with spool_in(directory, **options) as spool:
            yield DrainedTrail(PostgresAuditTrail(spool, sessions, seen), AuditWriter(writer_dsn(database)))


@pytest.fixture(params=["fake", *SERVERS])
async def trail(
    request: pytest.FixtureRequest, open_empty: Callable[[str], TestDatabase], tmp_path: Path
) -> AsyncIterator[AuditTrail]:
    if request.param == "fake":
        yield FakeAuditTrail()
        return
    async with trail_of(open_empty(request.param), tmp_path) as trail:
        yield trail


async def test_who_holds_the_grant_reads_everybodys_calls_the_last_one_first(trail: AuditTrail) -> None:
    for number, person in enumerate([tiny_shop.SEATTLE, tiny_shop.REGION, tiny_shop.HEAD_OFFICE]):
        moment = MOMENT + timedelta(seconds=number)
        await trail.append(replace(CALL, principal=person.principal, started_at=moment, query=None))
    found = await trail.latest(tiny_shop.HEAD_OFFICE.principal, 2)
    assert [call.principal_name for call in found] == ["Head office", "Puget Sound"]
    assert (found[0].called_at, found[0].tool) == (MOMENT + timedelta(seconds=2), "execute_sales_query")
    assert (found[0].decision, found[0].code, found[0].row_count) == ("allowed", None, 1)


@pytest.mark.parametrize("person", [tiny_shop.SEATTLE, tiny_shop.REGION, tiny_shop.STORELESS])
async def test_nobody_else_reads_any_not_even_their_own(trail: AuditTrail, person: PersonRow) -> None:
    await trail.append(replace(CALL, principal=person.principal))
    with pytest.raises(AuthorizationError, match="hold the grant audit:read"):
        await trail.latest(person.principal, 10)


@pytest.mark.parametrize(
    ("person", "stores"),
    [
        (tiny_shop.HEAD_OFFICE, ["Bellevue", "Seattle", "Tacoma"]),
        (tiny_shop.REGION, ["Bellevue", "Seattle"]),
        (tiny_shop.STORELESS, []),
    ],
)
async def test_an_answer_about_all_that_one_sees_names_these_stores(
    trail: AuditTrail, person: PersonRow, stores: list[str]
) -> None:
    await trail.append(replace(CALL, principal=person.principal, coverage=Coverage(), query=None))
    (found,) = await trail.latest(tiny_shop.HEAD_OFFICE.principal, 10)
    assert found.stores == stores


@pytest.mark.parametrize("code", ["QUERY_REFUSED", "INTERNAL_ERROR"])
async def test_what_was_not_answered_tells_of_no_store(trail: AuditTrail, code: str) -> None:
    await trail.append(replace(CALL, coverage=Coverage(), code=code))
    await trail.append(replace(CALL, principal=None, coverage=Coverage(), code="AUTHORIZATION_ERROR"))
    found = await trail.latest(tiny_shop.HEAD_OFFICE.principal, 10)
    assert [call.stores for call in found] == [[], []]
    assert {call.principal_name for call in found} == {"Seattle manager", None}


async def test_full_texts_are_for_who_may_see_personal_data_as_well(database: TestDatabase, tmp_path: Path) -> None:
    auditor = Principal(uuid4(), "Auditor")
    with as_administrator(database) as connection:
        connection.execute("SET ROLE zava_access")
        connection.execute(
            "INSERT INTO access.principals (principal_id, subject, name, role) VALUES (%s, %s, %s, 'head_office')",
            [auditor.principal_id, str(auditor.principal_id), auditor.name],
        )
        connection.execute("INSERT INTO access.principal_grants VALUES (%s, 'audit:read')", [auditor.principal_id])
    async with trail_of(database, tmp_path, full_texts=True) as trail:
        await trail.append(CALL)
        (found,) = await trail.latest(tiny_shop.HEAD_OFFICE.principal, 10)
        assert found.query_text == QUERY
        (found,) = await trail.latest(auditor, 10)
        assert found.query_text is None
        assert found.query == "SELECT count(*) FROM retail.customers WHERE last_name = ?"


async def test_without_the_setting_no_literal_and_no_name_of_a_customer_is_in_any_table(
    database: TestDatabase, tmp_path: Path
) -> None:
    async with trail_of(database, tmp_path) as trail:
        await trail.append(CALL)
        await trail.append(replace(CALL, query="SELECT 'Ada' -- Canary", code="QUERY_REFUSED"))
        await trail.append(replace(CALL, query="SELECT Canary FROM FROM 'Ada'", code="INVALID_QUERY"))
    with as_administrator(database) as connection:
        for table in TABLES:
            query = sql.SQL("SELECT * FROM {}").format(sql.Identifier("audit", table))
            rows = str(connection.execute(query).fetchall())
            assert "Canary" not in rows
            assert "Ada" not in rows


class CountingDirectory(FakeStoreDirectory):
    def __init__(self) -> None:
        self.asked = 0

    async def stores_of(self, principal: Principal) -> Directory:
        self.asked += 1
        return await super().stores_of(principal)


async def test_whoever_was_just_told_of_their_stores_is_not_asked_for_again_and_later_is() -> None:
    directory = CountingDirectory()
    moment = 0.0
    seen = SeenStores(directory, lambda: moment)
    await seen.stores_of(tiny_shop.REGION.principal)
    assert await seen.names(tiny_shop.REGION.principal) == ("Bellevue", "Seattle")
    assert directory.asked == 1
    moment = 11
    assert await seen.names(tiny_shop.REGION.principal) == ("Bellevue", "Seattle")
    assert directory.asked == 2


# Verifying


@dataclass(frozen=True)
class Trail:
    """Two writers with five rows each, the first row of each pair with a full text."""

    database: TestDatabase
    first: UUID
    second: UUID

    def verified(self, anchors: Sequence[Link] = (), keys: Sequence[AuditKey] = (KEY,)) -> Verdict:
        with as_administrator(self.database) as connection:
            return verify(connection, keys, anchors)

    def broken(self, anchors: Sequence[Link] = ()) -> list[tuple[UUID, int, str]]:
        return [(one.writer_id, one.sequence, one.what) for one in self.verified(anchors).breaks]

    def change(self, statement: LiteralString, **parameters: object) -> None:
        """As somebody who may do anything, and does not know the key."""
        with as_administrator(self.database) as connection:
            connection.execute("SET session_replication_role = replica")
            assert connection.execute(statement, {"writer": self.first, **parameters}).rowcount

    def link(self, sequence: int) -> Link:
        """Of the first writer."""
        with as_administrator(self.database) as connection:
            query = "SELECT writer_id, sequence, mac FROM audit.calls WHERE writer_id = %s AND sequence = %s"
            row = connection.execute(query, [self.first, sequence]).fetchone()
            assert row
            return Link(*row)

    def end(self, writer_id: UUID) -> Link:
        with as_administrator(self.database) as connection:
            query = (
                "SELECT writer_id, sequence, mac FROM audit.calls WHERE writer_id = %s ORDER BY sequence DESC LIMIT 1"
            )
            row = connection.execute(query, [writer_id]).fetchone()
            assert row
            return Link(*row)


ROWS = 5


@pytest.fixture
async def whole(database: TestDatabase, tmp_path: Path) -> Trail:
    calls = [replace(CALL, started_at=MOMENT + timedelta(days=day)) for day in range(ROWS)]
    first = await write(database, tmp_path, calls, full_texts=True)
    return Trail(database, first, await write(database, tmp_path, calls))


def test_a_trail_is_whole_as_it_was_written(whole: Trail) -> None:
    assert whole.verified([whole.end(whole.first), whole.end(whole.second)]) == Verdict(2 * ROWS, 2, [])


OTHER: dict[str, object] = {
    "called_at": MOMENT + timedelta(microseconds=1),
    "principal_id": uuid4(),
    "principal_name": "Somebody else",
    "client": "Client 1.1",
    "tool": "find_order",
    "fingerprint": "0" * 16,
    "query": "SELECT ?",
    "stores": ["Tacoma"],
    "row_count": 2,
    "text_bytes": 121,
    "decision": "refused",
    "code": "QUERY_REFUSED",
    "seconds": 0.012347,
    "trace_id": "b" * 32,
    "query_mac": "0" * 64,
    "key_id": "0" * 16,
    "mac": "0" * 64,
}


def test_every_column_is_tried() -> None:
    assert {*OTHER, "writer_id", "sequence"} == {*COLUMNS, "mac"}


def test_a_change_of_any_column_of_any_row_is_found(whole: Trail) -> None:
    with as_administrator(whole.database) as connection:
        for column, sequence in product(OTHER, (1, 3, ROWS)):
            name, row = sql.Identifier(column), (whole.first, sequence)
            reading = sql.SQL("SELECT {} FROM audit.calls WHERE writer_id = %s AND sequence = %s").format(name)
            changing = sql.SQL("UPDATE audit.calls SET {} = %s WHERE writer_id = %s AND sequence = %s").format(name)
            ((was,),) = connection.execute(reading, row).fetchall()
            connection.execute(changing, (OTHER[column], *row))
            ((writer, where, what),) = whole.broken()
            assert (writer, where) == row, column
            assert what.startswith("changed"), column
            connection.execute(changing, (was, *row))
            assert whole.broken() == []


@pytest.mark.parametrize(
    "column", sorted({*OTHER} - {"called_at", "tool", "text_bytes", "decision", "seconds", "key_id", "mac"})
)
def test_a_value_that_is_taken_away_is_found(whole: Trail, column: str) -> None:
    taken = sql.SQL(
        "UPDATE audit.calls SET {0} = CASE WHEN {0} IS NULL THEN %s ELSE nullif({0}, {0}) END WHERE writer_id = %s"
    ).format(sql.Identifier(column))
    with as_administrator(whole.database) as connection:
        connection.execute(taken, [OTHER[column], whole.second])
    assert [(writer, where) for writer, where, _ in whole.broken()] == [(whole.second, 1)]


@pytest.mark.parametrize("sequence", [1, 3])
def test_a_row_that_is_taken_away_is_missing(whole: Trail, sequence: int) -> None:
    whole.change("DELETE FROM audit.calls WHERE writer_id = %(writer)s AND sequence = %(n)s", n=sequence)
    assert whole.broken() == [(whole.first, sequence, f"missing: row {sequence}")]


def test_several_rows_that_are_taken_away_are_missing(whole: Trail) -> None:
    whole.change("DELETE FROM audit.calls WHERE writer_id = %(writer)s AND sequence IN (2, 3)")
    assert whole.broken() == [(whole.first, 2, "missing: rows 2 to 3")]


@pytest.mark.parametrize("last", [1, 2, ROWS])
def test_a_tail_that_is_cut_is_found(whole: Trail, last: int) -> None:
    whole.change("DELETE FROM audit.calls WHERE writer_id = %(writer)s AND sequence > %(n)s", n=ROWS - last)
    first = ROWS - last + 1
    rows = f"rows {first} to {ROWS}" if last > 1 else f"row {ROWS}"
    assert whole.broken() == [(whole.first, first, f"cut tail: {rows} missing")]


@pytest.mark.parametrize("last", [2, ROWS])
def test_a_tail_that_is_cut_with_its_anchor_in_the_database_is_found_by_an_anchor_elsewhere(
    whole: Trail, last: int
) -> None:
    anchor = whole.end(whole.first)
    whole.change("DELETE FROM audit.calls WHERE writer_id = %(writer)s AND sequence > %(n)s", n=ROWS - last)
    whole.change("DELETE FROM audit.writers WHERE writer_id = %(writer)s")
    if last < ROWS:
        end = whole.end(whole.first)
        whole.change("INSERT INTO audit.writers VALUES (%(writer)s, %(n)s, %(mac)s)", n=end.sequence, mac=end.mac)
        assert whole.broken() == []
    ((writer, where, what),) = whole.broken([anchor])
    assert (writer, where) == (whole.first, ROWS - last + 1)
    assert what.startswith(("cut tail", "missing: its anchor"))


def test_an_anchor_of_another_row_is_found(whole: Trail) -> None:
    whole.change("UPDATE audit.writers SET mac = %(mac)s WHERE writer_id = %(writer)s", mac="0" * 64)
    assert whole.broken() == [(whole.first, ROWS, "changed: it is not the row that an anchor names")]
    whole.change("UPDATE audit.writers SET sequence = 2 WHERE writer_id = %(writer)s")
    assert whole.broken() == [(whole.first, 2, "changed: its anchor in audit.writers")]


def test_an_anchor_in_the_middle_is_compared_too(whole: Trail) -> None:
    another = Link(whole.first, 2, "0" * 64)
    for anchors in [another], [another, whole.link(2)], [whole.link(2), another]:
        assert whole.broken(anchors) == [(whole.first, 2, "changed: it is not the row that an anchor names")]
    assert whole.broken([whole.link(2)]) == []


@pytest.mark.parametrize(("one", "other"), [(1, 2), (2, 3), (2, 5), (4, 5)])
def test_rows_that_changed_places_are_out_of_order(whole: Trail, one: int, other: int) -> None:
    with as_administrator(whole.database) as connection, connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("CREATE TEMPORARY TABLE moved ON COMMIT DROP AS TABLE audit.calls WITH NO DATA")
        connection.execute(
            "INSERT INTO moved SELECT * FROM audit.calls WHERE writer_id = %s AND sequence IN (%s, %s)",
            [whole.first, one, other],
        )
        connection.execute(
            "DELETE FROM audit.calls WHERE writer_id = %s AND sequence IN (%s, %s)", [whole.first, one, other]
        )
        connection.execute("UPDATE moved SET sequence = %s - sequence", [one + other])
        connection.execute("INSERT INTO audit.calls SELECT * FROM moved")
    assert whole.broken() == [(whole.first, one, f"out of order: it was row {other}")]


def test_a_row_that_is_put_in_again_elsewhere_is_found(whole: Trail) -> None:
    whole.change(
        "INSERT INTO audit.calls SELECT (jsonb_populate_record(call, '{\"sequence\": 6}')).* FROM audit.calls AS call"
        " WHERE writer_id = %(writer)s AND sequence = 5"
    )
    ((writer, where, what),) = whole.broken()
    assert (writer, where) == (whole.first, 6)
    assert what == "out of order: it was row 5"


def test_a_row_of_another_writer_is_found(whole: Trail) -> None:
    whole.change("DELETE FROM audit.calls WHERE writer_id = %(writer)s AND sequence = 2")
    whole.change(
        "UPDATE audit.calls SET writer_id = %(writer)s WHERE writer_id = %(other)s AND sequence = 2", other=whole.second
    )
    found = {(writer, where, what) for writer, where, what in whole.broken()}
    assert found == {(whole.first, 2, "changed"), (whole.second, 2, "missing: row 2")}


def test_a_writer_nobody_knows_is_found(whole: Trail) -> None:
    stranger = uuid4()
    whole.change(
        "INSERT INTO audit.calls"
        " SELECT (jsonb_populate_record(call, jsonb_build_object('writer_id', %(other)s::text))).*"
        " FROM audit.calls AS call WHERE writer_id = %(writer)s AND sequence = 1",
        other=stranger,
    )
    ((writer, where, what),) = whole.broken()
    assert (writer, where, what) == (stranger, 1, "changed")


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE audit.texts SET query_text = 'SELECT 1' WHERE sequence = 2", "changed: its full text"),
        ("DELETE FROM audit.texts WHERE sequence = 2", "missing: its full text"),
    ],
)
def test_a_full_text_that_is_changed_or_taken_away_is_found(whole: Trail, statement: LiteralString, what: str) -> None:
    whole.change(statement)
    assert whole.broken() == [(whole.first, 2, what)]


def test_a_full_text_that_nobody_wrote_is_found(whole: Trail) -> None:
    whole.change("INSERT INTO audit.texts VALUES (%(other)s, 2, 'SELECT 1')", other=whole.second)
    assert whole.broken() == [(whole.second, 2, "changed: its full text")]


async def test_rows_of_a_former_key_are_verified_with_it(whole: Trail, tmp_path: Path) -> None:
    newer = AuditKey.of(ContextKey(b"the key that came after the first one"), None)
    with AuditSpool(tmp_path, newer, most_bytes=10_000) as spool:
        await spool.append(CALL, ())
        await AuditWriter(writer_dsn(whole.database)).drain(spool)
    assert whole.verified(keys=[newer, KEY]).breaks == []
    assert [one.what for one in whole.verified(keys=[newer]).breaks] == [
        f"changed, or signed with a key that is not at hand: {KEY.key_id}"
    ] * 2


# Pruning


def pruned(trail: Trail, before: datetime) -> int:
    with as_administrator(trail.database) as connection:
        found = prune(connection, [KEY], before)
    assert found.breaks == []
    return found.rows


@pytest.mark.parametrize("days", [0, 1, 3, ROWS])
def test_what_is_left_after_pruning_is_verified_from_its_checkpoint(whole: Trail, days: int) -> None:
    anchors = [whole.end(whole.first), whole.end(whole.second)]
    assert pruned(whole, MOMENT + timedelta(days=days)) == 2 * days
    assert whole.verified(anchors) == Verdict(2 * (ROWS - days), 2, [])
    with as_administrator(whole.database) as connection:
        assert scalars(connection, "SELECT count(*) FROM audit.texts") == [ROWS - days]


def test_pruning_again_moves_the_checkpoint(whole: Trail) -> None:
    pruned(whole, MOMENT + timedelta(days=1))
    assert pruned(whole, MOMENT + timedelta(days=1)) == 0
    assert pruned(whole, MOMENT + timedelta(days=3)) == 4
    assert whole.broken() == []


async def test_a_call_that_ended_after_a_later_one_does_not_let_that_one_stay_alone(
    database: TestDatabase, tmp_path: Path
) -> None:
    moments = [MOMENT + timedelta(days=day) for day in (0, 3, 1, 4)]
    writer = await write(database, tmp_path, [replace(CALL, started_at=moment) for moment in moments])
    trail = Trail(database, writer, writer)
    assert pruned(trail, MOMENT + timedelta(days=2)) == 1
    assert trail.broken() == []


def test_a_chain_that_goes_on_after_pruning_is_still_watched(whole: Trail) -> None:
    pruned(whole, MOMENT + timedelta(days=2))
    whole.change("UPDATE audit.calls SET row_count = 7 WHERE writer_id = %(writer)s AND sequence = 4")
    assert whole.broken() == [(whole.first, 4, "changed")]
    whole.change("DELETE FROM audit.calls WHERE writer_id = %(writer)s AND sequence <= 4")
    assert whole.broken() == [(whole.first, 3, "missing: rows 3 to 4")]


@pytest.mark.parametrize(
    ("statement", "where", "what"),
    [
        ("DELETE FROM audit.checkpoints WHERE writer_id = %(writer)s", 1, "missing: rows 1 to 2"),
        ("UPDATE audit.checkpoints SET sequence = 3 WHERE writer_id = %(writer)s", 3, "changed: its checkpoint"),
        (
            "UPDATE audit.checkpoints SET mac = repeat('0', 64) WHERE writer_id = %(writer)s",
            2,
            "changed: its checkpoint",
        ),
        ("UPDATE audit.checkpoints SET signature = '' WHERE writer_id = %(writer)s", 2, "changed: its checkpoint"),
        ("UPDATE audit.checkpoints SET key_id = 'x' WHERE writer_id = %(writer)s", 2, "changed, or signed"),
    ],
)
def test_a_checkpoint_cannot_be_forged(whole: Trail, statement: LiteralString, where: int, what: str) -> None:
    pruned(whole, MOMENT + timedelta(days=2))
    whole.change(statement)
    ((writer, place, found),) = whole.broken()
    assert (writer, place) == (whole.first, where)
    assert found.startswith(what)


def test_rows_cannot_be_taken_away_under_a_checkpoint_of_ones_own(whole: Trail) -> None:
    end = whole.end(whole.first)
    whole.change("DELETE FROM audit.calls WHERE writer_id = %(writer)s")
    whole.change(
        "INSERT INTO audit.checkpoints VALUES (%(writer)s, %(n)s, %(mac)s, %(key)s, repeat('0', 64))",
        n=end.sequence,
        mac=end.mac,
        key=KEY.key_id,
    )
    assert whole.broken() == [(whole.first, ROWS, "changed: its checkpoint")]


def test_what_was_tampered_with_is_not_pruned_away(whole: Trail) -> None:
    whole.change("UPDATE audit.calls SET row_count = 7 WHERE writer_id = %(writer)s AND sequence = 3")
    with as_administrator(whole.database) as connection:
        found = prune(connection, [KEY], MOMENT + timedelta(days=400))
    assert [(one.writer_id, one.sequence, one.what) for one in found.breaks] == [(whole.first, 3, "changed")]
    assert found.rows == 2 + ROWS
    assert whole.broken() == [(whole.first, 3, "changed")]


# Looking


async def test_the_tail_shows_the_latest_and_then_what_comes(whole: Trail, tmp_path: Path) -> None:
    with as_administrator(whole.database) as connection:
        tail = AuditTail(connection)
        assert [call.called_at.day for call in tail.latest(3)] == [4, 5, 5]
        assert tail.later() == []
        await write(whole.database, tmp_path, [replace(CALL, tool="find_order")])
        assert [call.tool for call in tail.later()] == ["find_order"]
        assert tail.later() == []


async def test_the_tail_can_be_narrowed(whole: Trail, tmp_path: Path) -> None:
    other = replace(CALL, principal=tiny_shop.REGION.principal, tool="find_order")
    await write(whole.database, tmp_path, [other])
    wanted: list[tuple[dict[str, Any], int]] = [
        ({"principal": "Puget Sound"}, 1),
        ({"principal": str(tiny_shop.REGION.principal.principal_id)}, 1),
        ({"principal": "Nobody"}, 0),
        ({"tool": "find_order"}, 1),
        ({"since": MOMENT + timedelta(days=4)}, 2),
        ({}, 2 * ROWS + 1),
    ]
    with as_administrator(whole.database) as connection:
        for conditions, found in wanted:
            assert len(AuditTail(connection, **conditions).latest(100)) == found


def test_the_tail_shows_no_full_text(whole: Trail) -> None:
    with as_administrator(whole.database) as connection:
        assert {call.query_text for call in AuditTail(connection).latest(100)} == {None}


async def test_an_administrator_who_is_no_superuser_can_do_all_of_it(tmp_path: Path) -> None:
    with running_postgres() as postgres:
        database = installed_by_no_superuser(postgres)
        superuser = TestDatabase(postgres.dsn(database="shop"), database.app_dsn)
        await write(superuser, tmp_path, [CALL])
        with as_administrator(database) as connection:
            assert verify(connection, [KEY], []) == Verdict(1, 1, [])
            assert len(AuditTail(connection).latest(10)) == 1
            assert prune(connection, [KEY], MOMENT + timedelta(days=1)).rows == 1
            assert scalars(connection, "SELECT pg_has_role('zava_audit', 'USAGE')") == [False]


def test_head_office_of_an_older_sample_shop_gets_the_grant(server: EmbeddedPostgres, tmp_path: Path) -> None:
    older = tmp_path / "schema"
    shutil.copytree(str(schema_root()), older)
    for step in [*(older / "migrations").glob("*.sql"), *(older / "vector").glob("*.sql")]:
        if step.name >= {"migrations": "0012", "vector": "0003"}[step.parent.name]:
            step.unlink()
    name = f"older_{uuid4().hex[:12]}"
    with psycopg.connect(server.dsn(database="postgres"), autocommit=True) as connection:
        create_database(connection, name)
    with psycopg.connect(server.dsn(database=name), autocommit=True) as connection:
        migrate(connection, older)
        connection.execute("INSERT INTO access.sample_shop (seed, scale, generated_until) VALUES (1, 1, now())")
        connection.execute(
            "INSERT INTO access.principals (subject, name, role) VALUES"
            " ('demo-head-office', 'Head office', 'head_office'), ('demo-store-seattle', 'Seattle', 'store_manager')"
        )
        migrate(connection)
        holders = scalars(
            connection, "SELECT name FROM access.principals JOIN access.principal_grants USING (principal_id)"
        )
    assert holders == ["Head office"]
