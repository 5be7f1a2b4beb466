"""What memory adds to the promises of every cache, which are in `tests/contract/test_caches.py`: bounds."""

import sys
from dataclasses import dataclass

import pytest

from zava.adapters.cache.memory import InMemoryCache

VALUE = bytes(1000)
SIZE = sys.getsizeof("a") + sys.getsizeof(VALUE)


@dataclass
class Clock:
    now: float = 1000

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def put(cache: InMemoryCache, key: str, value: bytes = VALUE, ttl: float | None = None) -> None:
    async def compute() -> bytes:
        return value

    assert await cache.get_or_compute(key, compute, ttl) == value


async def kept(cache: InMemoryCache, *keys: str) -> str:
    """Those of the keys that it has. Asking counts as use, and adds nothing."""
    found: list[str] = []

    async def compute() -> bytes:
        found.remove(key)
        return b""

    for key in keys:
        found.append(key)
        await cache.get_or_compute(key, compute, ttl=0)
    return " ".join(found)


async def test_a_value_is_kept_for_five_minutes(clock: Clock) -> None:
    cache = InMemoryCache(clock=clock)
    await put(cache, "a")
    clock.now += 299
    assert await kept(cache, "a") == "a"
    clock.now += 1
    assert await kept(cache, "a") == ""


async def test_the_cache_and_each_question_may_say_for_how_long(clock: Clock) -> None:
    cache = InMemoryCache(ttl=10, clock=clock)
    await put(cache, "shorter", ttl=5)
    await put(cache, "as all")
    await put(cache, "longer", ttl=20)
    await put(cache, "never", ttl=0)
    found = []
    for _ in range(4):
        found.append(await kept(cache, "shorter", "as all", "longer", "never"))
        clock.now += 6
    assert found == ["shorter as all longer", "as all longer", "longer", "longer"]


async def test_the_time_runs_from_when_it_was_worked_out(clock: Clock) -> None:
    cache = InMemoryCache(ttl=10, clock=clock)

    async def compute() -> bytes:
        clock.now += 60
        return VALUE

    await cache.get_or_compute("a", compute)
    assert await kept(cache, "a") == "a"


async def test_what_was_asked_for_least_recently_makes_room(clock: Clock) -> None:
    cache = InMemoryCache(max_bytes=3 * SIZE, clock=clock)
    for key in "abc":
        await put(cache, key)
    assert await kept(cache, "a") == "a"
    await put(cache, "d")
    assert await kept(cache, *"abcd") == "a c d"


async def test_keys_count_too(clock: Clock) -> None:
    cache = InMemoryCache(max_bytes=3 * SIZE, clock=clock)
    keys = [letter * 1100 for letter in "abc"]
    for key in keys:
        await put(cache, key, b"")
    assert await kept(cache, *keys) == " ".join(keys[1:])


async def test_a_value_larger_than_the_cache_is_returned_and_not_kept(clock: Clock) -> None:
    cache = InMemoryCache(max_bytes=3 * SIZE, clock=clock)
    await put(cache, "a")
    await put(cache, "b", bytes(3 * SIZE))
    assert await kept(cache, "a", "b") == "a"


async def test_a_value_as_large_as_the_cache_is_kept(clock: Clock) -> None:
    cache = InMemoryCache(max_bytes=SIZE, clock=clock)
    await put(cache, "a")
    assert await kept(cache, "a") == "a"
