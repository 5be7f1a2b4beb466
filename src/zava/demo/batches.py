"""Writes sales into the database, many at a time.

Row security forbids COPY, so rows travel as one array for each column. PostgreSQL works on one batch while the next is
made: a thread waits for it meanwhile.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

_CUSTOMERS = """
INSERT INTO retail.customer_records (store_id, customer_id, first_name, last_name, email, created_at, updated_at)
SELECT store_id, customer_id, first_name, last_name, email, to_timestamp(moment), to_timestamp(moment)
FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::bigint[])
    AS row (store_id, customer_id, first_name, last_name, email, moment)
ON CONFLICT DO NOTHING
"""
_ORDERS = """
INSERT INTO retail.orders (
    store_id, order_id, order_number, customer_id, ordered_at, order_date, total_amount, status, created_at, updated_at
)
SELECT
    store_id, order_id, order_number, customer_id, to_timestamp(moment), order_date, total_amount, status,
    to_timestamp(moment), to_timestamp(moment)
FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[], %s::uuid[], %s::bigint[], %s::date[], %s::numeric[], %s::text[])
    AS row (store_id, order_id, order_number, customer_id, moment, order_date, total_amount, status)
"""
_ITEMS = """
INSERT INTO retail.order_items (
    store_id, order_id, line_no, order_date, product_id, quantity, unit_price, unit_cost, discount_percent,
    discount_amount, line_total, created_at
)
SELECT
    store_id, order_id, line_no, order_date, product_id, quantity, unit_price, unit_cost, discount_percent,
    discount_amount, line_total, to_timestamp(moment)
FROM unnest(
    %s::uuid[], %s::uuid[], %s::integer[], %s::date[], %s::uuid[], %s::integer[], %s::numeric[], %s::numeric[],
    %s::numeric[], %s::numeric[], %s::numeric[], %s::bigint[]
) AS row (
    store_id, order_id, line_no, order_date, product_id, quantity, unit_price, unit_cost, discount_percent,
    discount_amount, line_total, moment
)
"""
_RETURNS = """
INSERT INTO retail.returns (
    store_id, return_id, order_id, line_no, returned_on, quantity, refund_amount, reason, created_at
)
SELECT
    store_id, return_id, order_id, line_no, returned_on, quantity, refund_amount, reason,
    returned_on::timestamp AT TIME ZONE 'America/Los_Angeles'
FROM unnest(
    %s::uuid[], %s::uuid[], %s::uuid[], %s::integer[], %s::date[], %s::integer[], %s::numeric[], %s::text[]
) AS row (store_id, return_id, order_id, line_no, returned_on, quantity, refund_amount, reason)
"""


@dataclass(frozen=True)
class Batch:
    """Rows as PostgreSQL reads them, a text for each column."""

    customers: list[tuple[str, ...]] = field(default_factory=list)
    orders: list[tuple[str, ...]] = field(default_factory=list)
    items: list[tuple[str, ...]] = field(default_factory=list)
    returns: list[tuple[str, ...]] = field(default_factory=list)


def write_batch(connection: psycopg.Connection[Any], batch: Batch, *, analyze: bool) -> None:
    for table, statement, rows in (
        ("customer_records", _CUSTOMERS, batch.customers),
        ("orders", _ORDERS, batch.orders),
        ("order_items", _ITEMS, batch.items),
        ("returns", _RETURNS, batch.returns),
    ):
        if rows:
            connection.execute(statement, [_array(column) for column in zip(*rows, strict=True)])
        if analyze:
            connection.execute(SQL("ANALYZE retail.{}").format(Identifier(table)))


def _array(values: Iterable[str]) -> str:
    """As PostgreSQL writes arrays. None of our words needs quotes."""
    return "{" + ",".join(values) + "}"
