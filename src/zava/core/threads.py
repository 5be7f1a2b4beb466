"""Work that would keep everybody else waiting is done in a thread."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


async def in_thread(work: Callable[[], Result]) -> Result:
    """What the work returns.

    Nothing stops a thread. Cancelled, this waits for its end: whoever gave up a turn sooner could begin the next piece
    of work beside it, and fill the memory so.
    """
    thread = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait([thread])
        raise
