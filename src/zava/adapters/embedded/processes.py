"""Child processes that never touch our standard streams and never outlive us."""

import ctypes
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from zava.adapters.embedded.accounts import Account

_PR_SET_PDEATHSIG = 1
# Nothing of our environment: neither keys meant for us nor PG* variables meant for psql.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
# Of a process of its own: work_mem bounds sorts and hashes, and nothing else bounds a value that grows.
_MOST_MEMORY = 512 * 1024 * 1024
_PATIENCE = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))


def moments(seconds: float, pause: float = 0.02) -> Iterator[None]:
    """Yield until the time is up, pausing in between."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(pause)


def spawn(
    arguments: Sequence[str | Path], *, account: Account, output: int, at_our_death: signal.Signals
) -> subprocess.Popen[str]:
    """Start a program as the account, in a session of its own: Ctrl-C in the terminal does not reach it."""
    return subprocess.Popen(  # noqa: S603 - our own binaries and arguments
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",  # ours may be closed to the account
        env=_ENVIRONMENT,
        start_new_session=True,
        preexec_fn=_bounded_and_following_us(at_our_death),  # noqa: PLW1509 - started before other threads exist
        text=True,
        errors="replace",
        **account.identity(),
    )


def _bounded_and_following_us(at_our_death: signal.Signals) -> Callable[[], None] | None:
    """For the child between fork and exec: bound its memory, and have the kernel send a signal once we die.

    Even of `kill -9`.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # loaded now: the child must not import or allocate more than it has to
    parent = os.getpid()

    def follow() -> None:
        # Inherited by each of its processes. Shared memory is not counted; one value may not take all the rest.
        resource.setrlimit(resource.RLIMIT_DATA, (_MOST_MEMORY, _MOST_MEMORY))
        prctl(_PR_SET_PDEATHSIG, at_our_death)
        if os.getppid() != parent:  # died before the kernel knew
            os._exit(1)

    return follow


def end_with(parent: int, at_its_death: signal.Signals) -> None:
    """Has the kernel send this process a signal when its parent dies. Where it cannot, nothing happens."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, at_its_death)
    if os.getppid() != parent:  # died before the kernel knew
        os._exit(1)


def watchdog(pid_file: Path, account: Account) -> subprocess.Popen[bytes]:
    """For systems without prctl (macOS; written for, untested there): a shell that reads a pipe only we hold.

    Our death closes the pipe; the shell then asks the postmaster to stop. Otherwise see `dismiss`.
    """
    script = 'read -r _; kill -INT "$(head -n 1 "$0")"'
    return subprocess.Popen(  # noqa: S603 - a constant script
        ["/bin/sh", "-c", script, pid_file],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=_ENVIRONMENT,
        start_new_session=True,
        **account.identity(),
    )


def dismiss(dog: subprocess.Popen[bytes]) -> None:
    """Before its pipe closes: there is nobody left to signal."""
    dog.kill()
    dog.communicate()


def stop(process: subprocess.Popen[str]) -> None:
    """Fast shutdown (clients are disconnected, a checkpoint is written); then less and less politely."""
    for sent, patience in _PATIENCE:
        process.send_signal(sent)  # does nothing once the process has ended
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        return


def memory_bound(pid: int) -> int | None:
    """How many bytes of its own the kernel lets a process have; None where there is no bound, or none to be seen."""
    try:
        # Open to everybody; prlimit() is not, even to root in a container.
        limits = (Path("/proc") / str(pid) / "limits").read_text()
    except OSError:
        return None
    bound = re.search(r"^Max data size +(\d+)", limits, re.MULTILINE)
    return int(bound[1]) if bound else None


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_postmaster(pid: int, cluster: Path) -> bool:
    """Whether this process is a postgres of that cluster: a left-over number may be anyone's by now."""
    program, _, rest = _command_line(pid).partition(" -D ")
    return program.endswith("postgres") and rest.startswith(f"{cluster} ")


def _command_line(pid: int) -> str:
    if sys.platform == "linux":
        try:
            # A zombie's is empty: it has ended, whether or not somebody collects it.
            return os.fsdecode((Path("/proc") / str(pid) / "cmdline").read_bytes()).replace("\0", " ")
        except OSError:
            return ""
    listed = subprocess.run(  # noqa: S603 - a number
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return listed.stdout
