"""What does this SELECT say? The one question whose words are the caller's own."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from zava.core.errors import ValidationError
from zava.core.model import Principal, ResultColumn
from zava.core.ports import Sandbox
from zava.core.turns import Turns

LONGEST_QUERY = 20_000
ADVICE = {
    "rows": "There are more rows. Group, filter, or name an ORDER BY and LIMIT.",
    "bytes": "There is more data. Name fewer columns, shorten long texts, or group.",
}


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """A table and what it covers; advice says how to ask for less when it was cut short."""

    columns: tuple[ResultColumn, ...]
    rows: tuple[tuple[object, ...], ...]
    row_count: int
    truncated: Literal["rows", "bytes"] | None
    advice: str | None
    stores: tuple[str, ...]
    as_of: datetime
    seconds: float


@dataclass(frozen=True)
class ExecuteSalesQuery:
    """Decides whose turn it is and which texts are worth asking, and says what an answer is worth."""

    sandbox: Sandbox
    turns: Turns

    async def __call__(self, principal: Principal, query: str) -> QueryAnswer:
        """The rows of the query, as far as the principal sees them.

        Raises:
            ValidationError: the text is empty, too long, or no text that PostgreSQL could hold.
            BusyError: too many queries of this principal are running or waiting.
            ZavaError: as Sandbox.execute_sales_query.
        """
        _check_text(query)
        async with self.turns.of(principal):
            started = time.monotonic()
            table = await self.sandbox.execute_sales_query(principal, query)
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


def _check_text(query: str) -> None:
    try:
        size = len(query.encode())
    except UnicodeEncodeError:
        raise ValidationError("postgresql_query", None, "it has half of a character in it") from None
    if not query.strip():
        raise ValidationError("postgresql_query", query[:1], "write one SELECT")
    if size > LONGEST_QUERY:
        raise ValidationError("postgresql_query", size, f"it must be at most {LONGEST_QUERY:,} bytes and has {size:,}")
    if "\0" in query:
        raise ValidationError("postgresql_query", None, "it must not contain a NUL character")
