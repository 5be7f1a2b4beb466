"""How a server keeps the rollups: again and again, whatever fails."""

import asyncio
import logging
from dataclasses import dataclass, field

import psycopg
import pytest

from zava.adapters.postgres.sales_rollup import SalesRollup
from zava.commands.rollup import keep_rolled_up

DOWN = psycopg.OperationalError("the database is down\nand some details")


@dataclass(frozen=True)
class TroubledRollup(SalesRollup):
    """What comes of each attempt; after them it is cancelled."""

    outcomes: list[Exception | None] = field(default_factory=list)

    async def bring_up_to_date(self) -> int:
        if not self.outcomes:
            raise asyncio.CancelledError
        if error := self.outcomes.pop(0):
            raise error
        return 0


@pytest.mark.parametrize(
    ("outcomes", "warnings"),
    [
        ([None, None], 0),
        ([DOWN, DOWN, DOWN], 1),
        ([DOWN, None, DOWN, DOWN], 2),
    ],
)
async def test_a_failure_is_told_once_and_again_after_it_went_well(
    caplog: pytest.LogCaptureFixture, outcomes: list[Exception | None], warnings: int
) -> None:
    rollup = TroubledRollup("host=shop password=hunter2", outcomes)
    with caplog.at_level(logging.WARNING), pytest.raises(asyncio.CancelledError):
        await keep_rolled_up(rollup, 0)
    assert caplog.messages == ["Sales are not summed for a while: the database is down"] * warnings
    assert "hunter2" not in repr(rollup)
