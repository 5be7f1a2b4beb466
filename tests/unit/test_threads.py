"""Work in threads, and what becomes of it when nobody waits for it any more."""

import asyncio
from threading import Event

import pytest

from zava.core.threads import in_thread


async def test_others_go_on_while_a_thread_works() -> None:
    done = Event()
    working = asyncio.create_task(in_thread(lambda: done.wait(5)))
    await asyncio.sleep(0)
    done.set()
    assert await working


async def test_who_is_cancelled_waits_for_the_end_of_the_work() -> None:
    begun, done = Event(), Event()

    def work() -> None:
        begun.set()
        done.wait(5)
        raise ValueError

    working = asyncio.create_task(in_thread(work))
    assert await asyncio.to_thread(begun.wait, 5)
    working.cancel()
    await asyncio.sleep(0.05)
    assert not working.done()
    done.set()
    with pytest.raises(asyncio.CancelledError):
        await working
