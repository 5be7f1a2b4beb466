"""zava db rollup, and the same in the background of a server."""

import asyncio
import logging
from collections.abc import Callable

import psycopg

from zava.adapters.postgres.sales_rollup import SalesRollup
from zava.commands.database import failures_of, first_line, open_database
from zava.core.errors import SetupError
from zava.settings import Settings

logger = logging.getLogger(__name__)


def roll_up(settings: Settings) -> None:
    """Sums the days whose sales have changed, and says how many they were."""
    with open_database(settings) as database:
        if database.access.writer_dsn is None:
            raise SetupError("This needs the login zava_writer: set ZAVA_DATABASE__WRITER_DSN.")
        with failures_of("zava db rollup"):
            days = asyncio.run(SalesRollup(database.access.writer_dsn).bring_up_to_date())
    print(f"Summed {days:,} days of stores. The rollups are up to date.")


async def keep_rolled_up(rollup: SalesRollup, seconds: float, done: Callable[[], None] = lambda: None) -> None:
    """Does so again and again, until it is cancelled. Answers are right without it, and slower.

    Args:
        rollup: does it.
        seconds: from the end of one time to the next.
        done: is told each time.
    """
    fails = False
    while True:
        try:
            await rollup.bring_up_to_date()
        except psycopg.Error as error:
            if not fails:
                logger.warning("Sales are not summed for a while: %s", first_line(error))
            fails = True
        else:
            fails = False
            done()
        await asyncio.sleep(seconds)
