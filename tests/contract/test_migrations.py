"""How a database comes to its schema, and what stops it."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.contract.conftest import KEY, SERVERS, installed_by_no_superuser, running_postgres
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.migrate import (
    OWNERS,
    MigrationError,
    create_database,
    migrate,
    pending_steps,
    register_context_key,
    schema_root,
)

pytestmark = pytest.mark.operations

Connection = psycopg.Connection[Any]


@pytest.fixture
def database(server: EmbeddedPostgres) -> str:
    """The name of an empty database."""
    name = f"empty_{uuid4().hex[:12]}"
    with psycopg.connect(server.dsn(database="postgres"), autocommit=True) as connection:
        create_database(connection, name)
    return name


@pytest.fixture
def connection(server: EmbeddedPostgres, database: str) -> Iterator[Connection]:
    with psycopg.connect(server.dsn(database=database), autocommit=True) as connection:
        yield connection


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    """A copy of the schema, to be changed."""
    return Path(shutil.copytree(str(schema_root()), tmp_path / "schema"))


def test_a_new_database_gets_every_step_and_then_none(connection: Connection) -> None:
    due = pending_steps(connection)
    assert {step.series for step in due} >= {"install", "migrations"}
    assert migrate(connection)[: len(due)] == due
    assert migrate(connection) == ()
    assert pending_steps(connection) == ()


def test_vector_steps_are_applied_where_there_is_pgvector(connection: Connection) -> None:
    available = connection.execute("SELECT FROM pg_available_extensions WHERE name = 'vector'").fetchone()
    migrate(connection)
    table = connection.execute("SELECT to_regclass('retail.product_description_embeddings')::text").fetchone()
    assert table == ("retail.product_description_embeddings" if available is not None else None,)


def test_a_migration_that_was_changed_after_it_was_applied_stops_everything(
    connection: Connection, schema: Path
) -> None:
    migrate(connection, schema)
    changed = schema / "migrations" / "0002_retail.sql"
    changed.write_text(changed.read_text() + "\n-- an afterthought\n")
    with pytest.raises(MigrationError, match=r"migrations/0002_retail\.sql was changed after it was applied"):
        migrate(connection, schema)


def test_install_steps_may_change_and_are_run_again(connection: Connection, schema: Path) -> None:
    migrate(connection, schema)
    changed = schema / "install" / "0002_database.sql"
    changed.write_text(changed.read_text() + "\n-- an afterthought\n")
    assert [step.name for step in migrate(connection, schema)] == ["0002_database.sql"]
    assert migrate(connection, schema) == ()


def test_a_step_that_fails_leaves_nothing_of_itself(connection: Connection, schema: Path) -> None:
    step = schema / "migrations" / "9000_broken.sql"
    step.write_text("-- oldest-server: 0.1.0\nCREATE TABLE retail.half (x integer);\nSELECT 1 / 0;\n")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(connection, schema)
    assert connection.execute("SELECT to_regclass('retail.half')").fetchone() == (None,)
    step.write_text("-- oldest-server: 0.1.0\nCREATE TABLE retail.half (x integer);\n")
    assert "9000_broken.sql" in [done.name for done in migrate(connection, schema)]


def test_a_step_outside_a_transaction_is_recorded_too(connection: Connection, schema: Path) -> None:
    migrate(connection, schema)
    step = schema / "migrations" / "9001_index.sql"
    step.write_text("-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS late ON retail.products (base_price)")
    assert [done.name for done in migrate(connection, schema)] == ["9001_index.sql"]
    assert migrate(connection, schema) == ()


def test_two_migrations_at_once_do_the_work_once(server: EmbeddedPostgres, database: str) -> None:
    done: list[int] = []

    def run() -> None:
        with psycopg.connect(server.dsn(database=database), autocommit=True) as connection:
            done.append(len(migrate(connection)))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(done)[:2] == [0, 0]
    assert sorted(done)[2] > 0


def test_a_locked_table_is_waited_for_in_small_portions(
    server: EmbeddedPostgres, database: str, connection: Connection, schema: Path
) -> None:
    migrate(connection, schema)
    (schema / "migrations" / "9002_column.sql").write_text("ALTER TABLE retail.products ADD COLUMN colour text;\n")
    with psycopg.connect(server.dsn(database=database)) as reader:
        reader.execute("SELECT * FROM retail.products")
        release = threading.Timer(1.5, reader.rollback)
        release.start()
        assert [step.name for step in migrate(connection, schema)] == ["9002_column.sql"]
        release.join()


@pytest.mark.parametrize("name", SERVERS)
def test_an_administrator_without_superuser_rights_installs_all_but_the_revokes(name: str) -> None:
    with (
        running_postgres(SERVERS[name]) as server,
        psycopg.connect(installed_by_no_superuser(server).admin_dsn, autocommit=True) as connection,
    ):
        assert pending_steps(connection) == ()
        acts_as = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname = ANY (%s) AND pg_has_role(current_user, oid, 'USAGE')",
            [list(OWNERS)],
        ).fetchall()
        assert acts_as == []


def test_the_context_key_is_registered_once(connection: Connection) -> None:
    migrate(connection)
    register_context_key(connection, KEY)
    register_context_key(connection, KEY)
    assert connection.execute("SELECT key_id FROM access.keys ORDER BY key_id = 'seal'").fetchall() == [
        (KEY.key_id,),
        ("seal",),
    ]
