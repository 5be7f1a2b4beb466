"""Whose turn is it? One principal cannot keep the others waiting."""

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from zava.core.errors import BusyError
from zava.core.model import Principal

LONGEST_RETRY_AFTER = 60
# How much of what the last turn took counts for what the next ones will take.
LAST_TURN = 0.2


@dataclass
class Turns:
    """Lets so many things be done at once, and has principals take turns when more want to.

    A turn that becomes free goes to whoever has the fewest under way; of those, to whoever had theirs the longest time
    ago. How many of theirs wait, and since when, counts only among their own.

    Attributes:
        in_all: things under way for everybody together.
        at_once: things under way for one principal.
        waiting: more of one principal's that wait; any further one is refused.
        waiting_in_all: things that wait for everybody together; any further one is refused.
        patience: seconds that one waits.
    """

    in_all: int
    at_once: int
    waiting: int
    waiting_in_all: int
    patience: float
    _under_way: Counter[UUID] = field(default_factory=Counter)
    _queues: dict[UUID, deque[asyncio.Event]] = field(default_factory=dict)
    # When principals had their last turn: how many turns there had been before.
    _last: dict[UUID, int] = field(default_factory=dict)
    _given: int = 0
    # How long a turn takes, of late.
    _seconds: float = 0

    @asynccontextmanager
    async def of(self, principal: Principal) -> AsyncIterator[None]:
        """A turn of this principal's.

        Raises:
            BusyError: too many are waiting already, or none became free in time.
        """
        asking = principal.principal_id
        if self._free(asking):
            self._give(asking)
        else:
            await self._wait(asking)
        started = time.monotonic()
        try:
            yield
        finally:
            self._seconds += LAST_TURN * (time.monotonic() - started - self._seconds)
            self._take_back(asking)

    def _free(self, asking: UUID) -> bool:
        # Nobody who could have this turn waits: it would have been given to them.
        return self._under_way.total() < self.in_all and self._under_way[asking] < self.at_once

    async def _wait(self, asking: UUID) -> None:
        own = len(self._queues.get(asking, ()))
        if own >= self.waiting:
            raise BusyError(
                "Too many such questions of yours are being answered already. Wait for one of them, then try again.",
                self._retry_after(own, min(self.at_once, self.in_all)),
            )
        if self._waiting() >= self.waiting_in_all:
            raise self._busy()
        # Set when it is given. A future would be cancelled with whoever waits for it, and could not be given then.
        turn = asyncio.Event()
        self._queues.setdefault(asking, deque()).append(turn)
        try:
            async with asyncio.timeout(self.patience):
                await turn.wait()
        except BaseException as error:
            if turn.is_set():
                # It was given while its owner went away.
                self._take_back(asking)
            else:
                self._leave(asking, turn)
            if isinstance(error, TimeoutError):
                raise self._busy() from None
            raise

    def _give(self, asking: UUID) -> None:
        self._under_way[asking] += 1
        self._given += 1
        self._last[asking] = self._given

    def _take_back(self, asking: UUID) -> None:
        self._under_way[asking] -= 1
        if not self._under_way[asking]:
            del self._under_way[asking]
        if self._under_way.total() < self.in_all:
            self._call_next()
        if not self._under_way and not self._queues:
            self._last.clear()

    def _call_next(self) -> None:
        able = [asking for asking in self._queues if self._under_way[asking] < self.at_once]
        if not able:
            return
        first = min(able, key=lambda asking: (self._under_way[asking], self._last.get(asking, 0)))
        turn = self._queues[first][0]
        self._leave(first, turn)
        self._give(first)
        turn.set()

    def _leave(self, asking: UUID, turn: asyncio.Event) -> None:
        queue = self._queues[asking]
        queue.remove(turn)
        if not queue:
            del self._queues[asking]

    def _busy(self) -> BusyError:
        return BusyError(
            "Too many questions are being answered already. Try again in a moment.",
            self._retry_after(self._waiting(), self.in_all),
        )

    def _waiting(self) -> int:
        return sum(map(len, self._queues.values()))

    def _retry_after(self, before: int, at_once: int) -> int:
        """Seconds until so many that wait already have had their turns, as far as one can tell."""
        return max(1, min(math.ceil(before * self._seconds / at_once), LONGEST_RETRY_AFTER))
