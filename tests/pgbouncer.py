"""A real PgBouncer in transaction mode, in front of a PostgreSQL of the tests' own."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.postgres import reachable_folder
from zava.adapters.embedded.accounts import Account

PGBOUNCER = Path("/usr/sbin/pgbouncer")
# CI installs it, and fails without.
needs_pgbouncer = pytest.mark.skipif(
    not PGBOUNCER.exists() and not os.environ.get("CI"), reason="needs PgBouncer: apt-get install pgbouncer"
)

# So few connections of the server's that every transaction may be on another one.
SERVER_CONNECTIONS = 3
PORT = 6432
LINES = """
[databases]
* = host={host} port={port}

[pgbouncer]
unix_socket_dir = {folder}
listen_port = {listen_port}
auth_type = scram-sha-256
auth_file = {folder}/users
logfile = {folder}/log
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 500
query_wait_timeout = 10
server_login_retry = 1
server_round_robin = 1
"""


@dataclass(frozen=True)
class PgBouncer:
    """A running PgBouncer."""

    folder: Path
    process: subprocess.Popen[bytes]

    def dsn(self, direct: str) -> str:
        """The same connection string, through this."""
        return make_conninfo(direct, host=str(self.folder), port=PORT)


@contextmanager
def running_pgbouncer(direct: str, passwords: Mapping[str, str], size: int = SERVER_CONNECTIONS) -> Iterator[PgBouncer]:
    """In front of the server of this connection string.

    Args:
        direct: an administrator's connection string to PostgreSQL itself.
        passwords: of those who connect.
        size: connections of the server's that one of them shares with all its others.
    """
    where = conninfo_to_dict(direct)
    # Neither runs as root, and only its owner may use PostgreSQL's socket.
    owner = Path(str(where["host"])).stat()
    with reachable_folder() as folder:
        users = folder / "users"
        users.write_text("".join(f'"{name}" "{password}"\n' for name, password in passwords.items()), encoding="utf-8")
        configuration = folder / "pgbouncer.ini"
        lines = LINES.format(host=where["host"], port=where["port"], folder=folder, listen_port=PORT, size=size)
        configuration.write_text(lines, encoding="utf-8")
        for path in (folder, users, configuration):
            os.chown(path, owner.st_uid, owner.st_gid)
        process = subprocess.Popen(  # noqa: S603 - the system's own program
            [PGBOUNCER, configuration],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **Account(owner.st_uid, owner.st_gid).identity(),
        )
        pgbouncer = PgBouncer(folder, process)
        try:
            _wait_until_open(pgbouncer)
            yield pgbouncer
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_until_open(pgbouncer: PgBouncer) -> None:
    socket = pgbouncer.folder / f".s.PGSQL.{PORT}"
    for _ in range(200):
        assert pgbouncer.process.poll() is None, (pgbouncer.folder / "log").read_text(encoding="utf-8")
        if socket.exists():
            return
        time.sleep(0.05)
    raise AssertionError("PgBouncer does not open its socket")
