"""Whose turn is it? One principal cannot keep the others waiting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
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
        in_all: things under way for everybody together; None where something else bounds them.
    """

    at_once: int
    waiting: int
    patience: float
    in_all: int | None = None
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
            async with AsyncExitStack() as held:
                try:
                    async with asyncio.timeout(self.patience):
                        for semaphore in (queue.free, *self._everybody):
                            await held.enter_async_context(semaphore)
                except TimeoutError:
                    raise self._busy() from None
                yield
        finally:
            queue.present -= 1
            if not queue.present:
                del self._queues[principal.principal_id]

    @cached_property
    def _everybody(self) -> tuple[asyncio.Semaphore, ...]:
        return () if self.in_all is None else (asyncio.Semaphore(self.in_all),)

    def _busy(self) -> BusyError:
        return BusyError("Too many such questions are being answered already. Wait for one of yours, then try again.")
