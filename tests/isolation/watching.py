"""What an attack does to the machine and to the database, as seen from outside."""

import os
import signal
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import psycopg

Connection = psycopg.Connection[Any]

SECONDS_BETWEEN = 0.05
MEGABYTE = 1 << 20

# Every process of PostgreSQL. Each query of free SQL says in its session's name who asks.
PROCESSES = """
SELECT
    pid,
    CASE WHEN usename = 'zava_app' AND xact_start IS NOT NULL AND application_name ~ '^[0-9a-f]{8}-'
        THEN left(application_name, 36)::uuid END,
    extract(epoch FROM clock_timestamp() - xact_start)::float8
FROM pg_stat_activity
"""

# Everything that could be written, in one line. Statistics are left out: they come and go by themselves.
FINGERPRINT = """
SELECT concat_ws(
    ';',
    (SELECT string_agg(concat_ws(' ', oid, relname, relowner, relacl, relkind, relpersistence, relrowsecurity,
        relforcerowsecurity, relfilenode), ',' ORDER BY oid)
        FROM pg_class WHERE relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)),
    (SELECT md5(string_agg(concat_ws(' ', oid, proowner, proacl, md5(prosrc), prosecdef, provolatile, proconfig), ','
        ORDER BY oid)) FROM pg_proc),
    (SELECT md5(string_agg(concat_ws(' ', attrelid, attnum, attname, attacl), ',' ORDER BY attrelid, attnum))
        FROM pg_attribute WHERE attacl IS NOT NULL),
    (SELECT md5(string_agg(p::text, ',' ORDER BY oid)) FROM pg_policy AS p),
    (SELECT md5(string_agg(a::text, ',' ORDER BY oid)) FROM pg_authid AS a),
    (SELECT md5(string_agg(m::text, ',' ORDER BY m::text)) FROM pg_auth_members AS m),
    (SELECT md5(string_agg(s::text, ',' ORDER BY s::text)) FROM pg_db_role_setting AS s),
    (SELECT md5(string_agg(concat_ws(' ', oid, nspname, nspowner, nspacl), ',' ORDER BY oid)) FROM pg_namespace),
    (SELECT md5(string_agg(concat_ws(' ', datname, datacl, datconnlimit), ',' ORDER BY oid)) FROM pg_database),
    (SELECT md5(string_agg(concat_ws(' ', name, setting), ',' ORDER BY name, setting)) FROM pg_file_settings),
    (SELECT count(*) FROM pg_largeobject_metadata), (SELECT count(*) FROM pg_extension),
    (SELECT count(*) FROM pg_description), (SELECT count(*) FROM pg_seclabels), (SELECT count(*) FROM pg_trigger),
    (SELECT count(*) FROM pg_event_trigger), (SELECT count(*) FROM pg_rewrite), (SELECT count(*) FROM pg_type),
    (SELECT count(*) FROM pg_operator), (SELECT count(*) FROM pg_foreign_server), (SELECT count(*) FROM pg_collation),
    (SELECT count(*) FROM pg_prepared_xacts), (SELECT count(*) FROM pg_cast), (SELECT count(*) FROM pg_statistic_ext),
    -- The server's own rollups take one now and then.
    (SELECT count(*) FROM pg_locks INNER JOIN pg_stat_activity USING (pid)
        WHERE locktype = 'advisory' AND usename <> 'zava_writer')
)
"""
# Whatever is written has another transaction's number.
ROWS = "SELECT count(*), sum(xmin::text::bigint) FROM {}"
TABLES = """
SELECT format('%I.%I', relnamespace::regnamespace, relname) FROM pg_class
WHERE relnamespace IN ('retail'::regnamespace, 'access'::regnamespace) AND relkind = 'r' ORDER BY 1
"""


@dataclass
class Strain:
    """The worst that was seen while one principal's queries ran.

    Attributes:
        megabytes: of one process of PostgreSQL, whichever, private to it.
        seconds: of one transaction of this principal.
        disk: megabytes in temporary files, of all queries together.
        server: megabytes of the process that answers.
    """

    megabytes: float = 0
    seconds: float = 0
    disk: float = 0
    server: float = 0


@dataclass
class Watcher:
    """Looks again and again, in a thread of its own.

    Attributes:
        admin_dsn: of a superuser.
        server_pid: of the process that answers.
        data_dir: of PostgreSQL.
    """

    admin_dsn: str
    server_pid: int
    data_dir: Path
    _strains: dict[UUID, Strain] = field(default_factory=dict)
    _running: dict[int, UUID] = field(default_factory=dict)
    _abandoned: set[int] = field(default_factory=set)
    _done: threading.Event = field(default_factory=threading.Event)
    _failure: list[BaseException] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        for pid in self._abandoned:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert not self._failure, self._failure

    def begin(self, principal_id: UUID) -> Strain:
        """Starts anew for this principal."""
        strain = self._strains[principal_id] = Strain()
        return strain

    def is_running(self, principal_id: UUID) -> bool:
        """Whether a query of this principal was at work a moment ago."""
        return principal_id in self._running.values()

    def abandon(self, principal_id: UUID) -> None:
        """Looks no longer at what this principal has running. It is killed in the end, and PostgreSQL with it."""
        self._abandoned.update(pid for pid, principal in self._running.items() if principal == principal_id)
        self._running = {}

    def _watch(self) -> None:
        try:
            with psycopg.connect(self.admin_dsn, autocommit=True) as connection:
                while not self._done.wait(SECONDS_BETWEEN):
                    self._look(connection)
        except BaseException as error:  # noqa: BLE001 - raised again where the run ends
            self._failure.append(error)

    def _look(self, connection: Connection) -> None:
        found = connection.execute(PROCESSES).fetchall()
        seen = [row for row in found if row[0] not in self._abandoned]
        self._running = {pid: principal for pid, principal, _ in seen if principal}
        for _, principal, seconds in seen:
            if strain := self._strains.get(principal):
                strain.seconds = max(strain.seconds, seconds)
        postgres = max(private_megabytes(pid) for pid, _, _ in seen)
        server, disk = private_megabytes(self.server_pid), self._temporary_megabytes()
        for strain in tuple(self._strains.values()):
            strain.megabytes = max(strain.megabytes, postgres)
            strain.server = max(strain.server, server)
            strain.disk = max(strain.disk, disk)

    def _temporary_megabytes(self) -> float:
        total = 0
        for file in self.data_dir.glob("base/pgsql_tmp/**/*"):
            try:
                total += file.stat().st_size
            except FileNotFoundError:
                continue
        return total / MEGABYTE


def private_megabytes(pid: int) -> float:
    """Memory that this process shares with nobody; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024


@dataclass
class Ledger:
    """Whether anything was written.

    Attributes:
        connection: of a superuser.
    """

    connection: Connection

    def __post_init__(self) -> None:
        self._log_position = self._position()
        self._fingerprint = self.fingerprint()

    def changes(self) -> dict[str, str]:
        """What differs since the last time. Nothing can, while PostgreSQL has logged no write."""
        position = self._position()
        if position == self._log_position:
            return {}
        before, self._fingerprint = self._fingerprint, self.fingerprint()
        self._log_position = self._position()
        return {name: text for name, text in self._fingerprint.items() if before.get(name) != text}

    def fingerprint(self) -> Mapping[str, str]:
        """By table, and of all catalogs together."""
        tables = [table for (table,) in self.connection.execute(TABLES)]
        rows = {table: str(self.connection.execute(ROWS.format(table).encode()).fetchone()) for table in tables}
        return rows | {"catalogs": str(self.connection.execute(FINGERPRINT).fetchone())}

    def _position(self) -> object:
        return self.connection.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
