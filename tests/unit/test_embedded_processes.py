"""What of the embedded PostgreSQL's supervision can be seen without a PostgreSQL."""

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from zava.adapters.embedded.accounts import Account
from zava.adapters.embedded.data_directory import DataDirectory
from zava.adapters.embedded.errors import EmbeddedPostgresError, explained
from zava.adapters.embedded.ownership import Holder, OwnerLock
from zava.adapters.embedded.processes import dismiss, is_postmaster, watchdog
from zava.adapters.embedded.supervisor import EmbeddedPostgres, default_data_dir, refuse_platform

OURSELVES = Account(os.geteuid(), os.getegid())
PATIENCE = 20


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    (tmp_path / "owner.lock").touch()
    return tmp_path / "owner.lock"


def test_the_watchdog_interrupts_the_postmaster_when_the_pipe_closes(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as postmaster:
        (tmp_path / "postmaster.pid").write_text(f"{postmaster.pid}\nmore\n")
        with watchdog(tmp_path / "postmaster.pid", OURSELVES) as dog:
            assert dog.stdin is not None
            dog.stdin.close()  # as the kernel does when we die
            assert postmaster.wait(PATIENCE) == -signal.SIGINT


def test_a_dismissed_watchdog_signals_nobody(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as postmaster:
        (tmp_path / "postmaster.pid").write_text(f"{postmaster.pid}\n")
        dog = watchdog(tmp_path / "postmaster.pid", OURSELVES)
        dismiss(dog)
        assert dog.returncode == -signal.SIGKILL
        assert postmaster.poll() is None
        postmaster.kill()


def test_a_number_that_is_somebody_elses_by_now_is_no_postmaster(tmp_path: Path) -> None:
    assert not is_postmaster(os.getpid(), tmp_path)


def test_only_one_holds_the_lock_and_the_others_see_who(lock_file: Path) -> None:
    first, second = OwnerLock(lock_file), OwnerLock(lock_file)
    assert first.acquire()
    first.announce("http://127.0.0.1:8000/mcp", "running")
    assert not second.acquire()
    assert second.holder() == Holder(os.getpid(), "http://127.0.0.1:8000/mcp", "running")
    first.announce(None, "closing")
    assert second.holder() == Holder(os.getpid(), None, "closing")
    first.close()
    first.close()
    assert second.acquire()
    second.close()


def test_the_note_of_a_process_that_is_gone_or_cannot_be_read_names_nobody(lock_file: Path) -> None:
    lock = OwnerLock(lock_file)
    with subprocess.Popen(["/bin/true"]) as gone:
        pass
    for note in (f'{{"pid": {gone.pid}, "url": "http://gone", "state": "running"}}', "", '{"pid": 1', "[]"):
        lock_file.write_text(note)
        assert lock.holder() is None
    lock.close()


def test_a_path_too_long_for_a_socket_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 30)
    with pytest.raises(EmbeddedPostgresError, match="too long for a socket"):
        DataDirectory(directory).prepared_for()
    assert not directory.exists()


def test_a_path_with_a_comma_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="comma"):
        DataDirectory(tmp_path / "a,b").prepared_for()


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a b"])
def test_a_secret_cannot_be_named_outside_its_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a name of a secret"):
        EmbeddedPostgres(tmp_path).secret_file(name)


def test_it_is_started_from_the_main_thread_only(tmp_path: Path) -> None:
    heard: list[str] = []

    def start() -> None:
        try:
            EmbeddedPostgres(tmp_path).__enter__()
        except EmbeddedPostgresError as error:
            heard.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert heard == ["The embedded PostgreSQL must be started from the main thread."]


def test_windows_is_refused_with_a_way_out() -> None:
    with pytest.raises(EmbeddedPostgresError, match="ZAVA_DATABASE__DSN"):
        refuse_platform("win32")


def test_a_refused_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="No permission for /somewhere"), explained(tmp_path):
        raise PermissionError(13, "Permission denied", "/somewhere")


def test_the_default_directory_is_a_system_one_for_root_only() -> None:
    assert (default_data_dir() == Path("/var/lib/zava")) == (os.geteuid() == 0)
