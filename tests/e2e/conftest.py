"""The program as people run it: `zava serve` in a process of its own, over a small sample shop."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import IO
from uuid import uuid4

import pytest

from tests.postgres import reachable_folder

SCALE = "0.03"
ZAVA = (sys.executable, "-m", "zava")
# Tests ask faster than people and their assistants do.
UNHURRIED = {"ZAVA_LIMITS__CALLS_PER_SECOND": "1000", "ZAVA_LIMITS__BURST": "1000"}


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without any setting of Zava's, and these.

    Products are not embedded unless a test wants it: that takes a processor ten seconds.
    """
    others = {name: value for name, value in os.environ.items() if not name.startswith("ZAVA_")}
    return others | {"ZAVA_EMBEDDING__PROVIDER": "none"} | variables


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def zava(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(  # noqa: S603 - our own program
        [*ZAVA, *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@dataclass
class Server:
    """A running `zava serve`, what it has said so far, and where it is."""

    process: subprocess.Popen[str]
    url: str
    data_dir: Path
    output: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    listeners: list[threading.Thread] = field(default_factory=list)

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Stops it, and returns the exit code."""
        self.process.send_signal(how)
        code = self.process.wait(timeout=60)
        for listener in self.listeners:
            listener.join(timeout=60)
        return code


def start_server(data_dir: Path, *arguments: str, program: Sequence[str] = ZAVA, **variables: str) -> Server:
    """Starts `zava serve` and waits until it says that it is open."""
    port = free_port()
    process = subprocess.Popen(  # noqa: S603 - our own program
        [*program, "serve", "--port", str(port), "--data-dir", str(data_dir), *arguments],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    server = Server(process, f"http://127.0.0.1:{port}/mcp", data_dir)
    is_open = threading.Event()

    def listen(stream: IO[str], heard: list[str]) -> None:
        with stream:
            for line in stream:
                heard.append(line)
                if "Stop with Ctrl-C" in line:
                    is_open.set()
        is_open.set()

    for stream, heard in ((process.stdout, server.output), (process.stderr, server.errors)):
        assert stream is not None
        server.listeners.append(threading.Thread(target=listen, args=(stream, heard)))
        server.listeners[-1].start()
    assert is_open.wait(timeout=120), "zava serve said nothing for two minutes"
    assert process.poll() is None, "".join(server.errors)
    return server


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """For the data directories of the servers."""
    with reachable_folder() as path:
        yield path


CopyShop = Callable[[str], Path]


@pytest.fixture(scope="session")
def copy_shop(folder: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> CopyShop:
    """Makes a data directory with a sample shop of some scale, by copying what was made once for all workers."""
    base = tmp_path_factory.getbasetemp()
    originals = base if worker_id == "master" else base.parent

    def copy(scale: str) -> Path:
        original = originals / f"shop-{scale}"
        with (originals / "shops.lock").open("w") as lock:
            flock(lock, LOCK_EX)
            if not original.exists():
                # PostgreSQL's system user cannot reach where it is kept.
                made = folder / original.name
                seeded = zava("db", "seed", "--data-dir", str(made), "--scale", scale)
                assert seeded.returncode == 0, seeded.stderr
                made.rename(original)
        own = folder / f"shop-{uuid4().hex[:8]}"
        subprocess.run(["cp", "-a", str(original), str(own)], check=True)  # noqa: S603, S607 - keeps its owners
        return own

    return copy


@pytest.fixture(scope="session")
def shop(copy_shop: CopyShop) -> Iterator[Server]:
    """The sample shop, served over HTTP."""
    server = start_server(copy_shop(SCALE), **UNHURRIED)
    yield server
    assert server.stop() == 0
