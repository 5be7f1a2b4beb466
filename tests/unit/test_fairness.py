"""What one principal may take: how often, and which kinds of work at once."""

import asyncio
import math
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import tiny_shop
from zava.core.errors import BusyError
from zava.core.fairness import Fairness, Rate, Requests, Work
from zava.core.turns import Turns

SEATTLE, TACOMA = tiny_shop.SEATTLE.principal, tiny_shop.TACOMA.principal


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def taken(rate: Rate, times: int) -> int:
    """How many of so many attempts of Seattle's are let through."""
    count = 0
    for _ in range(times):
        try:
            rate.take(SEATTLE)
        except BusyError:
            continue
        count += 1
    return count


def test_a_burst_is_let_through_and_then_as_many_as_time_allows() -> None:
    clock = Clock()
    rate = Rate(per_second=2, burst=5, clock=clock)
    assert taken(rate, 10) == 5
    clock.now += 1
    assert taken(rate, 10) == 2
    clock.now += 1_000
    assert taken(rate, 10) == 5


def test_another_principal_has_a_bucket_of_their_own() -> None:
    rate = Rate(per_second=1, burst=1, clock=Clock())
    assert taken(rate, 5) == 1
    rate.take(TACOMA)


def test_who_asks_too_often_learns_when_they_may_ask_again() -> None:
    clock = Clock()
    rate = Rate(per_second=0.25, burst=1, clock=clock)
    rate.take(SEATTLE)
    clock.now += 0.5
    with pytest.raises(BusyError) as caught:
        rate.take(SEATTLE)
    assert caught.value.message == "You ask too often. Try again in 4 s."
    assert caught.value.details == {"retry_after": 4}
    clock.now += caught.value.retry_after
    rate.take(SEATTLE)


def test_a_refusal_costs_no_token() -> None:
    clock = Clock()
    rate = Rate(per_second=1, burst=1, clock=clock)
    assert taken(rate, 100) == 1
    clock.now += 1
    assert taken(rate, 100) == 1


def test_an_infinite_rate_refuses_nobody() -> None:
    assert taken(Rate(math.inf, 1, Clock()), 100) == 100


@given(
    # Powers of two, in which seconds are exact.
    per_second=st.sampled_from([0.5, 1, 2, 4, 16, 64]),
    burst=st.integers(1, 20),
    steps=st.lists(st.tuples(st.sampled_from([0, 1 / 64, 0.25, 1, 8]), st.integers(0, 30)), max_size=30),
)
def test_it_is_a_bucket_of_tokens(per_second: float, burst: int, steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    rate = Rate(per_second, burst, clock)
    tokens = float(burst)
    for seconds, times in steps:
        clock.now += seconds
        tokens = min(burst, tokens + seconds * per_second)
        let_through = taken(rate, times)
        assert let_through == min(times, math.floor(tokens))
        tokens -= let_through


async def test_work_of_one_kind_waits_for_all_turns_that_it_needs() -> None:
    few, fewer = (Turns(count, count, waiting=0, waiting_in_all=0, patience=5) for count in (2, 1))
    fairness = Fairness(Rate(math.inf, 1), {Work.FILE: [few, fewer], Work.SQL: [fewer]})
    async with fairness.turn(SEATTLE, Work.FILE):
        with pytest.raises(BusyError):
            await fairness.turn(TACOMA, Work.SQL).__aenter__()
        with pytest.raises(BusyError):
            await fairness.turn(TACOMA, Work.FILE).__aenter__()
        # What was refused has left its first turn again.
        async with few.of(TACOMA):
            pass
    async with fairness.turn(TACOMA, Work.SQL):
        pass


async def test_work_that_nothing_bounds_is_done_at_once() -> None:
    fairness = Fairness(Rate(math.inf, 1), {})
    async with AsyncExitStack() as stack:
        for _ in range(100):
            await stack.enter_async_context(fairness.turn(SEATTLE, Work.QUESTION))
        await asyncio.sleep(0)


def test_who_has_too_many_requests_under_way_is_told_to_come_back_one_after_the_other() -> None:
    requests = Requests(Rate(per_second=4, burst=100, clock=lambda: 1_000), at_once=2)
    with requests.one_of(SEATTLE), requests.one_of(SEATTLE):
        seconds = []
        for _ in range(4):
            with pytest.raises(BusyError) as caught, requests.one_of(SEATTLE):
                pass
            seconds.append(caught.value.retry_after)
        assert seconds == [1, 1, 2, 3]
        with requests.one_of(TACOMA):
            pass
    with requests.one_of(SEATTLE):
        pass
