"""A provider that fails is left alone for a while, and found again."""

import asyncio
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from zava.adapters.embeddings.breaker import CircuitBreakingEmbeddings
from zava.core.errors import EmbeddingError
from zava.core.model import Embedding, EmbeddingModel
from zava.core.ports import EmbeddingProvider

ANSWER = [array("f", [1.0])]


@dataclass
class FakeProvider(EmbeddingProvider):
    """Fails as long as it is told to, and waits while it is held."""

    failing: bool = False
    bug: Exception | None = None
    asked: int = 0
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.free.set()

    @property
    def model(self) -> EmbeddingModel:
        return EmbeddingModel("a-model", 1)

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        assert texts == ["hammer"]
        self.asked += 1
        await self.free.wait()
        if self.bug:
            raise self.bug
        if self.failing:
            raise EmbeddingError("the embedding provider is busy")
        return ANSWER


@dataclass
class FakeClock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def breaker(provider: FakeProvider, clock: FakeClock) -> CircuitBreakingEmbeddings:
    return CircuitBreakingEmbeddings(provider, threshold=3, seconds=30, clock=clock)


async def fail(breaker: CircuitBreakingEmbeddings, times: int = 1) -> str:
    """What it says the last time."""
    message = ""
    for _ in range(times):
        with pytest.raises(EmbeddingError) as failed:
            await breaker.embed(["hammer"])
        message = failed.value.message
    return message


@pytest.fixture
async def opened(breaker: CircuitBreakingEmbeddings, provider: FakeProvider) -> CircuitBreakingEmbeddings:
    """One that has just opened; the provider has been asked three times."""
    provider.failing = True
    await fail(breaker, times=3)
    return breaker


async def begin(breaker: CircuitBreakingEmbeddings, provider: FakeProvider) -> asyncio.Task[Sequence[Embedding]]:
    """A call that has reached the provider, which keeps it waiting."""
    provider.free.clear()
    asked = provider.asked
    call = asyncio.create_task(breaker.embed(["hammer"]))
    await asyncio.sleep(0)
    assert provider.asked == asked + 1
    return call


async def cancel(call: asyncio.Task[Sequence[Embedding]]) -> None:
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_what_the_provider_answers_and_who_it_is_goes_through(breaker: CircuitBreakingEmbeddings) -> None:
    assert await breaker.embed(["hammer"]) is ANSWER
    assert str(breaker.model) == "a-model (1)"
    assert not breaker.is_open


async def test_it_opens_after_so_many_failures_in_a_row(
    breaker: CircuitBreakingEmbeddings, provider: FakeProvider
) -> None:
    provider.failing = True
    assert await fail(breaker, times=2) == "the embedding provider is busy"
    assert not breaker.is_open
    assert await fail(breaker) == "the embedding provider is busy"
    assert breaker.is_open


async def test_a_success_between_failures_begins_the_count_anew(
    breaker: CircuitBreakingEmbeddings, provider: FakeProvider
) -> None:
    for _ in range(2):
        provider.failing = True
        await fail(breaker, times=2)
        provider.failing = False
        await breaker.embed(["hammer"])
    assert not breaker.is_open


async def test_while_it_is_open_the_provider_is_not_asked_and_the_caller_told_why(
    opened: CircuitBreakingEmbeddings, provider: FakeProvider, clock: FakeClock
) -> None:
    clock.now += 17.5
    assert await fail(opened, times=5) == "the embedding provider is busy; it is asked again in 13 s"
    assert provider.asked == 3


async def test_it_closes_when_an_attempt_succeeds(
    opened: CircuitBreakingEmbeddings, provider: FakeProvider, clock: FakeClock
) -> None:
    provider.failing = False
    clock.now += 29.9
    await fail(opened)
    clock.now += 0.1
    assert await opened.embed(["hammer"]) is ANSWER
    assert not opened.is_open
    assert await opened.embed(["hammer"]) is ANSWER
    assert provider.asked == 5


async def test_it_stays_open_when_an_attempt_fails(
    opened: CircuitBreakingEmbeddings, provider: FakeProvider, clock: FakeClock
) -> None:
    clock.now += 30
    assert await fail(opened) == "the embedding provider is busy"
    assert opened.is_open
    assert "asked again in 30 s" in await fail(opened, times=5)
    assert provider.asked == 4


async def test_one_attempt_goes_through_at_a_time(
    opened: CircuitBreakingEmbeddings, provider: FakeProvider, clock: FakeClock
) -> None:
    clock.now += 30
    attempt = await begin(opened, provider)
    await fail(opened, times=5)
    assert provider.asked == 4
    provider.failing = False
    provider.free.set()
    assert await attempt is ANSWER
    assert await opened.embed(["hammer"]) is ANSWER


async def test_a_call_that_is_cancelled_counts_neither_as_a_failure_nor_as_a_success(
    breaker: CircuitBreakingEmbeddings, provider: FakeProvider
) -> None:
    provider.failing = True
    await fail(breaker, times=2)
    for _ in range(5):
        await cancel(await begin(breaker, provider))
    assert not breaker.is_open
    provider.free.set()
    await fail(breaker)
    assert breaker.is_open


async def test_after_an_attempt_that_is_cancelled_the_next_call_is_one(
    opened: CircuitBreakingEmbeddings, provider: FakeProvider, clock: FakeClock
) -> None:
    clock.now += 30
    await cancel(await begin(opened, provider))
    assert opened.is_open
    provider.failing = False
    provider.free.set()
    assert await opened.embed(["hammer"]) is ANSWER
    assert not opened.is_open


async def test_an_attempt_that_does_not_end_gives_way_to_another(
    opened: CircuitBreakingEmbeddings, provider: FakeProvider, clock: FakeClock
) -> None:
    clock.now += 30
    first = await begin(opened, provider)
    clock.now += 30
    second = await begin(opened, provider)
    await fail(opened)
    assert provider.asked == 5
    provider.failing = False
    provider.free.set()
    assert await second is ANSWER
    await first
    assert not opened.is_open


async def test_an_attempt_that_is_cancelled_late_does_not_open_it_again(
    opened: CircuitBreakingEmbeddings, provider: FakeProvider, clock: FakeClock
) -> None:
    clock.now += 30
    first = await begin(opened, provider)
    clock.now += 30
    provider.failing = False
    provider.free.set()
    provider.free = asyncio.Event()
    provider.free.set()
    assert await opened.embed(["hammer"]) is ANSWER
    await cancel(first)
    assert not opened.is_open
    assert await opened.embed(["hammer"]) is ANSWER


async def test_an_error_of_our_own_says_nothing_of_the_provider(
    opened: CircuitBreakingEmbeddings, provider: FakeProvider, clock: FakeClock
) -> None:
    clock.now += 30
    provider.bug = ValueError("a bug")
    for _ in range(5):
        with pytest.raises(ValueError, match="a bug"):
            await opened.embed(["hammer"])
    assert opened.is_open
    provider.bug, provider.failing = None, False
    assert await opened.embed(["hammer"]) is ANSWER


async def test_by_itself_it_goes_by_the_time_that_passes(provider: FakeProvider) -> None:
    breaker = CircuitBreakingEmbeddings(provider, threshold=1, seconds=0.01)
    provider.failing = True
    await fail(breaker)
    provider.failing = False
    await asyncio.sleep(0.02)
    assert await breaker.embed(["hammer"]) is ANSWER
