"""The supervisor against the real programs: as root, PostgreSQL runs as the system user `zava`."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from zava.adapters.embedded.binaries import packaged_binaries
from zava.adapters.embedded.processes import is_postmaster, moments
from zava.adapters.embedded.supervisor import AlreadyServing, EmbeddedPostgres, EmbeddedPostgresError

pytestmark = pytest.mark.operations

URL = "http://127.0.0.1:8000/mcp"
AS_ROOT = os.geteuid() == 0
SECONDS_BEFORE_IT_HANGS = 30.0

# Owns or attaches, says so, and stays until its standard input is closed.
COMMAND = """
import sys
from pathlib import Path
from zava.adapters.embedded.supervisor import EmbeddedPostgres

with EmbeddedPostgres(Path(sys.argv[1]), serving_at=sys.argv[2] or None) as postgres:
    print("owner" if postgres.owner else "attached", flush=True)
    sys.stdin.read()
"""

# On Ctrl-C: is PostgreSQL still there for the last words?
INTERRUPTED = """
import sys, time
from pathlib import Path
import psycopg
from zava.adapters.embedded.supervisor import EmbeddedPostgres

with EmbeddedPostgres(Path(sys.argv[1])) as postgres:
    with psycopg.connect(postgres.dsn(database="postgres"), autocommit=True) as connection:
        try:
            print("ready", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            time.sleep(0.2)
            print(connection.execute("SELECT 'still here'").fetchone()[0], flush=True)
"""

# Everything is imported before root is given up, for the interpreter itself may lie below /root.
AS_NOBODY = """
import os, pwd, sys
from pathlib import Path
import psycopg
from zava.adapters.embedded.supervisor import EmbeddedPostgres

if os.geteuid() == 0:
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
with EmbeddedPostgres(Path(sys.argv[1]), binary_dir=Path(sys.argv[2])) as postgres:
    with psycopg.connect(postgres.dsn(database="postgres")) as connection:
        print(os.geteuid(), connection.execute("SELECT 'answered'").fetchone()[0])
"""

UNDER_A_FILE_SIZE_LIMIT = """
import resource, sys
from pathlib import Path
from zava.adapters.embedded.supervisor import EmbeddedPostgres, EmbeddedPostgresError

resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, 4_000_000))
try:
    with EmbeddedPostgres(Path(sys.argv[1])):
        pass
except EmbeddedPostgresError as error:
    print(error)
"""


@contextmanager
def _reachable_place() -> Iterator[Path]:
    """Pytest's own temporary directories are closed to the system user, and too long for a socket."""
    place = Path(tempfile.mkdtemp(prefix="zava-", dir="/tmp"))
    try:
        place.chmod(0o711)
        yield place
    finally:
        shutil.rmtree(place)


@pytest.fixture
def place() -> Iterator[Path]:
    with _reachable_place() as directory:
        yield directory


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """One cold start for all tests that leave the directory as they found it."""
    with _reachable_place() as directory:
        with EmbeddedPostgres(directory / "data"):
            pass
        yield directory / "data"


@pytest.fixture(scope="module")
def copied_programs() -> Iterator[Path]:
    """A copy in a directory whose mode a test may choose."""
    package = packaged_binaries().parent.parent
    libraries = f"{package.name}.libs"
    with _reachable_place() as directory:
        binaries = directory / package.name / "pginstall" / "bin"
        binaries.mkdir(parents=True)
        for program in ("postgres", "initdb"):
            shutil.copy2(packaged_binaries() / program, binaries)
        for part in ("lib", "share"):
            source = packaged_binaries().with_name(part)
            shutil.copytree(source, binaries.with_name(part), ignore=shutil.ignore_patterns("*.a", "pgxs"))
        shutil.copytree(package.with_name(libraries), directory / libraries)
        yield binaries


@contextmanager
def _python(script: str, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-W", "error", "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    _release(process)
    try:
        process.wait(SECONDS_BEFORE_IT_HANGS)
    except subprocess.TimeoutExpired:
        process.kill()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _release(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()


def _ask(postgres: EmbeddedPostgres, question: LiteralString) -> object:
    with psycopg.connect(postgres.dsn(database="postgres")) as connection:
        row = connection.execute(question).fetchone()
    return row and row[0]


def _postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split("\n")[0])


def _eventually(condition: Callable[[], bool]) -> bool:
    return any(condition() for _ in moments(SECONDS_BEFORE_IT_HANGS))


def _continue_later(pid: int) -> subprocess.Popen[bytes]:
    """Wake a stopped process in a moment, while we wait for it."""
    return subprocess.Popen(["/bin/sh", "-c", f"sleep 0.5; kill -CONT {pid}"])  # noqa: S603 - a number


def _fingerprint(directory: Path) -> list[tuple[str, int, int, int, int]]:
    return sorted(
        (str(path), (found := path.lstat()).st_mtime_ns, found.st_mode, found.st_uid, found.st_size)
        for path in (directory, *directory.rglob("*"))
    )


def test_a_cold_start_makes_a_cluster_and_a_warm_start_finds_its_data_again(place: Path) -> None:
    # given
    with EmbeddedPostgres(place / "new" / "data") as postgres:
        assert postgres.owner
        with psycopg.connect(postgres.dsn(database="postgres")) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")

    # when
    with EmbeddedPostgres(place / "new" / "data") as postgres:
        # then
        assert _ask(postgres, "SELECT answer FROM kept") == 42
        assert str(_ask(postgres, "SHOW server_version")) == postgres.version
        assert _ask(postgres, "SELECT current_setting('server_encoding') || current_setting('fsync')") == "UTF8on"
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(postgres.dsn(database="postgres", password="guessed"))
    assert not postgres.owner


def test_another_command_attaches_and_leaves_the_server_running(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, serving_at=URL) as server:
        with EmbeddedPostgres(data_dir) as command:
            assert not command.owner
            assert _ask(command, "SELECT 1") == 1
        assert _ask(server, "SELECT 1") == 1


def test_a_second_server_is_refused_with_the_url_of_the_first(data_dir: Path) -> None:
    with _python(COMMAND, data_dir, URL) as first:
        assert _line(first) == "owner"
        with (
            pytest.raises(AlreadyServing, match="stop it first") as refused,
            EmbeddedPostgres(data_dir, serving_at="http://127.0.0.1:9000/mcp"),
        ):
            pass
    assert refused.value.url == URL
    assert URL in str(refused.value)


def test_a_server_waits_for_a_short_command_to_end(data_dir: Path) -> None:
    with _python(COMMAND.replace("sys.stdin.read()", "import time; time.sleep(0.7)"), data_dir, "") as command:
        assert _line(command) == "owner"
        with EmbeddedPostgres(data_dir, serving_at=URL) as server:
            assert server.owner
            assert _ask(server, "SELECT 1") == 1


@pytest.mark.parametrize("serving_at", [URL, None])
def test_a_start_waits_for_an_owner_that_is_closing(data_dir: Path, serving_at: str | None) -> None:
    with _python(COMMAND, data_dir, URL) as closing:
        assert _line(closing) == "owner"
        postmaster = _postmaster(data_dir)
        os.kill(postmaster, signal.SIGSTOP)
        _release(closing)
        assert _eventually(lambda: '"closing"' in (data_dir / "owner.lock").read_text())
        with _continue_later(postmaster), EmbeddedPostgres(data_dir, serving_at=serving_at) as successor:
            assert successor.owner
            assert _postmaster(data_dir) != postmaster


def test_of_two_that_start_at_the_same_time_one_owns_and_the_other_attaches(place: Path) -> None:
    with _python(COMMAND, place / "data", "") as one, _python(COMMAND, place / "data", "") as other:
        assert sorted([_line(one), _line(other)]) == ["attached", "owner"]


def test_a_killed_owner_leaves_no_postgres_behind(data_dir: Path) -> None:
    with _python(COMMAND, data_dir, URL) as owner:
        assert _line(owner) == "owner"
        postmaster = _postmaster(data_dir)
        assert is_postmaster(postmaster, data_dir / "postgres")
        owner.kill()
        assert _eventually(lambda: not is_postmaster(postmaster, data_dir / "postgres"))
    # not merely gone: closed, with its last checkpoint written
    assert (data_dir / "postgres.log").read_text().strip().endswith("database system is shut down")


def test_after_a_kill_the_next_start_waits_for_the_old_server_to_close(data_dir: Path) -> None:
    with _python(COMMAND, data_dir, URL) as owner:
        assert _line(owner) == "owner"
        postmaster = _postmaster(data_dir)
        os.kill(postmaster, signal.SIGSTOP)
        owner.kill()
    with _continue_later(postmaster), EmbeddedPostgres(data_dir, serving_at=URL) as successor:
        assert successor.owner
        assert not is_postmaster(postmaster, data_dir / "postgres")
        assert _ask(successor, "SELECT 1") == 1


def test_control_c_reaches_us_and_postgres_is_stopped_by_us_in_good_order(data_dir: Path) -> None:
    with _python(INTERRUPTED, data_dir) as command:
        assert _line(command) == "ready"
        os.killpg(command.pid, signal.SIGINT)
        assert _line(command) == "still here"
        assert command.wait(SECONDS_BEFORE_IT_HANGS) == 0
    assert (data_dir / "postgres.log").read_text().strip().endswith("database system is shut down")


def test_an_interrupted_set_up_leaves_no_half_cluster(place: Path) -> None:
    data_dir = place / "data"
    with _python(COMMAND, data_dir, "") as interrupted:
        assert _eventually(lambda: any(data_dir.glob(".unfinished-*/PG_VERSION")))
        interrupted.kill()
    assert not (data_dir / "postgres").exists()
    with EmbeddedPostgres(data_dir) as postgres:
        assert _ask(postgres, "SELECT 1") == 1
    assert not list(data_dir.glob(".unfinished-*"))


def test_a_full_disk_at_set_up_is_named_and_the_next_start_recovers(place: Path) -> None:
    disk = place / "disk"
    disk.mkdir()
    disk.chmod(0o711)
    mounted = _mount("-t", "tmpfs", "-o", "size=20m,mode=0711", "tmpfs", disk)
    try:
        assert "is full" in (_refusal(disk / "data") if mounted else _refusal_under_a_limit(disk / "data"))
        assert not (disk / "data" / "postgres").exists()
        assert not mounted or _mount("-o", "remount,size=300m", disk)
        with EmbeddedPostgres(disk / "data") as postgres:
            assert _ask(postgres, "SELECT 1") == 1
    finally:
        if mounted:
            subprocess.run(["/bin/umount", disk], check=True)  # noqa: S603 - our own path


def _mount(*arguments: str | Path) -> bool:
    """False where we may not."""
    done = subprocess.run(["/bin/mount", *arguments], check=False, stderr=subprocess.DEVNULL)  # noqa: S603
    return done.returncode == 0


def _refusal(data_dir: Path) -> str:
    with pytest.raises(EmbeddedPostgresError) as refused, EmbeddedPostgres(data_dir):
        pass
    return str(refused.value)


def _refusal_under_a_limit(data_dir: Path) -> str:
    """Where we may not mount a small disk: no file may grow beyond 4 MB."""
    with _python(UNDER_A_FILE_SIZE_LIMIT, data_dir) as limited:
        return _line(limited)


def test_a_parent_that_the_server_may_not_enter_is_named_and_keeps_its_mode(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir()
    mode = 0o700 if AS_ROOT else 0o000
    closed.chmod(mode)
    message = _refusal(closed / "data")
    assert str(closed) in message
    assert "--data-dir" in message
    assert stat.S_IMODE(closed.stat().st_mode) == mode
    closed.chmod(0o700)
    assert not list(closed.iterdir())


def test_the_directory_of_another_version_is_refused_and_untouched(place: Path) -> None:
    (place / "data" / "postgres" / "base").mkdir(parents=True)
    (place / "data" / "postgres" / "PG_VERSION").write_text("17\n")
    before = _fingerprint(place / "data" / "postgres")
    message = _refusal(place / "data")
    assert "PostgreSQL 17" in message
    assert "PostgreSQL 18" in message
    assert "move the directory away" in message
    assert _fingerprint(place / "data" / "postgres") == before


def test_a_directory_with_other_peoples_files_is_refused_and_untouched(place: Path) -> None:
    (place / "letters").mkdir()
    (place / "letters" / "to-anna.txt").write_text("Dear Anna")
    before = _fingerprint(place / "letters")
    assert "neither empty nor a data directory of Zava" in _refusal(place / "letters")
    assert _fingerprint(place / "letters") == before


def test_secrets_are_kept_and_closed_to_others(data_dir: Path) -> None:
    postgres = EmbeddedPostgres(data_dir)
    secret = postgres.secret("signing-key")
    assert len(secret) >= 43
    assert EmbeddedPostgres(data_dir).secret("signing-key") == secret
    assert postgres.secret_file("signing-key").read_text() == secret
    assert stat.S_IMODE(postgres.secret_file("signing-key").stat().st_mode) == 0o600
    assert stat.S_IMODE(postgres.secret_file("signing-key").parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert not list((data_dir / "secrets").glob(".*"))


def test_processes_that_need_a_secret_at_the_same_time_see_the_same(place: Path) -> None:
    script = """
import sys
from pathlib import Path
from zava.adapters.embedded.supervisor import EmbeddedPostgres
postgres = EmbeddedPostgres(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.read()
print(postgres.secret("shared"), flush=True)
"""
    with _python(script, place / "data") as one, _python(script, place / "data") as other:
        assert _line(one) == _line(other) == "ready"
        _release(one)
        _release(other)
        assert _line(one) == _line(other) != ""


def test_no_secret_shows_in_the_process_list_or_the_log(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as postgres:
        secret = postgres.secret("role")
        change = sql.SQL("ALTER ROLE nobody_of_that_name PASSWORD {}").format(secret)
        with psycopg.connect(postgres.dsn(database="postgres"), autocommit=True) as connection:
            with pytest.raises(psycopg.errors.UndefinedObject):
                connection.execute(change)
            with pytest.raises(psycopg.errors.DivisionByZero):
                connection.execute("SELECT length(%s) / 0", [secret])
            processes = subprocess.run(["/bin/ps", "axww"], check=True, capture_output=True, text=True).stdout
    log = (data_dir / "postgres.log").read_text()
    assert "nobody_of_that_name" in log
    assert str(data_dir) in processes
    for hidden in (secret, postgres.secret("superuser")):
        assert hidden not in log
        assert hidden not in processes


def test_postgres_inherits_none_of_our_files(data_dir: Path) -> None:
    with _python(COMMAND, data_dir, URL) as owner:  # whose standard streams are pipes, like an MCP server's
        assert _line(owner) == "owner"
        files = Path("/proc") / str(_postmaster(data_dir)) / "fd"
        opened = {file.name: str(file.readlink()) for file in files.iterdir()}
    assert (opened["0"], opened["1"], opened["2"]) == ("/dev/null", *(str(data_dir / "postgres.log"),) * 2)
    ours = [target for target in opened.values() if not target.startswith(("socket:", "pipe:", "anon_inode:"))]
    assert set(ours) == {"/dev/null", str(data_dir / "postgres.log")}


def test_a_user_without_privileges_can_run_it(place: Path, copied_programs: Path) -> None:
    place.chmod(0o1777)
    copied_programs.parents[2].chmod(0o711)
    with _python(AS_NOBODY, place / "data", copied_programs) as process:
        user, answer = _line(process).split()
        assert process.wait(SECONDS_BEFORE_IT_HANGS) == 0
    assert answer == "answered"
    assert user != "0"


def test_programs_that_the_system_user_cannot_run_are_copied_once(data_dir: Path, copied_programs: Path) -> None:
    copied_programs.parents[2].chmod(0o700)
    copies = []
    for _ in range(2):
        with EmbeddedPostgres(data_dir, binary_dir=copied_programs) as postgres:
            assert _ask(postgres, "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'") == 1
        copies.append(_fingerprint(data_dir / "binaries") if AS_ROOT else [])
    assert bool(copies[0]) == AS_ROOT
    assert copies[0] == copies[1]


def test_a_server_that_does_not_start_is_quoted_and_starts_once_that_is_put_right(data_dir: Path) -> None:
    configuration = data_dir / "postgres" / "postgresql.auto.conf"
    right = configuration.read_text()
    configuration.write_text("nonsense = 1\n")
    try:
        assert 'unrecognized configuration parameter "nonsense"' in _refusal(data_dir)
    finally:
        configuration.write_text(right)
    with EmbeddedPostgres(data_dir) as postgres:
        assert _ask(postgres, "SELECT 1") == 1


def test_a_lost_password_is_said_to_be_lost(data_dir: Path) -> None:
    password = data_dir / "secrets" / "superuser"
    password.rename(data_dir / "kept")
    try:
        assert "restore the file" in _refusal(data_dir)
    finally:
        (data_dir / "kept").replace(password)


def test_missing_programs_are_said_to_be_missing(place: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match=r"pip install 'zava\[embedded\]'"):
        EmbeddedPostgres(place / "data", binary_dir=place).__enter__()


def test_the_log_does_not_grow_without_bound(data_dir: Path) -> None:
    os.truncate(data_dir / "postgres.log", 11_000_000)
    with EmbeddedPostgres(data_dir):
        assert (data_dir / "postgres.log").stat().st_size < 100_000
    assert (data_dir / "postgres.log.1").stat().st_size == 11_000_000
