"""What operators read of queries: which failed, and which were slow, with their plans."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import psycopg
from cachetools import TTLCache

from zava.adapters.postgres.query_shapes import shape_of
from zava.core.errors import QueryStoppedError, QueryTimeoutError, ZavaError
from zava.core.observations import QueryRun
from zava.core.performance import QueryShape

logger = logging.getLogger(__name__)

# Whoever asked has gone away, and the log says so already.
CANCELLED = asyncio.CancelledError.__name__
# Why a query did not come to its end though nothing was wrong with it. Any other that failed has no plan worth a look.
STOPPED = (CANCELLED, QueryTimeoutError.__name__, QueryStoppedError.__name__, "57014")
PLAN_SECONDS = 10
PLANS_EVERY_SECONDS = 600
MOST_SHAPES = 1_000
LONGEST_PLAN = 10_000


class QueryLog:
    """Writes a line for each query that failed or was slow; and the plan of a slow one, when it has been made.

    Plans are made one at a time, beside the answers, and at most one of a kind of query in ten minutes. No line has a
    value of a query in it.
    """

    def __init__(
        self,
        plan_of: Callable[[QueryRun], Awaitable[str]],
        *,
        slow_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A log.

        Args:
            plan_of: the plan of a query, without values.
            slow_seconds: from which on a query is slow.
            clock: seconds that only grow.
        """
        self._plan_of = plan_of
        self._slow_seconds = slow_seconds
        self._planned = TTLCache[QueryShape, bool, float](MOST_SHAPES, PLANS_EVERY_SECONDS, clock)
        self._planning: asyncio.Task[None] | None = None

    def see(self, run: QueryRun) -> None:
        """Is told of a query that has ended."""
        if run.error and run.error != CANCELLED:
            logger.warning("Query failed: %s, %s", run.error, _described(run, shape_of(run)))
        if run.seconds >= self._slow_seconds:
            shape = shape_of(run)
            logger.warning("Slow query detected: %s", _described(run, shape))
            if run.error is None or run.error in STOPPED:
                self._plan(run, shape)

    async def close(self) -> None:
        """Gives up a plan that is being made."""
        if self._planning:
            self._planning.cancel()
            await asyncio.wait([self._planning])

    def _plan(self, run: QueryRun, shape: QueryShape) -> None:
        if shape in self._planned or (self._planning and not self._planning.done()):
            return
        self._planned[shape] = True
        self._planning = asyncio.create_task(self._log_plan(run, shape))

    async def _log_plan(self, run: QueryRun, shape: QueryShape) -> None:
        name = shape.fingerprint or shape.name
        try:
            async with asyncio.timeout(PLAN_SECONDS):
                plan = await self._plan_of(run)
        except (ZavaError, psycopg.Error, TimeoutError) as error:
            # Words of PostgreSQL's may repeat a value.
            reason = getattr(error, "sqlstate", None) or type(error).__name__
            logger.warning("No plan of slow query %s: %s", name, reason)
        else:
            logger.warning("Plan of slow query %s:\n%s", name, plan[:LONGEST_PLAN], extra={"has_lines": True})


def _described(run: QueryRun, shape: QueryShape) -> str:
    what = f"{shape.name} {shape.fingerprint}" if shape.fingerprint else shape.name
    rows = "" if run.rows is None else f", {run.rows} rows"
    text = f": {shape.text}" if shape.text else ""
    return f"{what} of {run.principal.principal_id}, {run.seconds:.3f} s{rows}{text}"
