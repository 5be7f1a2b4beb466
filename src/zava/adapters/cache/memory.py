"""What this process remembers."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from cachetools import TLRUCache

from zava.core.ports import Cache


class _Entry(NamedTuple):
    value: bytes
    size: int
    ttl: float


@dataclass(slots=True)
class _Computation:
    task: asyncio.Task[bytes]
    waiting: int = 0


class InMemoryCache(Cache):
    """Bounded in bytes: what was asked for least recently goes first. Belongs to one event loop."""

    def __init__(
        self, max_bytes: int = 16 * 2**20, ttl: float = 300, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Empty.

        Args:
            max_bytes: of keys and values together, as Python holds them. A larger value is not kept.
            ttl: seconds for which a value is kept unless its question says otherwise.
            clock: seconds that only grow.
        """
        self._ttl = ttl
        self._kept = TLRUCache[str, _Entry, float](
            max_bytes, lambda _, entry, now: now + entry.ttl, clock, lambda entry: entry.size
        )
        self._computations: dict[str, _Computation] = {}

    async def get_or_compute(
        self, key: str, compute: Callable[[], Awaitable[bytes]], ttl: float | None = None
    ) -> bytes:
        if entry := self._kept.get(key):
            return entry.value
        computation = self._computations.get(key) or self._start(key, compute, self._ttl if ttl is None else ttl)
        computation.waiting += 1
        try:
            # Unlike awaiting the task, this does not cancel it along with one who waits.
            await asyncio.wait([computation.task])
        finally:
            computation.waiting -= 1
            if not computation.waiting and not computation.task.done():
                self._forget(key, computation)
                computation.task.cancel()
        return computation.task.result()

    async def close(self) -> None:
        """There is nothing to leave."""

    def _start(self, key: str, compute: Callable[[], Awaitable[bytes]], ttl: float) -> _Computation:
        async def compute_and_keep() -> bytes:
            value = await compute()
            self._keep(key, value, ttl)
            return value

        computation = self._computations[key] = _Computation(asyncio.create_task(compute_and_keep()))

        def end(task: asyncio.Task[bytes]) -> None:
            self._forget(key, computation)
            if not task.cancelled():
                task.exception()  # seen, even if nobody waits any more

        computation.task.add_done_callback(end)
        return computation

    def _forget(self, key: str, computation: _Computation) -> None:
        if self._computations.get(key) is computation:  # and not the next one
            del self._computations[key]

    def _keep(self, key: str, value: bytes, ttl: float) -> None:
        size = sys.getsizeof(key) + sys.getsizeof(value)
        if size <= self._kept.maxsize:
            self._kept[key] = _Entry(value, size, ttl)
