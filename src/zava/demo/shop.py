"""The sample shop: the same chain of home-improvement stores for everybody, and it lives on from day to day."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg

from zava.core.errors import SetupError
from zava.core.periods import add_months
from zava.demo.books import Books, Window
from zava.demo.foundations import invite_personas, lay_foundations, stock_assortment
from zava.demo.orders import LONGEST_RETURN, StoreLife
from zava.demo.postponed import checks_postponed
from zava.demo.rhythm import FIRST_DAY, Rhythm, beginning, days, local_date, rhythm_of
from zava.demo.shelves import fill_shelves, set_targets, settle_orders
from zava.demo.stores import STORES
from zava.demo.targets import MONTHS_AHEAD

Report = Callable[[str, int, int], None]
"""Told what is being done, and how much of how much."""

_RECENT = timedelta(minutes=2)
_ONE_AT_A_TIME = 0x7A617661  # an advisory lock: "zava"

_RECORD = """
INSERT INTO access.sample_shop (seed, scale, generated_until) VALUES (%s, %s, %s)
ON CONFLICT (only_row) DO UPDATE SET generated_until = EXCLUDED.generated_until
"""
_ORDER_NUMBERS = """
SELECT s.store_id, (SELECT max(o.order_number) FROM retail.orders AS o WHERE o.store_id = s.store_id)
FROM retail.stores AS s
"""
_ANALYZE = """
ANALYZE retail.stores, retail.categories, retail.product_types, retail.products, retail.customer_records,
    retail.orders, retail.order_items, retail.returns, retail.inventory, retail.store_targets
"""


class SampleShopError(SetupError):
    """This database is not the sample shop's."""


@dataclass(frozen=True)
class Summary:
    """What was added now.

    Attributes:
        people: customers who bought for the first time.
        generated_until: the moment up to which the shop has lived.
    """

    stores: int
    products: int
    people: int
    orders: int
    items: int
    generated_until: datetime


@dataclass(frozen=True)
class _Record:
    seed: int
    scale: float
    generated_until: datetime


def _silent(what: str, done: int, total: int) -> None:
    """Report nothing."""


def open_sample_shop(
    connection: psycopg.Connection[Any],
    *,
    now: datetime,
    scale: float = 1,
    seed: int = 20200101,
    report: Report = _silent,
) -> Summary:
    """Found the sample shop, or let the one that is there live on until now.

    All of it is one transaction: an interruption leaves the database as it was.

    Args:
        connection: an administrator's, who may become zava_owner and zava_access.
        now: with a time zone.
        scale: 1 is 50,000 customers and 200,000 orders by the end of 2026, 0 is stores without products or sales.
            A shop that is there keeps the scale and the seed it was founded with.
        seed: another one brings another life.
        report: for a progress bar.

    Raises:
        SampleShopError: the database holds a real shop.
        ValueError: the scale is negative.
    """
    if scale < 0:
        raise ValueError(f"A shop cannot have the scale {scale}.")
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ONE_AT_A_TIME])
        cursor.execute("SET LOCAL synchronous_commit = off")
        record = _read_record(cursor)
        if record is None:
            record = _found(cursor, scale, seed)
            summary = replace(_live_on(cursor, record, now, report), stores=len(STORES))
        elif now - record.generated_until < _RECENT:
            summary = Summary(0, 0, 0, 0, 0, record.generated_until)
        else:
            summary = _live_on(cursor, record, now, report)
        cursor.execute("SET LOCAL ROLE NONE")
        return summary


def _read_record(cursor: psycopg.Cursor[Any]) -> _Record | None:
    cursor.execute("SET LOCAL ROLE zava_access")
    row = cursor.execute("SELECT seed, scale, generated_until FROM access.sample_shop").fetchone()
    return _Record(row[0], float(row[1]), row[2]) if row else None


def _found(cursor: psycopg.Cursor[Any], scale: float, seed: int) -> _Record:
    """Lay the foundations of a shop that has not lived yet."""
    cursor.execute("SET LOCAL ROLE zava_owner")
    if cursor.execute("SELECT FROM retail.stores LIMIT 1").fetchone() is not None:
        raise SampleShopError("This database holds a real shop. The sample shop will not touch it.")
    lay_foundations(cursor)
    cursor.execute("SET LOCAL ROLE zava_access")
    invite_personas(cursor)
    return _Record(seed, scale, beginning())


def _live_on(cursor: psycopg.Cursor[Any], record: _Record, now: datetime, report: Report) -> Summary:
    """Everything that happens from the moment on record until now, and the new record."""
    cursor.execute("SET LOCAL ROLE zava_owner")
    summary = _trade(cursor, record, now, report) if record.scale else Summary(0, 0, 0, 0, 0, now)
    cursor.execute("SET LOCAL ROLE zava_access")
    cursor.execute(_RECORD, [record.seed, Decimal(str(record.scale)), now])
    return summary


def _trade(cursor: psycopg.Cursor[Any], record: _Record, now: datetime, report: Report) -> Summary:
    before, today = local_date(record.generated_until), local_date(now)
    last_day = add_months(today, MONTHS_AHEAD + 1)
    rhythms = {store.name: rhythm_of(store, record.scale, last_day) for store in STORES}
    new_products = stock_assortment(cursor, today)
    window = Window(int(record.generated_until.timestamp()), int(now.timestamp()), before, today)
    numbers = _order_numbers(cursor)
    is_new = not any(numbers.values())
    with checks_postponed(cursor) if is_new else nullcontext(), ThreadPoolExecutor(max_workers=1) as clerk:
        books = Books(cursor.connection, clerk, record.seed, window, numbers)
        _sell(books, rhythms, max(FIRST_DAY, before - timedelta(days=LONGEST_RETURN)), today, report)
    settle_orders(cursor, now, today, before)
    if today > before:
        fill_shelves(cursor, record.seed, rhythms, today)
        set_targets(cursor, record.seed, rhythms, today)
    if books.mostly_new:
        cursor.execute(_ANALYZE)
    return Summary(0, new_products, books.people, books.orders, books.items, now)


def _sell(books: Books, rhythms: dict[str, Rhythm], first: date, last: date, report: Report) -> None:
    lives = [StoreLife(store, books.seed, rhythms) for store in STORES]
    every_day = days(first, last)
    for number, day in enumerate(every_day, 1):
        for life in lives:
            books.enter(life.store, day, life.orders_of(day))
        if books.full:
            books.write()
            report("days", number, len(every_day))
    books.write()
    books.wait()
    report("days", len(every_day), len(every_day))


def _order_numbers(cursor: psycopg.Cursor[Any]) -> dict[str, int]:
    """The last one given in each store."""
    cursor.execute(_ORDER_NUMBERS)
    last = dict(cursor.fetchall())
    return {store.name: last.get(store.store_id) or 0 for store in STORES}
