"""Where the database is, as it is written down for a server: by its name, since its address may be another tomorrow."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.commands.init import ServerFiles

pytestmark = pytest.mark.operations


def _hand_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def by_tcp(postgres: EmbeddedPostgres) -> Iterator[int]:
    """A port that leads to this PostgreSQL, which has none, for one connection."""
    given = conninfo_to_dict(postgres.dsn())
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as server:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                server.connect(f"{given['host']}/.s.PGSQL.{given.get('port', 5432)}")
                back = threading.Thread(target=_hand_on, args=(server, client))
                back.start()
                _hand_on(client, server)
                back.join()

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_a_server_looks_the_name_of_its_database_up_itself(embedded_server: EmbeddedPostgres) -> None:
    files = ServerFiles(Path("/etc/zava"))
    with (
        by_tcp(embedded_server) as port,
        psycopg.connect(embedded_server.dsn(database="postgres"), host="localhost", port=port) as connection,
    ):
        access = files.access(connection)
    assert conninfo_to_dict(access.dsn) == {
        "host": "localhost",
        "port": str(port),
        "dbname": "postgres",
        "user": "zava_app",
        "passfile": "/etc/zava/passwords",
    }
