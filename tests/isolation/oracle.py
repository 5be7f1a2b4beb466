"""The isolation oracle: a query means for a person what it would mean if nobody else's rows existed.

The same random query is asked twice: as that person through the sandbox, of the database that everybody shares, and by
a superuser of a copy that physically holds only that person's rows. Both must give the same bag of rows.

Some queries divide by what is zero in other people's stores only, or read a number where only other people have none.
An error in the shared database, and none in one's own, is a leak like a row too many.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import scalar_row

from tests.contract.conftest import KEY, TestDatabase, new_database, new_pool
from tests.isolation import boundary_shop
from tests.tiny_shop import PersonRow
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.sandbox import SEARCH_PATH, PostgresSandbox, SandboxLimits
from zava.adapters.postgres.schema_catalog import PostgresSchemaCatalog
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.core.errors import InvalidQueryError, QueryRefusedError, QueryTimeoutError, QueryTooLargeError

LIMITS = SandboxLimits(most_rows=2_000, most_bytes=2_000_000, seconds=3)
# A query that took too long, or too much of memory or disk.
TOO_MUCH = ("57014", "53200", "53400")
CUSTOMERS = "SELECT store_id, customer_id, {}, created_at FROM retail.customer_records"
# With the grant, and without.
PERSONAL = "first_name, last_name, email"
MASKED = """
    left(first_name, 1) || '***' AS first_name, left(last_name, 1) || '***' AS last_name,
    left(email, 1) || '***@***' AS email
"""

Rows: TypeAlias = Counter[tuple[object, ...]]
# Rows, or what is said of an error, or nothing when the answer is not whole.
Outcome: TypeAlias = Rows | str | None


@dataclass(frozen=True)
class Mismatch:
    """A query that means something else because of other people's rows; or that cannot be asked at all."""

    query: str
    shared: str
    alone: str


@dataclass
class Report:
    """What came of the queries of one person. Discarded are those that prove nothing."""

    asked: int = 0
    discarded: int = 0
    with_rows: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def non_empty(self) -> float:
        """The part of the answers that have rows."""
        return self.with_rows / (self.asked - self.discarded)

    def __str__(self) -> str:
        return (
            f"{self.asked} queries, {len(self.mismatches)} mismatches, {self.non_empty:.1%} non-empty,"
            f" {self.discarded / self.asked:.1%} discarded, {self.seconds:.1f} s"
        )


def shared_database(server: EmbeddedPostgres) -> TestDatabase:
    """The shop of everybody."""
    database = new_database(server)
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        boundary_shop.load(connection)
        connection.execute("VACUUM ANALYZE")
    return database


def copy_of(server: EmbeddedPostgres, database: TestDatabase) -> TestDatabase:
    """A scratch copy of a database that nobody is connected to."""
    name = f"copy_{uuid4().hex[:12]}"
    with psycopg.connect(database.admin_dsn) as connection:
        template = connection.info.dbname
    with psycopg.connect(server.dsn(database="postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    return TestDatabase(make_conninfo(database.admin_dsn, dbname=name), make_conninfo(database.app_dsn, dbname=name))


def copy_of_what_is_theirs(server: EmbeddedPostgres, shared: TestDatabase, person: PersonRow) -> str:
    """The administrator's DSN of a copy without anybody else's rows, whose view of customers asks nobody."""
    database = copy_of(server, shared)
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # so that the order of tables does not matter
        for (table,) in connection.execute(
            """
            SELECT attrelid::regclass::text FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
            WHERE relnamespace = 'retail'::regnamespace AND relkind = 'r' AND attname = 'store_id'
            """
        ).fetchall():
            connection.execute(
                f"DELETE FROM {table} WHERE store_id <> ALL (%s)",  # noqa: S608 - a table's name
                [boundary_shop.store_ids(person)],
            )
        connection.execute("ALTER TABLE retail.customer_records DISABLE ROW LEVEL SECURITY")
        names = PERSONAL if "personal" in person.grants else MASKED
        connection.execute(f"CREATE OR REPLACE VIEW retail.customers AS {CUSTOMERS.format(names)}")
        connection.execute("VACUUM ANALYZE")
    return database.admin_dsn


@dataclass(frozen=True)
class Oracle:
    """One person, in a database that is shared and in one that is not."""

    person: PersonRow
    sandbox: PostgresSandbox
    alone: psycopg.AsyncConnection[Any]

    async def report(self, queries: Iterable[str]) -> Report:
        """Asks all of them."""
        report, started = Report(), time.monotonic()
        for query in queries:
            await self._compare(query, report)
        report.seconds = time.monotonic() - started
        return report

    async def first_mismatch(self, queries: Iterable[str]) -> Mismatch | None:
        """Asks until one tells the databases apart."""
        report = Report()
        for query in queries:
            await self._compare(query, report)
            if report.mismatches:
                return report.mismatches[0]
        return None

    async def _compare(self, query: str, report: Report) -> None:
        shared, alone = await asyncio.gather(self._ask_shared(query), self._ask_alone(query))
        report.asked += 1
        if shared is None or not isinstance(alone, Counter):
            report.discarded += 1
        elif shared != alone:
            report.mismatches.append(Mismatch(query, _surplus(shared, alone), _surplus(alone, shared)))
        elif shared:
            report.with_rows += 1

    async def _ask_shared(self, query: str) -> Outcome:
        try:
            table = await self.sandbox.execute_sales_query(self.person.principal, query)
        except (QueryTimeoutError, QueryTooLargeError):
            return None
        except (InvalidQueryError, QueryRefusedError) as error:
            return error.message
        return None if table.truncated else Counter(map(tuple, table.rows))

    async def _ask_alone(self, query: str) -> Outcome:
        cursor = self.alone.cursor(row_factory=scalar_row)
        limit = LIMITS.most_rows + 1
        whole = f"SELECT row_to_json(q)::text FROM (SELECT * FROM ({query}\n) AS q LIMIT {limit}) AS q"  # noqa: S608 - a random query
        try:
            lines = await (await cursor.execute(whole.encode())).fetchall()
        except psycopg.Error as error:
            return None if error.sqlstate in TOO_MUCH else str(error)
        # Pairs, since two columns may have one name.
        rows = (json.loads(line, object_pairs_hook=list) for line in lines)
        return None if len(lines) == limit else Counter(tuple(value for _, value in row) for row in rows)


def _surplus(some: Rows | str, others: Rows | str) -> str:
    """What one side has and the other has not."""
    if isinstance(some, str):
        return some
    only_here = some if isinstance(others, str) else some - others
    return f"{some.total()} rows, only here: {list(only_here.elements())[:3]}"


@asynccontextmanager
async def open_oracle(shared: TestDatabase, alone_dsn: str, person: PersonRow) -> AsyncIterator[Oracle]:
    # As in the sandbox: names are looked up in the same places, and nothing is written.
    options = (
        f"-c search_path={SEARCH_PATH.replace(' ', '')} -c statement_timeout={int(LIMITS.seconds * 1000)}"
        f" -c timezone={boundary_shop.TIME_ZONE} -c default_transaction_read_only=on -c temp_file_limit=1GB -c jit=off"
    )
    async with (
        new_pool(shared) as pool,
        await psycopg.AsyncConnection.connect(make_conninfo(alone_dsn, options=options), autocommit=True) as alone,
    ):
        sessions = PrincipalSessions(pool, lambda: KEY)
        yield Oracle(person, PostgresSandbox(sessions, PostgresSchemaCatalog(sessions), LIMITS), alone)
