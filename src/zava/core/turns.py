"""Whose turn is it? One principal cannot keep the others waiting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from zava.core.errors import BusyError
from zava.core.model import Principal


@dataclass(slots=True)
class _Queue:
    free: asyncio.Semaphore
    present: int = 0


@dataclass
class Turns:
    """Lets each principal do so many things at once, and keeps so many more of theirs waiting.

    Attributes:
        at_once: things under way for one principal.
        waiting: more of them that wait; any further one is refused.
        patience: seconds that one waits.
    """

    at_once: int
    waiting: int
    patience: float
    _queues: dict[UUID, _Queue] = field(default_factory=dict)

    @asynccontextmanager
    async def of(self, principal: Principal) -> AsyncIterator[None]:
        """A turn of this principal's.

        Raises:
            BusyError: too many are waiting already, or none became free in time.
        """
        queue = self._queues.setdefault(principal.principal_id, _Queue(asyncio.Semaphore(self.at_once)))
        if queue.present >= self.at_once + self.waiting:
            raise self._busy()
        queue.present += 1
        try:
            try:
                async with asyncio.timeout(self.patience):
                    await queue.free.acquire()
            except TimeoutError:
                raise self._busy() from None
            try:
                yield
            finally:
                queue.free.release()
        finally:
            queue.present -= 1
            if not queue.present:
                del self._queues[principal.principal_id]

    def _busy(self) -> BusyError:
        return BusyError(f"{self.at_once} queries of yours are running already. Wait for one of them, then try again.")
