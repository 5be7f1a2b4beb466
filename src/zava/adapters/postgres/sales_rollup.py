"""Keeps the rollups: sums the days anew whose sales have changed."""

from dataclasses import dataclass, field

import psycopg

ROLL_UP = "SELECT retail.roll_up_sales()"
# Commits nothing but a moment: a standby knows of its own age by what it follows.
BEAT = "SELECT pg_current_xact_id()"
CONNECT_SECONDS = 5


@dataclass(frozen=True)
class SalesRollup:
    """Works as the login zava_writer, which may do this and nothing else.

    Attributes:
        dsn: connection string, password included; never shown.
    """

    dsn: str = field(repr=False)

    async def bring_up_to_date(self) -> int:
        """Sums what has changed, a month in each transaction; returns how many days of stores that were.

        Leaves off when another process is at it.

        Raises:
            psycopg.Error: the database failed. What is done is kept.
        """
        summed = 0
        async with await psycopg.AsyncConnection.connect(
            self.dsn, autocommit=True, connect_timeout=CONNECT_SECONDS, prepare_threshold=None
        ) as connection:
            await connection.execute(BEAT)
            while True:
                cursor = await connection.execute(ROLL_UP)
                ((days,),) = await cursor.fetchall()
                if not days:
                    return summed
                summed += days
