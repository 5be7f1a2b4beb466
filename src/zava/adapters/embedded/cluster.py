"""One PostgreSQL cluster in the data directory: made once, started with our settings, waited for."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from zava.adapters.embedded.data_directory import DataDirectory, open_private
from zava.adapters.embedded.errors import EmbeddedPostgresError, disk_is_full, speaks_of_full_disk
from zava.adapters.embedded.processes import dismiss, is_postmaster, moments, spawn, stop, watchdog

_BIGGEST_LOG = 10_000_000
_TOO_LITTLE_SPACE = 1_000_000
_SECONDS_TO_CLOSE = 60

SETTINGS = {
    "listen_addresses": "",  # the socket only: no port to find, to guard or to collide with
    "unix_socket_permissions": "0700",
    "max_connections": "60",  # two pools and the commands beside them
    "shared_buffers": "256MB",  # holds the sample shop and its indexes
    "work_mem": "16MB",  # monthly groupings over all shops sort in memory
    "jit": "off",  # compiling costs more than our queries take
    "huge_pages": "off",  # gain little at this size, and a container's limit on them kills the server
    "random_page_cost": "1.1",  # solid state disks
    "max_wal_size": "2GB",  # loading the sample shop without forced checkpoints
    "checkpoint_timeout": "15min",
    "timezone": "UTC",  # days must not depend on where the server runs
    "log_timezone": "UTC",
    "logging_collector": "off",  # our file descriptor is the log
    "log_parameter_max_length": "0",  # parameters are customers' data
    "log_parameter_max_length_on_error": "0",
    "log_min_error_statement": "panic",  # a failed statement may hold a password or a customer's words
}


class Cluster:
    def __init__(self, directory: DataDirectory, binaries: Path, version: str) -> None:
        self._directory = directory
        self._binaries = binaries
        self._version = version
        self._process: subprocess.Popen[str] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def refuse_other_version(self) -> None:
        path = self._directory.cluster
        marker = path / "PG_VERSION"
        if not marker.exists():
            return
        found, ours = marker.read_text().strip(), self._version.partition(".")[0]
        if found != ours:
            raise EmbeddedPostgresError(
                f"{path} was made by PostgreSQL {found}, and the programs here are PostgreSQL {ours}. "
                f"The data is untouched: move the directory away, or use the programs of PostgreSQL {found}."
            )

    def wait_for_predecessor(self) -> None:
        """A killed owner frees its lock while its server still writes the last checkpoint."""
        pid = self._postmaster_pid()
        if pid is None or not is_postmaster(pid, self._directory.cluster):
            return
        os.kill(pid, signal.SIGINT)  # nobody supervises it; where it is closing already, nothing changes
        for _ in moments(_SECONDS_TO_CLOSE):
            if not is_postmaster(pid, self._directory.cluster):
                return
        raise EmbeddedPostgresError(
            f"The PostgreSQL of an earlier run (process {pid}) is still closing after {_SECONDS_TO_CLOSE} "
            "seconds: try again later, or end that process."
        )

    def _postmaster_pid(self) -> int | None:
        try:
            return int((self._directory.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def create_if_missing(self, password_file: Path) -> None:
        self._directory.remove_unfinished()
        if (self._directory.cluster / "PG_VERSION").exists():
            return
        if self._directory.cluster.exists() and any(self._directory.cluster.iterdir()):
            raise EmbeddedPostgresError(f"{self._directory.cluster} is no PostgreSQL cluster: move it away.")
        with self._directory.unfinished() as place:
            self._initdb(place, password_file)
            place.rename(self._directory.cluster)

    def _initdb(self, place: Path, password_file: Path) -> None:
        arguments: list[str | Path] = [
            *(self._binaries / "initdb", "-D", place, "-U", "postgres"),
            *("--auth=scram-sha-256", f"--pwfile={password_file}"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"),
        ]
        account = self._directory.prepared_for()
        with spawn(arguments, account=account, output=subprocess.PIPE, at_our_death=signal.SIGKILL) as process:
            try:
                output, _ = process.communicate()
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            raise self._failure("initdb could not set up the data directory", output)

    def launch(self) -> None:
        account = self._directory.prepared_for()
        sockets = str(self._directory.path).replace('"', '""')
        settings = {**SETTINGS, "unix_socket_directories": f'"{sockets}"'}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        arguments: list[str | Path] = [self._binaries / "postgres", "-D", self._directory.cluster, *options]
        log = self._opened_log()
        try:
            self._log_start = os.fstat(log).st_size
            # SIGINT is PostgreSQL's fast shutdown.
            self._process = spawn(arguments, account=account, output=log, at_our_death=signal.SIGINT)
        finally:
            os.close(log)
        if sys.platform != "linux":
            self._watchdog = watchdog(self._directory.cluster / "postmaster.pid", account)

    def _opened_log(self) -> int:
        log = self._directory.log
        if log.exists() and log.stat().st_size > _BIGGEST_LOG:
            log.replace(log.with_name(f"{log.name}.1"))
        return open_private(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, self._directory.prepared_for())

    def refuse_if_ended(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            raise self._failure("PostgreSQL ended while it started", self._log_since_start())

    def _log_since_start(self) -> str:
        with self._directory.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def _failure(self, problem: str, output: str) -> EmbeddedPostgresError:
        free = shutil.disk_usage(self._directory.path).free
        if speaks_of_full_disk(output) or free < _TOO_LITTLE_SPACE:
            return disk_is_full(self._directory.path)
        last_lines = "\n".join(output.strip().splitlines()[-12:])
        return EmbeddedPostgresError(f"{problem} (log: {self._directory.log}). Its last words:\n{last_lines}")

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process)
            self._process = None
        if self._watchdog is not None:
            dismiss(self._watchdog)
            self._watchdog = None
