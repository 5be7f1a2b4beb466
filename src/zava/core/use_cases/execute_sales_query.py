"""What does this SELECT say? The one question whose words are the caller's own."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from zava.core.checks import check_text
from zava.core.model import Principal, ResultColumn
from zava.core.ports import Sandbox

LONGEST_QUERY = 20_000
ADVICE = {
    "rows": "There are more rows. Group, filter, or name an ORDER BY and LIMIT.",
    "bytes": "There is more data. Name fewer columns, shorten long texts, or group.",
}


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """A table, and what it covers.

    Attributes:
        rows: a value a column.
        row_count: rows shown.
        truncated: which limit cut it short; None when it is complete.
        advice: how to ask for less; None when it is complete.
        stores: whose rows the query could see.
        as_of: the moment of which the rows are.
        seconds: that the query took.
    """

    columns: tuple[ResultColumn, ...]
    rows: tuple[tuple[object, ...], ...]
    row_count: int
    truncated: Literal["rows", "bytes"] | None
    advice: str | None
    stores: tuple[str, ...]
    as_of: datetime
    seconds: float

    @property
    def cut(self) -> bool:
        """Whether there are more rows than these."""
        return self.truncated is not None


@dataclass(frozen=True)
class ExecuteSalesQuery:
    """Decides which texts are worth asking, and says what an answer is worth.

    Attributes:
        for_file: whether the answer is for a file, which may be longer.
    """

    sandbox: Sandbox
    for_file: bool = False

    async def __call__(self, principal: Principal, query: str) -> QueryAnswer:
        """The rows of the query, as far as the principal sees them.

        Raises:
            ValidationError: the text is empty, too long, or no text that PostgreSQL could hold.
            ZavaError: as Sandbox.execute_sales_query.
        """
        check_text("postgresql_query", query, most_bytes=LONGEST_QUERY, empty="write one SELECT")
        started = time.monotonic()
        table = await self.sandbox.execute_sales_query(principal, query, for_file=self.for_file)
        seconds = time.monotonic() - started
        return QueryAnswer(
            columns=table.columns,
            rows=table.rows,
            row_count=len(table.rows),
            truncated=table.truncated,
            advice=ADVICE[table.truncated] if table.truncated else None,
            stores=table.stores,
            as_of=table.as_of,
            seconds=round(seconds, 3),
        )
