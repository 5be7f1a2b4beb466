"""What one principal may take, so that enough is left for the others."""

import math
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from uuid import UUID

from zava.core.errors import BusyError
from zava.core.model import Principal
from zava.core.turns import Turns


class Work(Enum):
    """What kind of work a call is."""

    QUESTION = auto()
    """Milliseconds, as a rule: sums, searches, one order."""
    SQL = auto()
    """A query of the caller's own, of any size."""
    FILE = auto()
    """Up to 100,000 rows, in memory."""
    CHART = auto()
    """A picture of an answer."""


@dataclass
class Rate:
    """Lets each principal do something so often: a bucket of tokens, which is filled all the time.

    Attributes:
        per_second: tokens that are added, up to the burst.
        burst: what may be done at once by somebody who did nothing for a while.
        clock: seconds of any beginning.
    """

    per_second: float
    burst: int
    clock: Callable[[], float] = time.monotonic
    # When the bucket of a principal will be full.
    _full: dict[UUID, float] = field(default_factory=dict)

    def take(self, principal: Principal) -> None:
        """Takes one token of this principal's.

        Raises:
            BusyError: there is none.
        """
        now = self.clock()
        full = max(now, self._full.get(principal.principal_id, now))
        wait = full - now - (self.burst - 1) / self.per_second
        if wait > 0:
            seconds = math.ceil(wait)
            raise BusyError(f"You ask too often. Try again in {seconds} s.", seconds)
        self._full[principal.principal_id] = full + 1 / self.per_second


@dataclass(frozen=True)
class Fairness:
    """What the calls of a principal may take.

    Attributes:
        rate: of calls.
        turns: that a call needs, one after the other, by the kind of its work; work without any is done at once.
    """

    rate: Rate
    turns: Mapping[Work, Sequence[Turns]]

    @asynccontextmanager
    async def turn(self, principal: Principal, work: Work) -> AsyncIterator[None]:
        """While it lasts, this principal may do such work.

        Raises:
            BusyError: it is not their turn, and will not be soon.
        """
        async with AsyncExitStack() as held:
            for turns in self.turns.get(work, ()):
                await held.enter_async_context(turns.of(principal))
            yield
