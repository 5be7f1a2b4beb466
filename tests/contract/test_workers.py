"""How many connections PostgreSQL lets servers have is asked of itself."""

from pathlib import Path

import psycopg

from tests.contract.conftest import TestDatabase
from tests.pgbouncer import needs_pgbouncer
from zava.adapters.postgres.access import DatabaseAccess
from zava.commands.database import Database
from zava.commands.workers import FOR_COMMANDS, shared_out
from zava.settings import DatabaseSettings, HttpSettings, Settings

MANY = 10


def in_all(database: TestDatabase, pooler: str = "none") -> int:
    """Connections of the pools of many workers."""
    access = DatabaseAccess(database.app_dsn, Path("no-key"))
    settings = Settings(http=HttpSettings(workers=MANY), database=DatabaseSettings.model_validate({"pooler": pooler}))
    shared = shared_out(settings, Database(access, None))
    return MANY * (shared.database.pool_max_size + shared.sandbox.pool_max_size + 2)


def allowed(database: TestDatabase) -> int:
    with psycopg.connect(database.admin_dsn) as connection:
        found = connection.execute("SHOW max_connections").fetchone()
    assert found
    # As every PostgreSQL keeps them for superusers unless it is told otherwise.
    return int(found[0]) - 3


def test_pools_of_all_workers_leave_what_is_reserved_and_some_for_commands(tiny_database: TestDatabase) -> None:
    most = allowed(tiny_database) - FOR_COMMANDS
    assert most - MANY < in_all(tiny_database) <= most


@needs_pgbouncer
def test_a_pooler_shares_out_connections_itself(pooled_shop: TestDatabase) -> None:
    assert in_all(pooled_shop, "transaction") == MANY * 20
