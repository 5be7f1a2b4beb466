"""Nobody keeps the others waiting."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import tiny_shop
from zava.core.errors import BusyError
from zava.core.model import Principal
from zava.core.turns import Turns

SEATTLE, TACOMA = tiny_shop.SEATTLE.principal, tiny_shop.TACOMA.principal
PEOPLE = [Principal(UUID(int=number), f"person {number}") for number in range(4)]


def turns_of(
    *, in_all: int = 1, at_once: int = 1, waiting: int = 100, waiting_in_all: int = 100, patience: float = 60
) -> Turns:
    return Turns(in_all, at_once, waiting, waiting_in_all, patience)


async def settle() -> None:
    """Lets everything go on that can."""
    for _ in range(5):
        await asyncio.sleep(0)


class Shop:
    """Things that are done in turns, each until the test ends it; remembers who had a turn, in which order."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.begun: list[Principal] = []
        self.refused: list[Principal] = []
        self.under_way: list[tuple[Principal, asyncio.Event]] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def asks(self, *principals: Principal) -> None:
        for principal in principals:
            self.tasks.append(asyncio.create_task(self._work(principal)))
            await settle()

    async def _work(self, principal: Principal) -> None:
        try:
            async with self.turns.of(principal):
                self.begun.append(principal)
                own = (principal, asyncio.Event())
                self.under_way.append(own)
                try:
                    await own[1].wait()
                finally:
                    self.under_way.remove(own)
        except BusyError:
            self.refused.append(principal)

    async def ends(self, index: int = 0) -> None:
        """Ends one of the things under way, the oldest unless told otherwise."""
        self.under_way[index % len(self.under_way)][1].set()
        await settle()

    async def closes(self) -> None:
        while self.under_way:
            await self.ends()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_a_principal_has_so_many_turns_and_another_has_their_own() -> None:
    turns = turns_of(in_all=3, at_once=2, waiting=0)
    async with turns.of(SEATTLE), turns.of(SEATTLE):
        with pytest.raises(BusyError, match="Too many such questions of yours"):
            await turns.of(SEATTLE).__aenter__()
        async with turns.of(TACOMA):
            pass
    async with turns.of(SEATTLE):
        pass


async def test_all_together_have_a_limit_too_and_who_gives_up_leaves_it_free() -> None:
    turns = turns_of(patience=0.01)
    async with turns.of(SEATTLE):
        for _ in range(2):
            with pytest.raises(BusyError, match="Too many questions are being answered"):
                await turns.of(TACOMA).__aenter__()
    async with turns.of(TACOMA):
        pass


async def test_some_of_a_principal_wait_and_any_more_are_refused_at_once() -> None:
    shop = Shop(turns_of(waiting=1))
    await shop.asks(SEATTLE, SEATTLE, SEATTLE)
    assert (shop.begun, shop.refused) == ([SEATTLE], [SEATTLE])
    await shop.ends()
    assert shop.begun == [SEATTLE, SEATTLE]
    await shop.closes()


async def test_some_of_everybody_together_wait_and_any_more_are_refused_at_once() -> None:
    shop = Shop(turns_of(waiting_in_all=2))
    await shop.asks(SEATTLE, SEATTLE, TACOMA, PEOPLE[0])
    assert shop.refused == [PEOPLE[0]]
    await shop.closes()


@pytest.mark.parametrize(("seconds", "retry_after"), [(0, 1), (3.2, 10), (100, 60)])
async def test_who_is_refused_learns_when_those_that_wait_will_have_had_their_turns(
    seconds: float, retry_after: int
) -> None:
    shop = Shop(turns_of(waiting=3))
    # As long as a turn took of late.
    shop.turns._seconds = seconds  # noqa: SLF001 - a test has no time to wait for it
    await shop.asks(*[SEATTLE] * 4)
    with pytest.raises(BusyError) as caught:
        await shop.turns.of(SEATTLE).__aenter__()
    assert caught.value.details == {"retry_after": retry_after}
    await shop.closes()


async def test_how_long_a_turn_takes_is_learnt_from_the_last_ones() -> None:
    turns = turns_of()
    for _ in range(3):
        async with turns.of(SEATTLE):
            await asyncio.sleep(0.02)
    assert 0 < turns._seconds < 1  # noqa: SLF001 - what refusals are reckoned from


async def test_who_waits_too_long_is_refused_and_leaves_the_queue() -> None:
    turns = turns_of(waiting=1, patience=0.01)
    async with turns.of(SEATTLE):
        for _ in range(3):
            with pytest.raises(BusyError):
                await turns.of(SEATTLE).__aenter__()
    async with turns.of(SEATTLE):
        pass


async def test_one_question_of_somebody_else_is_next_however_many_of_one_principal_wait() -> None:
    shop = Shop(turns_of())
    await shop.asks(*[SEATTLE] * 50, TACOMA)
    await shop.ends()
    assert shop.begun == [SEATTLE, TACOMA]
    await shop.closes()


async def test_principals_take_turns_even_when_one_asks_only_after_each_answer() -> None:
    shop = Shop(turns_of())
    await shop.asks(*[SEATTLE] * 6, TACOMA)
    for _ in range(3):
        await shop.ends()
        assert shop.begun[-1] == TACOMA
        await shop.asks(PEOPLE[0])
        await shop.ends()
        assert shop.begun[-1] == PEOPLE[0]
        await shop.ends()
        assert shop.begun[-1] == SEATTLE
        await shop.asks(TACOMA)
    await shop.closes()


async def test_who_has_fewest_under_way_is_next() -> None:
    shop = Shop(turns_of(in_all=4, at_once=4))
    await shop.asks(SEATTLE, SEATTLE, SEATTLE, TACOMA)
    # Seattle's last turn was before Tacoma's.
    await shop.asks(SEATTLE, TACOMA)
    await shop.ends()
    assert shop.begun[4:] == [TACOMA]
    await shop.closes()


async def test_a_turn_is_given_back_when_its_work_fails_or_is_cancelled() -> None:
    turns = turns_of(waiting=0)

    async def hold() -> None:
        async with turns.of(SEATTLE):
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ZeroDivisionError):
        async with turns.of(SEATTLE):
            raise ZeroDivisionError
    async with turns.of(SEATTLE):
        pass


@pytest.mark.parametrize("goes_first", [True, False])
async def test_who_goes_away_in_the_moment_of_their_turn_passes_it_on(*, goes_first: bool) -> None:
    turns = turns_of()
    begun: list[Principal] = []

    async def ask(principal: Principal) -> None:
        async with turns.of(principal):
            begun.append(principal)

    async with turns.of(SEATTLE):
        gone = asyncio.create_task(ask(TACOMA))
        other = asyncio.create_task(ask(PEOPLE[0]))
        await settle()
        if goes_first:
            gone.cancel()
    # Its turn has been given, and it has not run since.
    gone.cancel()
    await other
    assert begun == [PEOPLE[0]]


@settings(deadline=None, max_examples=150)
@given(
    in_all=st.integers(1, 4),
    at_once=st.integers(1, 4),
    actions=st.lists(
        st.one_of(
            st.tuples(st.just("ask"), st.integers(0, len(PEOPLE) - 1)),
            st.tuples(st.just("end"), st.integers(0, 20)),
            st.tuples(st.just("cancel"), st.integers(0, 100)),
        ),
        max_size=80,
    ),
)
def test_whatever_people_do_limits_hold_no_turn_is_left_and_nobody_is_passed_over_twice(
    in_all: int, at_once: int, actions: list[tuple[str, int]]
) -> None:
    asyncio.run(check_fairness(Shop(turns_of(in_all=in_all, at_once=at_once)), actions))


async def check_fairness(shop: Shop, actions: list[tuple[str, int]]) -> None:
    asked: list[Principal] = []
    # Of who waits and has nothing under way: whose turn it was in the meantime.
    passed: dict[Principal, Counter[Principal]] = {one: Counter() for one in PEOPLE}
    for action, number in actions:
        begun = len(shop.begun)
        if action == "ask":
            asked.append(PEOPLE[number])
            await shop.asks(PEOPLE[number])
        elif action == "end" and shop.under_way:
            await shop.ends(number)
        elif action == "cancel" and shop.tasks:
            shop.tasks[number % len(shop.tasks)].cancel()
            await settle()
        under_way = Counter(principal for principal, _ in shop.under_way)
        open_tasks = Counter(one for one, task in zip(asked, shop.tasks, strict=True) if not task.done())
        waiting = open_tasks - under_way
        assert under_way.total() <= shop.turns.in_all
        assert all(count <= shop.turns.at_once for count in under_way.values())
        assert under_way.total() == shop.turns.in_all or all(under_way[one] == shop.turns.at_once for one in waiting)
        for one in PEOPLE:
            if one in waiting and one not in under_way:
                passed[one].update(shop.begun[begun:])
            else:
                passed[one].clear()
            assert all(count <= 1 for count in passed[one].values())
    await shop.closes()
    assert all(task.done() for task in shop.tasks)
    assert shop.refused == []
    assert (shop.turns._under_way, shop.turns._queues, shop.turns._last) == ({}, {}, {})  # noqa: SLF001 - nothing is kept
