"""What changes although nobody buys: stock, targets and the status of recent orders. All as zava_owner."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from math import fsum
from typing import Any

import psycopg

from zava.demo.rhythm import FIRST_DAY, Rhythm
from zava.demo.stock import stock_of
from zava.demo.stores import STORES
from zava.demo.targets import months_with_targets, targets_of

_FOUR_WEEKS = 28
_SETTLED_AFTER = timedelta(days=7)

_STOCK = """
INSERT INTO retail.inventory AS known (store_id, product_id, stock_level, reorder_level)
SELECT %s, * FROM unnest(%s::uuid[], %s::integer[], %s::integer[])
ON CONFLICT (store_id, product_id) DO UPDATE
SET stock_level = EXCLUDED.stock_level, reorder_level = EXCLUDED.reorder_level
WHERE (known.stock_level, known.reorder_level) IS DISTINCT FROM (EXCLUDED.stock_level, EXCLUDED.reorder_level)
"""
_TARGETS = """
INSERT INTO retail.store_targets (store_id, month, revenue_target)
SELECT %s, * FROM unnest(%s::date[], %s::numeric[])
"""
# Online orders are paid and shipped within days; of the shops' every eighth waits to be picked up.
_SETTLE = """
UPDATE retail.orders AS known
SET status = settled.status
FROM (
    SELECT
        o.store_id,
        o.order_id,
        CASE
            WHEN s.is_online THEN CASE
                WHEN o.ordered_at > %(now)s - interval '8 hours' THEN 'pending'
                WHEN o.ordered_at > %(now)s - interval '30 hours' THEN 'paid'
                WHEN o.ordered_at > %(now)s - interval '5 days' THEN 'shipped'
                ELSE 'completed'
            END
            WHEN o.order_number %% 8 = 0 THEN CASE
                WHEN o.ordered_at > %(now)s - interval '1 day' THEN 'pending'
                WHEN o.ordered_at > %(now)s - interval '3 days' THEN 'paid'
                ELSE 'completed'
            END
            ELSE 'completed'
        END AS status
    FROM retail.orders AS o
    JOIN retail.stores AS s USING (store_id)
    WHERE o.status <> 'cancelled'
        AND (o.order_date >= %(recent)s OR o.order_date BETWEEN %(recent_before)s AND %(until_before)s)
) AS settled
WHERE known.store_id = settled.store_id AND known.order_id = settled.order_id AND known.status <> settled.status
"""


def fill_shelves(cursor: psycopg.Cursor[Any], seed: int, rhythms: dict[str, Rhythm], today: date) -> None:
    day = (today - FIRST_DAY).days
    for store in STORES:
        lately = rhythms[store.name].orders[max(0, day - _FOUR_WEEKS) : day + 1]
        stock = list(stock_of(seed, store, today, fsum(lately) / max(1, len(lately))))
        columns = (
            [entry.product.product_id for entry in stock],
            [entry.level for entry in stock],
            [entry.reorder_level for entry in stock],
        )
        cursor.execute(_STOCK, [store.store_id, *columns])


def set_targets(cursor: psycopg.Cursor[Any], seed: int, rhythms: dict[str, Rhythm], today: date) -> None:
    """Those that are missing."""
    cursor.execute("SELECT DISTINCT month FROM retail.store_targets")
    known = {month for (month,) in cursor}
    months = [month for month in months_with_targets(today) if month not in known]
    for store in STORES if months else ():
        targets = list(targets_of(seed, store, rhythms[store.name], months))
        amounts = [Decimal(target) / 100 for _, target in targets]
        cursor.execute(_TARGETS, [store.store_id, [month for month, _ in targets], amounts])


def settle_orders(cursor: psycopg.Cursor[Any], now: datetime, today: date, until_before: date) -> None:
    cursor.execute(
        _SETTLE,
        {
            "now": now,
            "recent": today - _SETTLED_AFTER,
            "recent_before": until_before - _SETTLED_AFTER,
            "until_before": until_before,
        },
    )
