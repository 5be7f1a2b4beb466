"""The sample shop, and its PostgreSQL on a port of this machine, which every server reaches in the same way."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from zava.adapters.embedded.binaries import packaged_binaries, reachable_binaries, version_of
from zava.adapters.embedded.cluster import SETTINGS
from zava.adapters.embedded.data_directory import DataDirectory
from zava.adapters.embedded.processes import moments, spawn, stop
from zava.adapters.embedded.supervisor import EmbeddedPostgres

# It sees everything, as the others need it.
READER = "benchmark"
PASSWORD = "benchmark"  # noqa: S105 - of a database for this alone
HOST = "127.0.0.1"
SECONDS_TO_START = 60


@dataclass(frozen=True)
class Shop:
    """A running shop.

    Attributes:
        folder: of its data.
        port: of PostgreSQL.
        pid: of PostgreSQL.
        token: an API token of head office.
    """

    folder: Path
    port: int
    pid: int
    token: str

    @property
    def url(self) -> str:
        """The connection string of the role that sees everything."""
        return f"postgresql://{READER}:{PASSWORD}@{HOST}:{self.port}/zava?sslmode=disable"

    @property
    def variables(self) -> dict[str, str]:
        """The settings with which Zava serves it."""
        directory = DataDirectory(self.folder)
        app, writer = (
            make_conninfo(host=HOST, port=self.port, dbname="zava", user=user, password=directory.secret(user))
            for user in ("zava_app", "zava_writer")
        )
        return {
            "ZAVA_DATABASE__DSN": app,
            "ZAVA_DATABASE__WRITER_DSN": writer,
            "ZAVA_DATABASE__CONTEXT_KEY_FILE": str(directory.secret_file("context-key")),
            "ZAVA_AUDIT__SPOOL_DIR": str(self.folder / "audit"),
        }


def make_shop(folder: Path, scale: float) -> None:
    """The sample shop of this size, with its sums and embeddings, unless it is there already."""
    made = folder.with_suffix(".made")
    if made.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    zava("db", "seed", "--scale", str(scale), data_dir=folder)
    zava("db", "rollup", data_dir=folder)
    zava("embed", data_dir=folder)
    made.touch()


def zava(*arguments: str, data_dir: Path) -> str:
    """Runs a command on the data directory, and returns what it says."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "zava", *arguments, "--data-dir", str(data_dir)],
        env={name: value for name, value in os.environ.items() if not name.startswith("ZAVA_")},
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return done.stdout


@contextmanager
def open_shop(folder: Path, port: int) -> Iterator[Shop]:
    """The shop of this folder, at this port."""
    created = zava("token", "create", "--principal", "demo-head-office", "--name", "benchmark", data_dir=folder)
    token = next(word for word in created.split() if word.startswith("zava_"))
    with EmbeddedPostgres(folder) as postgres, psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        _admit_reader(connection)
        connection.execute("VACUUM ANALYZE")
    directory = DataDirectory(folder)
    account = directory.prepared_for()
    binaries = reachable_binaries(packaged_binaries(), version_of(packaged_binaries()), directory)
    settings = SETTINGS | {
        "listen_addresses": HOST,
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "120",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder.parent / f"{folder.name}.log").open("ab") as log:
        process = spawn(
            [binaries / "postgres", "-D", directory.cluster, *options],
            account=account,
            output=log.fileno(),
            at_our_death=signal.SIGINT,
        )
    shop = Shop(folder, port, process.pid, token)
    try:
        _wait_for(shop.url)
        yield shop
    finally:
        stop(process)


def _admit_reader(connection: psycopg.Connection) -> None:
    if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [READER]).fetchone() is None:
        # A superuser, since row policies let nobody else see everything, and Zava leaves few functions to others.
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}").format(sql.Identifier(READER), PASSWORD)
        )


def _wait_for(url: str) -> None:
    for _ in moments(SECONDS_TO_START, 0.1):
        try:
            with closing(psycopg.connect(url)):
                return
        except psycopg.OperationalError:
            continue
    raise SystemExit("PostgreSQL did not start")
