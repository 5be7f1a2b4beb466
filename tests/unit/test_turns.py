"""Nobody keeps the others waiting."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests import tiny_shop
from zava.core.errors import BusyError
from zava.core.turns import Turns

SEATTLE, TACOMA = tiny_shop.SEATTLE.principal, tiny_shop.TACOMA.principal


async def test_a_principal_has_so_many_turns_and_another_has_their_own() -> None:
    turns = Turns(at_once=2, waiting=0, patience=5)
    async with turns.of(SEATTLE), turns.of(SEATTLE):
        with pytest.raises(BusyError, match="Too many such questions are being answered already"):
            await turns.of(SEATTLE).__aenter__()
        async with turns.of(TACOMA):
            pass
    async with turns.of(SEATTLE):
        pass


async def test_all_together_have_a_limit_too_and_who_gives_up_leaves_it_free() -> None:
    turns = Turns(at_once=1, waiting=1, patience=0.01, in_all=1)
    async with turns.of(SEATTLE):
        for _ in range(2):
            with pytest.raises(BusyError):
                await turns.of(TACOMA).__aenter__()
    async with turns.of(TACOMA):
        pass


async def test_some_wait_and_any_more_are_refused_at_once() -> None:
    turns = Turns(at_once=1, waiting=1, patience=60)
    order: list[str] = []

    async def wait() -> None:
        async with turns.of(SEATTLE):
            order.append("waited")

    async with turns.of(SEATTLE):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await turns.of(SEATTLE).__aenter__()
        order.append("first")
    await waiting
    assert order == ["first", "waited"]


async def test_who_waits_too_long_is_refused_and_leaves_the_queue() -> None:
    turns = Turns(at_once=1, waiting=1, patience=0.01)
    async with turns.of(SEATTLE):
        for _ in range(3):
            with pytest.raises(BusyError):
                await turns.of(SEATTLE).__aenter__()
    async with turns.of(SEATTLE):
        pass


async def test_a_turn_is_given_back_when_its_work_fails_or_is_cancelled() -> None:
    turns = Turns(at_once=1, waiting=0, patience=5)

    async def hold() -> None:
        async with turns.of(SEATTLE):
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ZeroDivisionError):
        async with turns.of(SEATTLE):
            raise ZeroDivisionError
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(turns.of(SEATTLE))
    assert turns._queues == {}  # noqa: SLF001 - nothing of anybody who has gone is kept
