"""Random queries of a shared database and of one's own; and mistakes in policies, each of which they find."""

import os
from collections.abc import Iterator
from functools import cache
from itertools import islice

import psycopg
import pytest

from tests.contract.conftest import KEY, new_pool, running_postgres
from tests.isolation.boundary_shop import HEAD_OFFICE, PEOPLE, STORELESS
from tests.isolation.mutants import MUTANTS, Mutant
from tests.isolation.oracle import copy_of, copy_of_what_is_theirs, open_oracle, shared_database
from tests.isolation.random_selects import random_selects
from tests.isolation.readable_tables import read_tables
from tests.tiny_shop import PersonRow
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.schema_catalog import PostgresSchemaCatalog
from zava.adapters.postgres.sessions import PrincipalSessions

pytestmark = pytest.mark.timeout(3600)

QUERIES_IN_CI = 300
# `make isolation-long` asks more.
QUERIES = int(os.environ.get("ORACLE_QUERIES", QUERIES_IN_CI))
SEED = "1"


class Shops:
    """The shop that everybody shares, and for each person a copy of what is theirs."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        with psycopg.connect(server.dsn(database="postgres"), autocommit=True) as connection:
            # Nothing here outlives the tests, and fifteen databases take their time to reach a disk.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        self.shared = shared_database(server)
        with psycopg.connect(self.shared.admin_dsn) as connection:
            self.tables = read_tables(connection)
        self.alone = cache(lambda person: copy_of_what_is_theirs(server, self.shared, person))

    def queries(self, person: PersonRow, count: int) -> Iterator[str]:
        # Head office has the sloppy stores, too.
        strict = person is not HEAD_OFFICE
        return islice(random_selects(f"{SEED} {person.name}", self.tables, strict=strict), count)


@pytest.fixture(scope="module")
def shops() -> Iterator[Shops]:
    with running_postgres() as server:
        yield Shops(server)


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.name)
async def test_a_query_means_what_it_would_if_nobody_elses_rows_existed(shops: Shops, person: PersonRow) -> None:
    async with open_oracle(shops.shared, shops.alone(person), person) as oracle:
        report = await oracle.report(shops.queries(person, QUERIES))
    print(f"{person.name}, seed {SEED}: {report}")
    assert report.mismatches == []
    assert report.discarded <= 0.05 * QUERIES
    assert report.non_empty >= 0.7 or person is STORELESS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
async def test_a_mistake_in_who_sees_what_is_noticed(shops: Shops, mutant: Mutant) -> None:
    alone = shops.alone(mutant.person)
    worse = copy_of(shops.server, shops.shared)
    with psycopg.connect(worse.admin_dsn, autocommit=True) as connection:
        connection.execute(mutant.change.encode())
    async with open_oracle(worse, alone, mutant.person) as oracle:
        mismatch = await oracle.first_mismatch(shops.queries(mutant.person, QUERIES_IN_CI))
    print(mismatch)
    assert mismatch is not None


async def test_every_table_that_free_sql_may_read_is_asked(shops: Shops) -> None:
    async with new_pool(shops.shared) as pool:
        sessions = PrincipalSessions(pool, lambda: KEY)
        shown = await PostgresSchemaCatalog(sessions).tables(HEAD_OFFICE.principal)
    assert set(shops.tables) == {table.name.removeprefix("retail.") for table in shown}
    asked = " ".join(shops.queries(HEAD_OFFICE, QUERIES_IN_CI))
    assert [table for table in shops.tables if f"retail.{table} AS" not in asked] == []
