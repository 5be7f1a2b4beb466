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
    with (cluster / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
        # For a primary that comes back; PostgreSQL would wait for five seconds.
        settings.write("wal_retrieve_retry_interval = '200ms'\n")
    owner = (primary_dir / "postgres").stat()
    for path in (data_dir, *data_dir.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def several(*dsns: str, **others: str) -> str:
    """A connection string of one login that names several hosts."""
    hosts, ports = zip(*((given["host"], given["port"]) for given in map(conninfo_to_dict, dsns)), strict=True)
    return make_conninfo(dsns[0], host=",".join(map(str, hosts)), port=",".join(map(str, ports)), **others)


def kill(data_dir: Path) -> None:
    """Ends the PostgreSQL of this data directory at once, and waits for the end."""
    pid = _postmaster(data_dir)
    os.kill(pid, signal.SIGKILL)
    for _ in range(100):
        if "State:\tZ" in Path(f"/proc/{pid}/status").read_text(encoding="ascii"):
            return
        time.sleep(0.02)
    raise AssertionError("PostgreSQL cannot be killed")


@contextmanager
def frozen(data_dir: Path) -> Iterator[None]:
    """Lets no process of this PostgreSQL's go on."""
    postmaster = _postmaster(data_dir)
    parents = {int(path.parent.name): path.read_text(encoding="utf-8") for path in Path("/proc").glob("[0-9]*/stat")}
    pids = [
        postmaster,
        *(pid for pid, stat in parents.items() if int(stat.rpartition(")")[2].split()[1]) == postmaster),
    ]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0])


def wait_until_followed(primary_dsn: str, standby_dsn: str) -> None:
    """Until the standby has all that the primary has written by now."""
    with (
        psycopg.connect(primary_dsn, autocommit=True) as primary,
        psycopg.connect(standby_dsn, autocommit=True) as standby,
    ):
        written = primary.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
        # A commit behind it, so that it is sent.
        primary.execute("SELECT pg_current_xact_id()")
        for _ in range(200):
            if standby.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written).fetchone() == (True,):
                return
            time.sleep(0.05)
    raise AssertionError("the standby does not follow")
