"""Which of several servers is asked: the standbys that are near enough to the primary, or else the primary."""

import asyncio
import logging
import os
import random
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, LiteralString, TypeAlias
from weakref import WeakSet

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

from zava.adapters.postgres.inspection import UnfitError
from zava.adapters.postgres.sessions import Pool
from zava.adapters.postgres.within import within

logger = logging.getLogger(__name__)

# libpq's word, in a connection string, for what this does.
PREFER_STANDBY = "prefer-standby"
LOOK_EVERY_SECONDS = 1.0
# Who does not answer in so many is left alone.
LOOK_SECONDS = 1.5
# For who answers nothing at all; libpq would wait for ever.
CONNECT_SECONDS = 2

# How far this server has come: the primary in writing, a standby in following. A primary that has nothing to do has
# written up to the end of a page now and then, in the midst of a record that nobody can follow before it is whole: then
# the two pages before do not count, in which such a record begins. What is committed ends elsewhere.
POSITION: LiteralString = """
    SELECT
        here.follows,
        here.bytes - CASE WHEN NOT here.follows AND here.bytes % 8192 = 0 THEN 2 * 8192 ELSE 0 END
    FROM (
        SELECT
            pg_is_in_recovery() AS follows,
            (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0')::bigint
            AS bytes
    ) AS here
"""

# Its name, and its port.
Host: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Position:
    """How far a server has come.

    Attributes:
        standby: whether it follows another one.
        bytes: of the log that it has written, or followed.
    """

    standby: bool
    bytes: int


class Primary:
    """How far the primary had come, and when: by this a standby's delay is a matter of seconds, and not of bytes."""

    def __init__(self, most_seconds: float) -> None:
        self._most_seconds = most_seconds
        self._moments: deque[tuple[float, int]] = deque()

    def see(self, now: float, position: int) -> None:
        """Keeps what is needed of it."""
        self._moments.append((now, position))
        while len(self._moments) > 1 and self._moments[1][0] <= now - self._most_seconds:
            self._moments.popleft()

    def is_followed(self, now: float, position: int, seconds: float) -> bool:
        """Whether a standby at this position lacks nothing that was written so many seconds ago, as far as is known."""
        known = [written for moment, written in self._moments if moment <= now - seconds]
        # In the beginning there is no such moment: then it must have come as far as the primary had at first.
        least = known[-1] if known else self._moments[0][1] if self._moments else 0
        return position >= least


class ReadHosts:
    """The servers that a connection string names, and which of them new connections go to.

    A string with several hosts and target_session_attrs=prefer-standby is looked after. Any other is left to libpq.
    """

    def __init__(self, dsn: str, most_lag: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Hosts in the order of the string, until they have been looked at.

        Args:
            dsn: connection string, password included; never shown.
            most_lag: seconds by which a standby may be behind the primary.
            clock: in seconds.
        """
        self._dsn = dsn
        self._most_lag = most_lag
        self._clock = clock
        self._primary = Primary(most_lag)
        self._hosts = _hosts_of(dsn)
        # Those of the pools, and those by which hosts are looked at.
        self._pooled: WeakSet[psycopg.AsyncConnection[Any]] = WeakSet()
        self._looking: dict[Host, psycopg.AsyncConnection[Any]] = {}
        self._preferred: Sequence[Host] = self._hosts
        self._others: Sequence[Host] = ()
        self._amiss: Sequence[str] = ()

    @property
    def watched(self) -> bool:
        """Whether there is something to choose."""
        return len(self._hosts) > 1

    def conninfo(self) -> str:
        """Where a new connection goes, and after that, when nobody answers there. Standbys share the load."""
        if not self.watched:
            return patient(self._dsn)
        preferred = random.sample(self._preferred, len(self._preferred))
        return self._conninfo(*preferred, *self._others)

    async def join(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Looks after a new connection of a pool's: it is cut off when its host answers no more."""
        self._pooled.add(connection)

    async def look(self) -> bool:
        """Looks how far each host has come, and returns whether others are preferred now."""
        positions = dict(zip(self._hosts, await asyncio.gather(*map(self._position, self._hosts)), strict=True))
        for connection in list(self._pooled):
            if not connection.closed and positions.get((connection.info.host, str(connection.info.port))) is None:
                _cut_off(connection)
        return self.choose(positions)

    def choose(self, positions: Mapping[Host, Position | None]) -> bool:
        """Prefers other hosts, and returns whether they are others.

        Args:
            positions: of each host; None of one that does not answer.
        """
        now = self._clock()
        primaries = [host for host, position in positions.items() if position and not position.standby]
        for host in primaries:
            if position := positions[host]:
                self._primary.see(now, position.bytes)
        standbys = {host: position.bytes for host, position in positions.items() if position and position.standby}
        near = [host for host, position in standbys.items() if self._is_near(host, now, position)]
        # With nobody else left the furthest is asked: what it says of its moment is true.
        left = sorted(standbys, key=lambda host: -standbys[host]) + [
            host for host in self._hosts if not positions[host]
        ]
        preferred, others = (near, primaries) if near else (primaries, []) if primaries else (left[:1], left[1:])
        self._amiss = [
            *(f"{_name(host)} does not answer" for host, position in positions.items() if position is None),
            *(f"{_name(host)} is too far behind the primary" for host in standbys if host not in near),
        ]
        changed = set(preferred) != set(self._preferred)
        self._preferred, self._others = preferred, others
        if changed:
            level = logging.INFO if near else logging.WARNING
            logger.log(level, "Questions go to %s", ", ".join(map(_name, preferred)))
        return changed

    async def check(self) -> None:
        """Raises UnfitError when a host is not asked that should be, as seen by the last look."""
        if self._amiss:
            raise UnfitError("; ".join(self._amiss))

    @asynccontextmanager
    async def watching(self, *pools: Pool) -> AsyncIterator[None]:
        """Looks once, and then again and again, and has these pools connect to whoever is preferred."""
        if not self.watched:
            yield
            return
        await self.look()
        task = asyncio.create_task(self._watch(pools))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            for connection in self._looking.values():
                await connection.close()

    async def _watch(self, pools: Sequence[Pool]) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            if await self.look():
                for pool in pools:
                    await pool.drain()

    def _is_near(self, host: Host, now: float, position: int) -> bool:
        # One that comes back must be nearer than one that goes, lest connections move to and fro.
        asked = host in self._preferred
        return self._primary.is_followed(now, position, self._most_lag if asked else self._most_lag / 2)

    async def _position(self, host: Host) -> Position | None:
        try:
            return await within(LOOK_SECONDS, self._ask(host))
        except (psycopg.Error, TimeoutError):
            if broken := self._looking.pop(host, None):
                await broken.close()
            return None

    async def _ask(self, host: Host) -> Position:
        connection = self._looking.get(host)
        if connection is None:
            connection = self._looking[host] = await psycopg.AsyncConnection.connect(
                self._conninfo(host), autocommit=True, prepare_threshold=None
            )
        ((standby, position),) = await (await connection.execute(POSITION)).fetchall()
        return Position(standby, position)

    def _conninfo(self, *hosts: Host) -> str:
        names, ports = zip(*hosts, strict=True)
        return patient(make_conninfo(self._dsn, host=",".join(names), port=",".join(ports), target_session_attrs="any"))


def patient(dsn: str) -> str:
    """The same connection string, which waits for a host that does not answer no longer than it says or we do."""
    return dsn if "connect_timeout" in _given(dsn) else make_conninfo(dsn, connect_timeout=CONNECT_SECONDS)


def _given(dsn: str) -> dict[str, str]:
    """What the connection string says, and PostgreSQL's variables where it says nothing."""
    defaults = {option.keyword.decode(): (option.val or b"").decode() for option in Conninfo.get_defaults()}
    return {name: value for name, value in defaults.items() if value} | {
        name: str(value) for name, value in conninfo_to_dict(dsn).items()
    }


def _hosts_of(dsn: str) -> Sequence[Host]:
    given = _given(dsn)
    if given.get("target_session_attrs") != PREFER_STANDBY or "host" not in given or "hostaddr" in given:
        return ()
    names, ports = given["host"].split(","), given["port"].split(",")
    return list(zip(names, ports * len(names) if len(ports) == 1 else ports, strict=True))


def _cut_off(connection: psycopg.AsyncConnection[Any]) -> None:
    """Has whoever waits for an answer on this connection be told that there will be none."""
    with suppress(OSError), socket.socket(fileno=os.dup(connection.pgconn.socket)) as line:
        line.shutdown(socket.SHUT_RDWR)


def _name(host: Host) -> str:
    return ":".join(host)
