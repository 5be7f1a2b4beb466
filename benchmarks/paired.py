"""Servers over one sample shop, of which each answers in turn, and what each has spent on processors meanwhile."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from side_by_side.servers import free_port
from side_by_side.usage import processor_times, spent_milliseconds

from zava.commands.answering import Entrance
from zava.commands.database import Database
from zava.core.model import Principal
from zava.demo.personas import PERSONAS

HOST = "127.0.0.1"
TOKEN = "demo-store-seattle"  # noqa: S105 - the sample shop's


@dataclass(frozen=True)
class SharedShop(Database):
    """The sample shop, of which several servers may answer."""

    def principals(self) -> dict[str, Principal]:
        return {persona.token: Principal(persona.principal_id, persona.name) for persona in PERSONAS}


@dataclass
class PairedServer:
    """A server, and what it has spent since the last look.

    Attributes:
        rounds: milliseconds that a call took in each.
    """

    process: subprocess.Popen[bytes]
    connection: http.client.HTTPConnection
    rounds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._spent = processor_times(self.process.pid, descendants=False)

    def look(self) -> float:
        """Milliseconds that its threads were on processors since the last look."""
        before, self._spent = self._spent, processor_times(self.process.pid, descendants=False)
        return spent_milliseconds(before, self._spent)


def entrance(port: int) -> Entrance:
    """Where such a server is asked."""
    listener = socket.create_server((HOST, port), backlog=128)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Entrance(listener, f"http://{HOST}:{port}/mcp")


@contextmanager
def running_program(file: str, places: Sequence[object], variables: Mapping[str, str]) -> Iterator[PairedServer]:
    """A server that is a process of its own.

    Args:
        file: the program, which serves when it is told --serve, these places, and a port.
        places: of the shop.
        variables: of its environment, where no other settings are.
    """
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ZAVA_", "OTEL_"))}
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, file, "--serve", *map(str, places), str(port)],
        env={**environment, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield PairedServer(process, http.client.HTTPConnection(HOST, port, timeout=60))
    finally:
        process.terminate()
        process.wait(60)


def _wait_for(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection((HOST, port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
