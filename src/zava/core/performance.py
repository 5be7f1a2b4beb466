"""How long calls and queries take: counted as they end, principal by principal, in bounded memory."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil, inf, log, sqrt
from typing import Generic, TypeAlias, TypeVar

from zava.core.model import Principal
from zava.core.observations import Call, Decision, QueryRun

# A bucket ends 10 % above where it begins, so that its geometric middle is at most 4.9 % off any of its values.
GROWTH = 1.1
LEAST_SECONDS = 0.000_01
MOST_SECONDS = 86_400
BUCKETS = ceil(log(MOST_SECONDS / LEAST_SECONDS, GROWTH)) + 1

What = TypeVar("What", bound=Hashable)


@dataclass(slots=True)
class Timings:
    """How often something happened, how it ended, and how long it took: a few kilobytes, however often it happens.

    Count, sum, minimum and maximum are exact. Percentiles are within 5 % of the exact ones, between 10 microseconds
    and a day; adding timings together adds no error, since all have the same buckets.

    Attributes:
        seconds: of all together.
        buckets: how many took how long, by the number of the bucket; there are BUCKETS.
    """

    count: int = 0
    slow: int = 0
    failed: int = 0
    refused: int = 0
    seconds: float = 0.0
    minimum: float = inf
    maximum: float = 0.0
    buckets: Counter[int] = field(default_factory=Counter)

    def add(self, seconds: float, decision: Decision, *, slow: bool) -> None:
        self.count += 1
        self.slow += slow
        self.failed += decision == "failed"
        self.refused += decision == "refused"
        self.seconds += seconds
        self.minimum = min(self.minimum, seconds)
        self.maximum = max(self.maximum, seconds)
        self.buckets[_bucket(seconds)] += 1

    def merge(self, other: "Timings") -> None:
        """Adds what the other has counted."""
        self.count += other.count
        self.slow += other.slow
        self.failed += other.failed
        self.refused += other.refused
        self.seconds += other.seconds
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        self.buckets.update(other.buckets)

    @property
    def mean(self) -> float:
        return self.seconds / self.count

    def percentile(self, percent: float) -> float:
        """Seconds that so many percent did not exceed: the value of the nearest rank, within 5 %."""
        missing = max(1, ceil(self.count * percent / 100))
        for bucket in sorted(self.buckets):
            missing -= self.buckets[bucket]
            if missing <= 0:
                middle = LEAST_SECONDS * GROWTH**bucket / sqrt(GROWTH)
                return min(max(middle, self.minimum), self.maximum)
        raise ValueError("nothing has been counted")


def _bucket(seconds: float) -> int:
    """The first holds all up to LEAST_SECONDS, the last all from MOST_SECONDS on."""
    if seconds <= LEAST_SECONDS:
        return 0
    return min(ceil(log(seconds / LEAST_SECONDS, GROWTH)), BUCKETS - 1)


@dataclass(frozen=True, slots=True)
class QueryShape:
    """What queries have in common that differ in their values alone.

    Attributes:
        name: of the questions, or of the tool whose free SQL it is.
        fingerprint: of the syntax tree of free SQL; None where the name says it all.
        text: of free SQL, without the values in it, and cut short.
    """

    name: str
    fingerprint: str | None = None
    text: str | None = field(default=None, compare=False)


ShapeOf: TypeAlias = Callable[[QueryRun], QueryShape]


class LatestTimings(Generic[What]):
    """The timings of something of somebody's: as many as there is room for, and the least recently used goes first.

    Attributes:
        given_up: how many have gone.
    """

    def __init__(self, most: int) -> None:
        self.given_up = 0
        self._most = most
        self._kept: OrderedDict[tuple[What, Principal | None], Timings] = OrderedDict()

    def of(self, what: What, principal: Principal | None) -> Timings:
        """Those that there are, or new ones."""
        key = (what, principal)
        if known := self._kept.get(key):
            self._kept.move_to_end(key)
            return known
        if len(self._kept) == self._most:
            self._kept.popitem(last=False)
            self.given_up += 1
        timings = self._kept[key] = Timings()
        return timings

    def __iter__(self) -> Iterator[tuple[What, Principal | None, Timings]]:
        return ((what, principal, timings) for (what, principal), timings in self._kept.items())


class PerformanceMonitor:
    """Counts every call and every query of this process.

    Attributes:
        since: when it began.
        process: the number by which the system knows this process.
        slow_seconds: from which on a call or a query is slow.
        calls: by tool and principal, where there was one.
        queries: by shape and principal.
    """

    def __init__(
        self, shape_of: ShapeOf, since: datetime, process: int, *, slow_seconds: float = 1.0, most: int = 1_000
    ) -> None:
        """Nothing counted yet.

        Args:
            shape_of: what a query has in common with others.
            since: now.
            process: this one.
            slow_seconds: from which on a call or a query is slow.
            most: timings of calls, and of queries, that are kept.
        """
        self.since = since
        self.process = process
        self.slow_seconds = slow_seconds
        self.calls = LatestTimings[str](most)
        self.queries = LatestTimings[QueryShape](most)
        self._shape_of = shape_of

    def see_call(self, call: Call) -> None:
        """Is told of a call that has ended."""
        timings = self.calls.of(call.tool, call.principal)
        timings.add(call.seconds, call.decision, slow=call.seconds >= self.slow_seconds)

    def see_query(self, run: QueryRun) -> None:
        """Is told of a query that has ended."""
        timings = self.queries.of(self._shape_of(run), run.principal)
        timings.add(run.seconds, "failed" if run.error else "allowed", slow=run.seconds >= self.slow_seconds)
