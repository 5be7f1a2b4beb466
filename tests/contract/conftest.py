"""A PostgreSQL of the tests' own, and databases in it."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from tests.fakes import (
    FakeInventoryRepository,
    FakeOrderRepository,
    FakeProductRepository,
    FakeSalesRepository,
    FakeSandbox,
    FakeSchemaCatalog,
    FakeStoreDirectory,
)
from tests.pgbouncer import needs_pgbouncer, running_pgbouncer
from tests.postgres import load_tiny_shop, reachable_folder
from zava.adapters.embedded.binaries import version_of
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.context import ContextKey
from zava.adapters.postgres.inventory import PostgresInventoryRepository
from zava.adapters.postgres.migrate import (
    create_database,
    migrate,
    read_steps,
    register_context_key,
    set_first_password,
)
from zava.adapters.postgres.orders import PostgresOrderRepository
from zava.adapters.postgres.products import PostgresProductRepository
from zava.adapters.postgres.sales import PostgresSalesRepository
from zava.adapters.postgres.sandbox import PostgresSandbox, SandboxLimits
from zava.adapters.postgres.schema_catalog import PostgresSchemaCatalog
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.adapters.postgres.store_directory import PostgresStoreDirectory
from zava.container import PREPARE_THRESHOLD
from zava.core.ports import (
    InventoryRepository,
    OrderRepository,
    ProductRepository,
    SalesRepository,
    Sandbox,
    SchemaCatalog,
    StoreDirectory,
)

APP_PASSWORD = "only-for-tests"
MIGRATED = "migrated"
KEY = ContextKey(b"a key of the tests, known to everybody")


# Debian's PostgreSQL 15: the oldest server that is promised, and one without pgvector.
OLDEST_POSTGRES = Path("/usr/lib/postgresql/15/bin")


# The oldest is tested where it is installed. CI installs it, and fails without.
SERVERS: dict[str, Path | None] = {
    "embedded": None,
    **({"oldest": OLDEST_POSTGRES} if OLDEST_POSTGRES.exists() or os.environ.get("CI") else {}),
    # Folders of any others, such as POSTGRES_BINARIES=/usr/lib/postgresql/16/bin:/usr/lib/postgresql/17/bin.
    **{
        f"postgres-{version_of(Path(folder))}": Path(folder)
        for folder in filter(None, os.environ.get("POSTGRES_BINARIES", "").split(os.pathsep))
    },
}


@dataclass(frozen=True)
class TestDatabase:
    """A migrated database: as an administrator, and as the server's login, perhaps through PgBouncer."""

    __test__ = False

    admin_dsn: str
    app_dsn: str
    pooled: bool = False


@contextmanager
def running_postgres(binary_dir: Path | None = None) -> Iterator[EmbeddedPostgres]:
    """A new PostgreSQL."""
    with reachable_folder() as folder, EmbeddedPostgres(folder / "data", binary_dir=binary_dir) as postgres:
        yield postgres


def installed_by_no_superuser(server: EmbeddedPostgres) -> TestDatabase:
    """A database of an administrator who could not close PostgreSQL's catalogs; the server must not know Zava's roles.

    Its admin_dsn is that administrator's.
    """
    with psycopg.connect(server.dsn(database="postgres"), autocommit=True) as connection:
        connection.execute("CREATE ROLE installer LOGIN CREATEROLE PASSWORD 'only-for-tests'")
        connection.execute("CREATE DATABASE shop OWNER installer")
    dsn = server.dsn(database="shop", user="installer", password="only-for-tests")
    with psycopg.connect(dsn, autocommit=True) as connection:
        migrate(connection)
        register_context_key(connection, KEY)
    with psycopg.connect(server.dsn(database="shop"), autocommit=True) as connection:
        set_first_password(connection, "zava_app", APP_PASSWORD)
    return TestDatabase(dsn, make_conninfo(server.dsn(database="shop"), user="zava_app", password=APP_PASSWORD))


StartServer = Callable[[str], EmbeddedPostgres]


@pytest.fixture(scope="session")
def start_server() -> Iterator[StartServer]:
    """Starts a PostgreSQL by its name when it is first asked for."""
    with ExitStack() as stack:
        yield cache(lambda name: stack.enter_context(running_postgres(SERVERS[name])))


@pytest.fixture(scope="session")
def embedded_server(start_server: StartServer) -> EmbeddedPostgres:
    return start_server("embedded")


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest, start_server: StartServer) -> EmbeddedPostgres:
    """Each PostgreSQL that is promised."""
    return start_server(request.param)


@cache
def migrated_database(server: EmbeddedPostgres) -> str:
    """The name of a database that nobody uses: others are copies of it, which takes half the time."""
    with psycopg.connect(server.dsn(database="postgres"), autocommit=True) as connection:
        create_database(connection, MIGRATED)
    with psycopg.connect(server.dsn(database=MIGRATED), autocommit=True) as connection:
        migrate(connection)
        register_context_key(connection, KEY)
        set_first_password(connection, "zava_app", APP_PASSWORD)
    return MIGRATED


def new_database(server: EmbeddedPostgres) -> TestDatabase:
    name = f"test_{uuid4().hex[:12]}"
    names = (sql.Identifier(name), sql.Identifier(migrated_database(server)))
    with psycopg.connect(server.dsn(database="postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
    admin_dsn = server.dsn(database=name)
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        # What a database has beside its contents is not copied: who may connect, and settings.
        (step,) = [step for step in read_steps("install") if step.name == "0002_database.sql"]
        connection.execute(step.text)
    return TestDatabase(admin_dsn, make_conninfo(admin_dsn, user="zava_app", password=APP_PASSWORD))


@pytest.fixture
def fresh_database(embedded_server: EmbeddedPostgres) -> str:
    """The administrator's DSN of an empty, migrated database."""
    return new_database(embedded_server).admin_dsn


@pytest.fixture(scope="session")
def open_tiny_shop(start_server: StartServer) -> Callable[[str], TestDatabase]:
    """The tiny shop on a server, by the server's name."""
    return cache(lambda name: tiny_shop_on(start_server(name)))


def tiny_shop_on(server: EmbeddedPostgres) -> TestDatabase:
    database = new_database(server)
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        load_tiny_shop(connection)
    return database


@pytest.fixture(scope="session", params=SERVERS)
def tiny_database(request: pytest.FixtureRequest, open_tiny_shop: Callable[[str], TestDatabase]) -> TestDatabase:
    """The tiny shop. Read only: tests that change a database take a copy."""
    return open_tiny_shop(request.param)


@pytest.fixture(scope="module")
def tiny_copy(server: EmbeddedPostgres) -> TestDatabase:
    """The tiny shop in a database of the module's own, to be changed and put right again."""
    return tiny_shop_on(server)


@pytest.fixture(scope="session")
def pooled_shop(open_tiny_shop: Callable[[str], TestDatabase]) -> Iterator[TestDatabase]:
    """The tiny shop of the embedded PostgreSQL, through PgBouncer."""
    direct = open_tiny_shop("embedded")
    with running_pgbouncer(direct.admin_dsn, {"zava_app": APP_PASSWORD}) as pgbouncer:
        yield TestDatabase(direct.admin_dsn, pgbouncer.dsn(direct.app_dsn), pooled=True)


Pool = AsyncConnectionPool[psycopg.AsyncConnection[Any]]


def new_pool(database: TestDatabase, timeout: float = 10) -> Pool:
    threshold = PREPARE_THRESHOLD["transaction" if database.pooled else "none"]
    return AsyncConnectionPool(
        database.app_dsn,
        kwargs={"autocommit": True, "prepare_threshold": threshold},
        min_size=1,
        max_size=3,
        timeout=timeout,
        open=False,
    )


@dataclass(frozen=True)
class Ports:
    """The tiny shop behind its ports."""

    directory: StoreDirectory
    sales: SalesRepository
    catalog: SchemaCatalog
    sandbox: Sandbox
    products: ProductRepository
    orders: OrderRepository
    inventory: InventoryRepository


def ports_over(sessions: PrincipalSessions) -> Ports:
    """The ports as PostgreSQL answers them in these sessions."""
    catalog = PostgresSchemaCatalog(sessions)
    return Ports(
        PostgresStoreDirectory(sessions),
        PostgresSalesRepository(sessions),
        catalog,
        PostgresSandbox(sessions, catalog, SandboxLimits()),
        PostgresProductRepository(sessions),
        PostgresOrderRepository(sessions),
        PostgresInventoryRepository(sessions),
    )


@pytest.fixture(params=["fake", *SERVERS, pytest.param("pgbouncer", marks=needs_pgbouncer)])
async def ports(request: pytest.FixtureRequest, open_tiny_shop: Callable[[str], TestDatabase]) -> AsyncIterator[Ports]:
    """The same shop several times: every test that takes it states what all of them must do."""
    if request.param == "fake":
        yield Ports(
            FakeStoreDirectory(),
            FakeSalesRepository(),
            FakeSchemaCatalog(),
            FakeSandbox(),
            FakeProductRepository(),
            FakeOrderRepository(),
            FakeInventoryRepository(),
        )
        return
    pooled = request.param == "pgbouncer"
    database = request.getfixturevalue("pooled_shop") if pooled else open_tiny_shop(request.param)
    async with new_pool(database) as pool:
        yield ports_over(PrincipalSessions(pool, lambda: KEY))
