"""A PostgreSQL that can be killed, behind a network that can fail, with the sample shop that a server answers from."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from tests.e2e.conftest import UNHURRIED, Server, start_server, zava
from tests.faults.load import right_answers
from tests.faults.proxy import Proxy, proxy_to
from tests.postgres import reachable_folder
from zava.adapters.embedded.supervisor import EmbeddedPostgres

SCALE = "0.03"
# One store, another, and four: whoever got another's answer would notice.
PEOPLE = ("demo-store-seattle", "demo-store-tacoma", "demo-region-puget-sound")


class Database:
    """The PostgreSQL of these tests."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._postgres = EmbeddedPostgres(data_dir)

    def start(self, binary_dir: Path | None = None) -> None:
        """With other programs than the package's, if any are given."""
        self._postgres = EmbeddedPostgres(self.data_dir, binary_dir=binary_dir)
        self._postgres.__enter__()

    def stop(self) -> None:
        self._postgres.__exit__(None, None, None)

    @property
    def pid(self) -> int:
        """Of the process that starts all others."""
        return int((self.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])

    def kill(self) -> None:
        """As the kernel does when there is no memory left."""
        os.kill(self.pid, signal.SIGKILL)

    def kill_one(self) -> None:
        """One of the processes that answer questions."""
        with self.administrator() as connection:
            found = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE usename = 'zava_app' ORDER BY state_change DESC LIMIT 1"
            ).fetchone()
        assert found is not None
        os.kill(found[0], signal.SIGKILL)

    @property
    def admin_dsn(self) -> str:
        return self._postgres.dsn()

    @contextmanager
    def administrator(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.admin_dsn, autocommit=True) as connection:
            yield connection

    @contextmanager
    def set_for_new_connections(self, **settings: str) -> Iterator[None]:
        """Of the server's login. Afterwards they are what they were."""
        login = "ALTER ROLE zava_app IN DATABASE zava"
        with self.administrator() as connection:
            (before,) = connection.execute(
                "SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'zava_app'::regrole"
                " AND setdatabase = (SELECT oid FROM pg_database WHERE datname = 'zava')"
            ).fetchone() or ([],)
            for name, value in settings.items():
                connection.execute(SQL(login + " SET {} = {}").format(Identifier(name), value))
            try:
                yield
            finally:
                connection.execute(SQL(login + " RESET ALL"))
                for name, _, value in (setting.partition("=") for setting in before):
                    connection.execute(SQL(login + " SET {} = {}").format(Identifier(name), value))

    def connections(self) -> int:
        """Of the server's login."""
        with self.administrator() as connection:
            found = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'zava_app'").fetchone()
            assert found is not None
            return int(found[0])

    def settings(self, port: int) -> dict[str, str]:
        """With which a server reaches it through this port."""
        app, writer = (
            make_conninfo(
                host="127.0.0.1",
                port=port,
                dbname="zava",
                user=user,
                password=self._postgres.secret(user),
                sslmode="disable",
            )
            for user in ("zava_app", "zava_writer")
        )
        return {
            "ZAVA_DATABASE__DSN": app,
            "ZAVA_DATABASE__WRITER_DSN": writer,
            "ZAVA_DATABASE__CONTEXT_KEY_FILE": str(self._postgres.secret_file("context-key")),
            "ZAVA_AUDIT__SPOOL_DIR": str(self.data_dir.with_name("spool")),
            # What is kept asks nothing of the parts that fail.
            "ZAVA_CACHE__ENABLED": "false",
        }


@dataclass(frozen=True)
class Served:
    """A server over the database, who may ask it, and what they are told while all is well."""

    server: Server
    right: dict[str, object]

    @property
    def url(self) -> str:
        return self.server.url


@pytest.fixture(scope="session")
def database() -> Iterator[Database]:
    with reachable_folder() as folder:
        data_dir = folder / "data"
        assert zava("db", "seed", "--scale", SCALE, "--data-dir", str(data_dir)).returncode == 0
        assert zava("db", "rollup", "--data-dir", str(data_dir)).returncode == 0
        database = Database(data_dir)
        database.start()
        yield database
        database.stop()


@pytest.fixture(scope="session")
def tokens(database: Database) -> list[str]:
    """An API token of each person."""
    made = [
        zava("token", "create", "--principal", person, "--data-dir", str(database.data_dir)).stdout for person in PEOPLE
    ]
    return [next(word for word in said.split() if word.startswith("zava_")) for said in made]


@pytest.fixture(scope="session")
def proxy(database: Database) -> Iterator[Proxy]:
    with proxy_to(database.data_dir / ".s.PGSQL.5432") as proxy:
        yield proxy


Serve = Callable[..., Served]


@pytest.fixture
def serve(database: Database, proxy: Proxy, tokens: list[str], tmp_path: Path) -> Iterator[Serve]:
    """Starts a server with these settings, for one test."""
    servers = []

    def start(**variables: str) -> Served:
        settings = database.settings(proxy.port) | UNHURRIED | variables
        servers.append(start_server(tmp_path / "unused", **settings))
        return Served(servers[-1], right_answers(servers[-1].url, tokens))

    yield start
    for server in servers:
        if server.process.poll() is None:
            assert server.stop(signal.SIGTERM) == 0
