"""A real standby of a PostgreSQL of the tests' own."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from zava.adapters.embedded.binaries import packaged_binaries
from zava.adapters.embedded.supervisor import EmbeddedPostgres


@contextmanager
def standby_of(primary: EmbeddedPostgres, primary_dir: Path, data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """A server that follows another one, in a data directory of its own."""
    copy_to_follow(primary, primary_dir, data_dir)
    with EmbeddedPostgres(data_dir) as standby:
        yield standby


def copy_to_follow(primary: EmbeddedPostgres, primary_dir: Path, data_dir: Path) -> None:
    """Makes the data directory of a standby."""
    cluster = data_dir / "postgres"
    data_dir.mkdir()
    shutil.copytree(primary_dir / "secrets", data_dir / "secrets")
    where = conninfo_to_dict(primary.dsn())
    subprocess.run(  # noqa: S603 - PostgreSQL's own program
        [
            packaged_binaries() / "pg_basebackup",
            *("--pgdata", str(cluster), "--checkpoint", "fast", "--write-recovery-conf", "--no-sync"),
            *("--host", str(where["host"]), "--username", str(where["user"])),
        ],
        env=os.environ | {"PGPASSWORD": str(where["password"])},
        check=True,
        timeout=100,
    )
    owner = (primary_dir / "postgres").stat()
    for path in (data_dir, *data_dir.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def several(*dsns: str, **others: str) -> str:
    """A connection string of one login that names several hosts."""
    hosts, ports = zip(*((given["host"], given["port"]) for given in map(conninfo_to_dict, dsns)), strict=True)
    return make_conninfo(dsns[0], host=",".join(map(str, hosts)), port=",".join(map(str, ports)), **others)


def kill(data_dir: Path, how: signal.Signals = signal.SIGKILL) -> None:
    """Sends this to the PostgreSQL of a data directory, and waits for the end of it when that must come."""
    pid_file = data_dir / "postgres" / "postmaster.pid"
    pid = int(pid_file.read_text(encoding="ascii").split("\n", 1)[0])
    os.kill(pid, how)
    if how == signal.SIGKILL:
        for _ in range(100):
            if "State:\tZ" in Path(f"/proc/{pid}/status").read_text(encoding="ascii"):
                break
            time.sleep(0.02)


def wait_until_followed(primary_dsn: str, standby_dsn: str) -> None:
    """Until the standby has all that the primary has written by now."""
    with psycopg.connect(primary_dsn) as primary, psycopg.connect(standby_dsn, autocommit=True) as standby:
        written = primary.execute("SELECT pg_current_wal_lsn()").fetchone()
        for _ in range(200):
            if standby.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written).fetchone() == (True,):
                return
            time.sleep(0.05)
    raise AssertionError("the standby does not follow")
