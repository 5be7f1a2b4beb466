"""A Redis of the tests' own, in a process of its own."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

PASSWORD = "hunter2-of-redis"


@dataclass
class TestRedis:
    """A Redis that can be stopped, held up and started again, on a port that stays the same."""

    __test__ = False

    port: int
    options: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program
        self._process = subprocess.Popen(  # noqa: S603 - Redis itself
            [
                program,
                *("--bind", "127.0.0.1", "--port", str(self.port), "--requirepass", PASSWORD),
                *("--save", "", "--logfile", os.devnull, *self.options),
            ],
            stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        with self.client() as client:
            while True:
                try:
                    client.ping()
                except RedisConnectionError:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                else:
                    return

    def listen_with_tls(self) -> int:
        """The port on which it speaks TLS from now on, with the certificate of its options."""
        port = free_port()
        with self.client() as client:
            client.config_set("tls-port", port)
        return port

    def client(self) -> Redis:
        return Redis(port=self.port, password=PASSWORD)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait(timeout=20)
            self._process = None

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running_redis(*options: str) -> Iterator[TestRedis]:
    """A new Redis. The test is left out where none is installed; CI installs it, and fails without."""
    if shutil.which("redis-server") is None and not os.environ.get("CI"):
        pytest.skip("redis-server is not installed")
    server = TestRedis(free_port(), options)
    server.start()
    try:
        yield server
    finally:
        server.kill()
