"""Exports of the shop, as files that can be imported have it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from zava.adapters.postgres.sql import load
from zava.core.imports import Kind, Row
from zava.core.ports import ExportRepository

EXPORT: dict[Kind, LiteralString] = {
    "business": load("export_business"),
    "stores": load("export_stores"),
    "products": load("export_products"),
    "customers": load("export_customers"),
    "orders": load("export_orders"),
    "returns": load("export_returns"),
    "inventory": load("export_inventory"),
    "targets": load("export_targets"),
}
ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class PostgresExportRepository(ExportRepository):
    """Reads as zava_owner, in the transaction that `open` has begun: all that is read fits together.

    Attributes:
        connection: an administrator's.
    """

    connection: psycopg.Connection[Any]

    @classmethod
    @contextmanager
    def open(cls, connection: psycopg.Connection[Any]) -> Iterator["PostgresExportRepository"]:
        """The shop as it is now, until the end."""
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection.execute("SET LOCAL ROLE zava_owner")
            # Moments are written as the business reads its clock.
            connection.execute("SELECT set_config('timezone', time_zone, true) FROM retail.business_settings")
            yield cls(connection)

    @contextmanager
    def table(self, kind: Kind) -> Iterator[tuple[Sequence[str], Iterator[Row]]]:
        with self.connection.cursor(name=f"export_{kind}") as cursor:
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(EXPORT[kind])
            yield [column.name for column in cursor.description or ()], iter(cursor)
