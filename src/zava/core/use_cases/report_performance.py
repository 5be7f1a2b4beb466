"""How long have calls and queries taken?"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from zava.core.model import Principal
from zava.core.performance import PerformanceMonitor, Timings, What
from zava.core.ports import StoreDirectory

# Microseconds: what lies below is the clock's.
DIGITS = 6

Reported = TypeVar("Reported")


@dataclass(frozen=True, slots=True)
class Figures:
    """How often, how it ended, and how long it took, in seconds. Percentiles are within 5 %."""

    count: int
    slow: int
    failed: int
    refused: int
    mean: float
    min: float
    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class PrincipalFigures:
    """The figures of one principal; both names are None for calls of nobody."""

    principal_id: UUID | None
    principal: str | None
    figures: Figures


@dataclass(frozen=True, slots=True)
class ToolPerformance:
    """A tool, a resource, a prompt or a completion: of all principals together, and of each."""

    tool: str
    figures: Figures
    principals: tuple[PrincipalFigures, ...]


@dataclass(frozen=True, slots=True)
class QueryPerformance:
    """A query to the database: of all principals together, and of each.

    Attributes:
        name: of the questions that are asked together, or of the tool for free SQL.
        fingerprint: of free SQL; the same for texts that differ in their values alone.
        text: of free SQL, without values.
    """

    name: str
    fingerprint: str | None
    text: str | None
    figures: Figures
    principals: tuple[PrincipalFigures, ...]


@dataclass(frozen=True, slots=True)
class PerformanceReport:
    """What took the most time comes first.

    Attributes:
        since: when this process began to count.
        process: the number by which its system knows it.
        slow_seconds: from which on a call or a query counts as slow.
        of_everybody: whether these are the figures of all principals, or the caller's own.
        given_up: figures that had to make room for later ones; None when they are the caller's own.
    """

    since: datetime
    process: int
    slow_seconds: float
    of_everybody: bool
    given_up: int | None
    calls: tuple[ToolPerformance, ...]
    queries: tuple[QueryPerformance, ...]


@dataclass(frozen=True)
class ReportPerformance:
    """Decides whose figures the principal may see."""

    directory: StoreDirectory
    monitor: PerformanceMonitor

    async def __call__(self, principal: Principal, *, of_everybody: bool) -> PerformanceReport:
        """Everybody's figures, if they may be told, to who may know what others have asked; their own to others."""
        everybody = of_everybody and (await self.directory.stores_of(principal)).reads_audit
        monitor = self.monitor

        def report(
            counted: Iterable[tuple[What, Principal | None, Timings]],
            make: Callable[[What, Figures, tuple[PrincipalFigures, ...]], Reported],
        ) -> tuple[Reported, ...]:
            return _report((one for one in counted if everybody or one[1] == principal), make)

        return PerformanceReport(
            since=monitor.since,
            process=monitor.process,
            slow_seconds=monitor.slow_seconds,
            of_everybody=everybody,
            given_up=monitor.calls.given_up + monitor.queries.given_up if everybody else None,
            calls=report(monitor.calls, ToolPerformance),
            queries=report(
                monitor.queries,
                lambda shape, *figures: QueryPerformance(shape.name, shape.fingerprint, shape.text, *figures),
            ),
        )


def _report(
    counted: Iterable[tuple[What, Principal | None, Timings]],
    make: Callable[[What, Figures, tuple[PrincipalFigures, ...]], Reported],
) -> tuple[Reported, ...]:
    """One thing after another, what took the most time first; and so within it by principal."""
    grouped: dict[What, list[tuple[Principal | None, Timings]]] = {}
    for what, principal, timings in counted:
        grouped.setdefault(what, []).append((principal, timings))
    together = {what: _together([timings for _, timings in parts]) for what, parts in grouped.items()}
    return tuple(
        make(
            what,
            _figures(together[what]),
            tuple(
                PrincipalFigures(one.principal_id if one else None, one.name if one else None, _figures(timings))
                for one, timings in sorted(grouped[what], key=lambda part: -part[1].seconds)
            ),
        )
        for what in sorted(grouped, key=lambda what: -together[what].seconds)
    )


def _together(parts: Sequence[Timings]) -> Timings:
    if len(parts) == 1:
        return parts[0]
    total = Timings()
    for part in parts:
        total.merge(part)
    return total


def _figures(timings: Timings) -> Figures:
    seconds = (timings.mean, timings.minimum, *map(timings.percentile, (50, 95, 99)), timings.maximum)
    return Figures(
        timings.count, timings.slow, timings.failed, timings.refused, *(round(one, DIGITS) for one in seconds)
    )
