"""What one principal may take, so that enough is left for the others."""

import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from enum import Enum, auto
from uuid import UUID

from zava.core.errors import BusyError
from zava.core.model import Principal
from zava.core.turns import LONGEST_RETRY_AFTER, Turns

# The part of a rate that is promised to what was refused. The rest is for what comes for the first time.
RETURNING = 0.25


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
    # Until when tokens are promised to those of theirs that were refused.
    _promised: dict[UUID, float] = field(default_factory=dict)

    def take(self, principal: Principal) -> None:
        """Takes one token of this principal's.

        Raises:
            BusyError: there is none.
        """
        now = self.clock()
        full = max(now, self._full.get(principal.principal_id, now))
        if full - now > (self.burst - 1) / self.per_second:
            raise self.refusal(principal)
        self._full[principal.principal_id] = full + 1 / self.per_second

    def refusal(self, principal: Principal) -> BusyError:
        """The refusal of one thing more. Each names a later second, lest all come back in the same one."""
        now = self.clock()
        asking = principal.principal_id
        free = self._full.get(asking, now) - (self.burst - 1) / self.per_second
        promised = min(max(now, free, self._promised.get(asking, now)), now + LONGEST_RETRY_AFTER)
        self._promised[asking] = promised + 1 / (RETURNING * self.per_second)
        seconds = max(1, math.ceil(promised - now))
        return BusyError(f"You ask too often. Try again in {seconds} s.", seconds)


@dataclass(frozen=True)
class Fairness:
    """What the calls of a principal may take.

    Attributes:
        rate: of calls.
        turns: that a call needs, one after the other, by the kind of its work; work without any is done at once.
    """

    rate: Rate
    turns: Mapping[Work, Sequence[Turns]]

    def turn(self, principal: Principal, work: Work) -> AbstractAsyncContextManager[None]:
        """While it lasts, this principal may do such work.

        Raises:
            BusyError: it is not their turn, and will not be soon.
        """
        match self.turns.get(work, ()):
            case []:
                return nullcontext()
            case [turns]:
                return turns.of(principal)
            case several:
                return _one_after_the_other(several, principal)


@asynccontextmanager
async def _one_after_the_other(several: Sequence[Turns], principal: Principal) -> AsyncIterator[None]:
    async with AsyncExitStack() as held:
        for turns in several:
            await held.enter_async_context(turns.of(principal))
        yield


@dataclass
class Requests:
    """What a principal may send, before anybody looks what it is.

    Attributes:
        rate: of requests.
        at_once: requests of one principal that are not answered yet.
    """

    rate: Rate
    at_once: int
    _under_way: Counter[UUID] = field(default_factory=Counter)

    @contextmanager
    def one_of(self, principal: Principal) -> Iterator[None]:
        """While it lasts, a request of this principal's is answered.

        Raises:
            BusyError: there are too many of them.
        """
        asking = principal.principal_id
        if self._under_way[asking] >= self.at_once:
            raise self.rate.refusal(principal)
        self.rate.take(principal)
        self._under_way[asking] += 1
        try:
            yield
        finally:
            self._under_way[asking] -= 1
