"""Work on a connection that must not take longer, whatever PostgreSQL does or does not do."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

# In which what was told to stop may do so. After that its connection is given up.
LAST_SECONDS = 0.5


async def within(seconds: float, work: Coroutine[Any, Any, Result]) -> Result:
    """What the work on a connection returns, unless it takes longer.

    Cancelled once, psycopg asks PostgreSQL to stop, and waits; cancelled a second time, it closes the connection.

    Raises:
        TimeoutError: it took longer.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
            try:
                await asyncio.wait({task}, timeout=LAST_SECONDS)
            finally:
                task.cancel()
                await asyncio.wait({task})
    if task.cancelled():
        raise TimeoutError
    return task.result()
