"""Every cache keeps the promises of its port."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.redis_server import PASSWORD, TestRedis, running_redis
from zava.adapters.cache.memory import InMemoryCache
from zava.adapters.cache.redis import RedisCache, RedisServer
from zava.core.errors import UnavailableError
from zava.core.ports import Cache

SECRET = bytes(32)


@pytest.fixture(scope="module")
def redis() -> Iterator[TestRedis]:
    with running_redis() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    if request.param == "memory":
        yield InMemoryCache()
        return
    server = request.getfixturevalue("redis")
    with server.client() as client:
        client.flushall()
    shared = RedisCache(RedisServer(server.url, password=PASSWORD).connect(), SECRET)
    yield shared
    await shared.close()


@dataclass
class Work:
    """A computation that can be counted, held up, and made to fail."""

    value: bytes = b"worked out"
    error: Exception | None = None
    free: asyncio.Event = field(default_factory=asyncio.Event)
    has_begun: asyncio.Event = field(default_factory=asyncio.Event)
    begun: int = 0
    cancelled: int = 0

    async def __call__(self) -> bytes:
        self.begun += 1
        self.has_begun.set()
        try:
            await self.free.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error
        return self.value


def done(value: bytes) -> Callable[[], Awaitable[bytes]]:
    """What is worked out at once."""
    work = Work(value)
    work.free.set()
    return work


async def ask(cache: Cache, work: Work, times: int) -> list[asyncio.Task[bytes]]:
    """So many who wait for it, once it has begun."""
    waiting = [asyncio.create_task(cache.get_or_compute("key", work)) for _ in range(times)]
    async with asyncio.timeout(5):
        await work.has_begun.wait()
    return waiting


async def test_a_value_is_worked_out_once_and_kept(cache: Cache) -> None:
    assert await cache.get_or_compute("key", done(b"first")) == b"first"
    assert await cache.get_or_compute("key", done(b"second")) == b"first"
    assert await cache.get_or_compute("another", done(b"second")) == b"second"


@pytest.mark.parametrize("value", [b"", b"\0\xff\n", bytes(100_000)], ids=["nothing", "any bytes", "100 kB"])
async def test_any_bytes_come_back_as_they_were(cache: Cache, value: bytes) -> None:
    for later in (value, b"something else"):
        assert await cache.get_or_compute("key", done(later)) == value


async def test_a_value_goes_when_its_time_is_over(cache: Cache) -> None:
    await cache.get_or_compute("short", done(b"first"), ttl=0.05)
    await cache.get_or_compute("long", done(b"first"), ttl=60)
    await asyncio.sleep(0.1)
    assert await cache.get_or_compute("short", done(b"second")) == b"second"
    assert await cache.get_or_compute("long", done(b"second")) == b"first"


async def test_all_who_ask_meanwhile_wait_for_the_same(cache: Cache) -> None:
    work = Work()
    waiting = await ask(cache, work, times=50)
    work.free.set()
    assert await asyncio.gather(*waiting) == [work.value] * 50
    assert work.begun == 1


async def test_who_asks_for_something_else_does_not_wait(cache: Cache) -> None:
    work = Work()
    (waiting,) = await ask(cache, work, times=1)
    assert await cache.get_or_compute("another", done(b"at once")) == b"at once"
    work.free.set()
    await waiting


async def test_a_failure_reaches_all_who_wait_and_is_not_remembered(cache: Cache) -> None:
    work = Work(error=UnavailableError("it does not answer"))
    waiting = await ask(cache, work, times=3)
    work.free.set()
    assert await asyncio.gather(*waiting, return_exceptions=True) == [work.error] * 3
    assert work.begun == 1
    assert await cache.get_or_compute("key", done(b"better")) == b"better"


async def test_who_fails_may_try_again_at_once(cache: Cache) -> None:
    """Even while others have not heard of the failure."""
    work = Work(error=UnavailableError("it does not answer"))

    async def try_twice() -> bytes:
        try:
            return await cache.get_or_compute("key", work)
        except UnavailableError:
            return await cache.get_or_compute("key", done(b"better"))

    trying = [asyncio.create_task(try_twice()) for _ in range(3)]
    await asyncio.sleep(0)
    work.free.set()
    assert await asyncio.gather(*trying) == [b"better"] * 3


@pytest.mark.parametrize("who", [0, 1], ids=["who came first", "who came later"])
async def test_one_who_goes_away_leaves_the_others_theirs(cache: Cache, who: int) -> None:
    work = Work()
    waiting = await ask(cache, work, times=2)
    gone = waiting.pop(who)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    work.free.set()
    assert await waiting[0] == work.value
    assert (work.begun, work.cancelled) == (1, 0)


async def test_when_nobody_waits_any_more_the_work_stops(cache: Cache) -> None:
    work = Work()
    waiting = await ask(cache, work, times=2)
    for gone in waiting:
        gone.cancel()
    await asyncio.wait(waiting)
    await asyncio.sleep(0)
    assert work.cancelled == 1
    assert await cache.get_or_compute("key", done(b"anew")) == b"anew"


async def test_who_comes_while_work_stops_begins_anew(cache: Cache) -> None:
    """Rather than joining it, and is joined by others even when it has stopped meanwhile."""
    stopped = asyncio.Event()

    async def take_time_to_stop() -> bytes:
        try:
            await asyncio.Event().wait()
            return b"never"
        finally:
            await stopped.wait()

    gone = asyncio.create_task(cache.get_or_compute("key", take_time_to_stop))
    await asyncio.sleep(0.01)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    work = Work()
    waiting = await ask(cache, work, times=1)
    stopped.set()
    await asyncio.sleep(0.01)
    waiting += await ask(cache, work, times=1)
    await asyncio.sleep(0.01)
    work.free.set()
    assert await asyncio.gather(*waiting) == [work.value] * 2
    assert work.begun == 1


async def test_work_that_fails_while_it_stops_disturbs_nobody(cache: Cache) -> None:
    """Asyncio tells its exception handler about errors that nobody has seen, when they are collected."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    async def fail_on_the_way_out() -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            raise UnavailableError("the connection was lost")

    gone = asyncio.create_task(cache.get_or_compute("key", fail_on_the_way_out))
    await asyncio.sleep(0.01)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await asyncio.sleep(0.01)
    gc.collect()
    assert complaints == []
