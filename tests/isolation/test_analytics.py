"""Real questions in SQL: each passes the guard and the sandbox, and gives the rows that its author is entitled to.

What those are is found out without a row policy, a context or a bounded function: the owner runs the same text on a
copy of the schema that holds only the rows of the stores that the principal is listed for.
"""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from tests.contract.conftest import KEY, SERVERS, TestDatabase, new_database, new_pool, running_postgres
from zava.adapters.postgres.sandbox import PostgresSandbox, SandboxLimits
from zava.adapters.postgres.schema_catalog import PostgresSchemaCatalog
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.core.model import Principal
from zava.demo.personas import PERSONAS, Persona
from zava.demo.shop import open_sample_shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCALE = 0.03
NOW = datetime(2026, 6, 30, 20, 0, tzinfo=UTC)  # the queries ask about the months before
PERSONA = {persona.token: persona for persona in PERSONAS}
MANAGER = PERSONA["demo-store-seattle"]
HEAD_OFFICE = PERSONA["demo-head-office"]
HEADING = "-- name: "
END = re.compile(r"(?:\s|;|--[^\n]*)*\Z")
NAMES = sql.SQL("first_name, last_name, email")
MASKED_NAMES = sql.SQL(
    """
    substr(first_name, 1, 1) || repeat('*', 3) AS first_name, substr(last_name, 1, 1) || repeat('*', 3) AS last_name,
    regexp_replace(email, '(?<=^.).*$', '***@***') AS email
    """
)
IN_RETAIL = re.compile(r'(?<!\w)"?retail"?\s*\.', re.IGNORECASE)


def read_queries() -> list[tuple[str, str]]:
    """Names and texts."""
    _, *parts = Path(__file__).with_name("analytics.sql").read_text("utf-8").split(f"\n{HEADING}")
    return [(name, text) for name, _, text in (part.partition("\n") for part in parts)]


QUERIES = dict(read_queries())


@dataclass(frozen=True)
class Answer:
    """Names and types of the columns, and each row with how often it is there."""

    columns: list[tuple[str, str]]
    rows: Counter[str]


def bag(rows: Iterable[Iterable[object]]) -> Counter[str]:
    return Counter(json.dumps(list(row)) for row in rows)


def number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value


def copy_of_what_is_theirs(connection: psycopg.Connection[Any], persona: Persona, schema: str) -> None:
    """A schema that holds the rows of one principal's stores, laid down in another order: a tie would show."""
    every = connection.execute("SELECT store_id FROM retail.stores").fetchall()
    listed = connection.execute(
        "SELECT store_id FROM access.principal_stores WHERE principal_id = %s", [persona.principal_id]
    ).fetchall()
    stores = [store for (store,) in (every if persona.role == "head_office" else listed)]
    tables = connection.execute(
        """
        SELECT relname, EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'store_id')
        FROM pg_class AS c
        WHERE relnamespace = 'retail'::regnamespace AND relkind = 'r'
        """
    ).fetchall()
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    for table, is_of_stores in tables:
        names = {"here": sql.Identifier(schema, table), "there": sql.Identifier("retail", table)}
        connection.execute(
            sql.SQL("CREATE TABLE {here} (LIKE {there} INCLUDING ALL EXCLUDING GENERATED)").format(**names)
        )
        theirs = sql.SQL("WHERE store_id = ANY (%(stores)s)" if is_of_stores else "")
        connection.execute(
            sql.SQL("INSERT INTO {here} SELECT * FROM {there} AS t {theirs} ORDER BY md5(t::text)").format(
                theirs=theirs, **names
            ),
            {"stores": stores},
        )
        connection.execute(sql.SQL("ANALYZE {here}").format(**names))
    connection.execute(
        sql.SQL("CREATE VIEW {} AS SELECT store_id, customer_id, {}, created_at FROM {}").format(
            sql.Identifier(schema, "customers"),
            NAMES if is_shown_names(connection, persona) else MASKED_NAMES,
            sql.Identifier(schema, "customer_records"),
        )
    )
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO zava_owner").format(sql.Identifier(schema)))
    connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO zava_owner").format(sql.Identifier(schema)))


def is_shown_names(connection: psycopg.Connection[Any], persona: Persona) -> bool:
    return bool(
        connection.execute(
            "SELECT FROM access.principal_grants WHERE principal_id = %s AND grant_name = 'personal'",
            [persona.principal_id],
        ).fetchall()
    )


class Owner:
    """The owner of the shop, who answers for a principal out of that principal's copy."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        row = connection.execute("SELECT time_zone FROM retail.business_settings").fetchone()
        assert row is not None
        connection.execute("SELECT set_config('TimeZone', %s, false)", row)
        connection.execute("SET jit = off")
        connection.execute("SET ROLE zava_owner")
        self.answer = cache(self._answer)

    def _answer(self, persona: Persona, query: str) -> Answer:
        schema = schema_of(persona)
        self._connection.execute("SELECT set_config('search_path', %s, false)", [schema])
        text = IN_RETAIL.sub(f"{schema}.", END.sub("", query)).encode()
        described = self._connection.execute(b"SELECT * FROM (" + text + b"\n) AS q LIMIT 0").description or []
        columns = list(zip(unique(column.name for column in described), described, strict=True))
        aliases = sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns).as_bytes(self._connection)
        rows = self._connection.execute(
            b"SELECT row_to_json(q)::text FROM (" + text + b"\n) AS q (" + aliases + b")"
        ).fetchall()
        return Answer(
            [(name, column.type_display) for name, column in columns],
            bag(json.loads(row, parse_float=number).values() for (row,) in rows),
        )


def unique(names: Iterable[str]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}_{seen[name]}"


def schema_of(persona: Persona) -> str:
    return f"mine_{persona.role}"


@pytest.fixture(scope="module", params=SERVERS)
def database(request: pytest.FixtureRequest) -> Iterator[TestDatabase]:
    """The sample shop, whose manager of Seattle may not see names, and a copy of it for each who asks."""
    with running_postgres(SERVERS[request.param]) as server:
        shop = new_database(server)
        with psycopg.connect(shop.admin_dsn, autocommit=True) as connection:
            open_sample_shop(connection, now=NOW, scale=SCALE)
            connection.execute("DELETE FROM access.principal_grants WHERE principal_id = %s", [MANAGER.principal_id])
            for persona in (MANAGER, HEAD_OFFICE):
                copy_of_what_is_theirs(connection, persona, schema_of(persona))
        yield shop


@pytest.fixture(scope="module")
def owner(database: TestDatabase) -> Iterator[Owner]:
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        yield Owner(connection)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(database: TestDatabase) -> AsyncIterator[PostgresSandbox]:
    async with new_pool(database) as pool:
        sessions = PrincipalSessions(pool, lambda: KEY)
        yield PostgresSandbox(sessions, PostgresSchemaCatalog(sessions), SandboxLimits(seconds=60))


@pytest.mark.parametrize("name", QUERIES)
async def test_every_query_runs_and_gives_what_the_owner_finds_for_the_same_stores(
    sandbox: PostgresSandbox, owner: Owner, name: str
) -> None:
    for persona in (MANAGER, HEAD_OFFICE):
        table = await sandbox.execute_sales_query(Principal(persona.principal_id, persona.name), QUERIES[name])
        expected = owner.answer(persona, QUERIES[name])
        assert [(column.name, column.type) for column in table.columns] == expected.columns, persona.name
        assert table.truncated is None, persona.name
        assert len(table.rows) == expected.rows.total(), persona.name
        assert bag(table.rows) == expected.rows, persona.name


async def test_nearly_all_of_them_have_an_answer_and_most_depend_on_who_asks(owner: Owner) -> None:
    own = {name: owner.answer(MANAGER, query).rows for name, query in QUERIES.items()}
    whole = {name: owner.answer(HEAD_OFFICE, query).rows for name, query in QUERIES.items()}
    assert [name for name, rows in own.items() if not rows] == ["Empty answer with columns"]
    assert sum(own[name] != whole[name] for name in QUERIES) > 0.6 * len(QUERIES)


async def test_there_are_many_of_them_and_each_has_a_name_of_its_own() -> None:
    assert len(QUERIES) >= 150
    assert len(QUERIES) == len(read_queries())
    assert len({text.strip() for text in QUERIES.values()}) == len(QUERIES)
