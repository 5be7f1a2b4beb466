"""Whoever asked to be told how a call fares is told: that the work goes on, and for how long already."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from fastmcp.server.dependencies import get_context

from zava.adapters.mcp.client import is_direct

logger = logging.getLogger(__name__)

Report: TypeAlias = Callable[[float, str], Awaitable[None]]

# What answers sooner needs no word before it, and pays for a timer alone.
REPORT_EVERY = 2.0


async def report_progress(seconds: float, message: str) -> None:
    """Tells the client of the call that is handled; nobody, when it has sent no progress token.

    Args:
        seconds: that the call has taken so far. How many are to come nobody knows, so there is no total.
        message: the same in words.
    """
    await get_context().report_progress(seconds, message=message)


@contextmanager
def reported(report: Report, every: float) -> Iterator[None]:
    """Reports on the work within, after so many seconds and again after as many."""
    # Whoever calls directly has not asked for it.
    if is_direct():
        yield
        return
    loop = asyncio.get_running_loop()
    started = loop.time()
    tasks: list[asyncio.Task[None]] = []
    timer = loop.call_later(every, lambda: tasks.append(loop.create_task(_report(report, every, started))))
    try:
        yield
    finally:
        timer.cancel()
        for task in tasks:
            task.cancel()


async def _report(report: Report, every: float, started: float) -> None:
    loop = asyncio.get_running_loop()
    try:
        while True:
            seconds = round(loop.time() - started, 1)
            await report(seconds, f"still working, {seconds:.0f} s")
            await asyncio.sleep(every)
    except Exception:
        # The answer may arrive all the same.
        logger.debug("Progress could not be reported", exc_info=True)
