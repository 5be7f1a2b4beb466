"""Marks in every row of the shop, by which one knows whose it is, wherever it turns up."""

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

Connection = psycopg.Connection[Any]

# Of stores, by their digits: order numbers, amounts, costs, refunds, targets and stock that nobody else has.
NUMBERS = (
    r"8461{0}\d{{7}}",
    r"5273{0}\d{{3}}\.37",
    r"6184{0}\d{{3}}\.53",
    r"3926{0}\d{{3}}\.83",
    r"74529{0}\d{{4}}\.61",
    r"1937{0}\d{{5}}",
)

# A token for PostgreSQL, and a persona's: whoever has one is that person.
TOKENS = (r"[0-9a-f]{16}\|[0-9a-f-]{36}\|\d{10}\|[0-9a-f]{64}", r"demo-(?:store|region|head)-?[a-z-]*")

PLANT = """
UPDATE retail.stores AS s
SET name = s.name || ' ' || mark, location = 'at ' || mark, region = 'around ' || mark
FROM marks WHERE s.store_id = marks.store_id;

UPDATE retail.customer_records AS c
SET first_name = person || 'f' || n, last_name = person || 'l' || n, email = person || 'e' || n || '@example.com'
FROM (
    SELECT store_id, customer_id, row_number() OVER (PARTITION BY store_id) AS n FROM retail.customer_records
) AS numbered
INNER JOIN marks USING (store_id)
WHERE c.store_id = numbered.store_id AND c.customer_id = numbered.customer_id;

UPDATE retail.orders AS o
SET order_number = 846100000000 + digit * 10000000 + order_number,
    total_amount = 52730000.37 + digit * 1000 + order_number % 1000
FROM marks WHERE o.store_id = marks.store_id;

UPDATE retail.order_items AS i SET unit_cost = 61840000.53 + digit * 1000 + line_no
FROM marks WHERE i.store_id = marks.store_id;

UPDATE retail.returns AS r
SET reason = 'because of ' || mark || ' ' || left(reason, 100), refund_amount = 39260000.83 + digit * 1000 + line_no
FROM marks WHERE r.store_id = marks.store_id;

UPDATE retail.inventory AS i SET stock_level = 1937000000 + digit * 100000 + stock_level % 100000
FROM marks WHERE i.store_id = marks.store_id;

UPDATE retail.store_targets AS t SET revenue_target = 7452900000.61 + digit * 10000 + extract(doy FROM month)
FROM marks WHERE t.store_id = marks.store_id;
"""
TOTALS = """
SELECT array_agg(rows) FROM (
    SELECT count(*) FROM retail.orders
    UNION SELECT count(*) FROM retail.order_items UNION SELECT sum(quantity) FROM retail.order_items
    UNION SELECT count(*) FROM retail.customer_records
    UNION SELECT count(*) FROM retail.inventory UNION SELECT count(*) FROM retail.returns
) AS counted (rows)
"""
PADS = "SELECT unnest(ARRAY[encode(inner_pad, 'hex'), encode(outer_pad, 'hex')]) FROM access.keys"


def _new_mark(kind: str) -> str:
    return f"{kind}{secrets.token_hex(4)}"


@dataclass(frozen=True)
class StoreMarks:
    """What stands in the rows of one store.

    Attributes:
        digit: in the midst of its numbers.
        mark: in its texts.
        person: in the names and addresses of its customers.
    """

    store_id: UUID
    name: str
    digit: int
    mark: str
    person: str


@dataclass(frozen=True)
class Canaries:
    """The marks of a shop.

    Attributes:
        people: in the names of principals.
        activity: in the SQL of others.
        pads: of the keys, in hexadecimal.
        totals: how many rows all stores have together, table by table.
    """

    stores: tuple[StoreMarks, ...]
    people: str
    activity: str
    pads: tuple[str, ...]
    totals: tuple[int, ...]

    def hidden_from(self, store_ids: Collection[UUID], *, personal: bool) -> re.Pattern[str]:
        """What somebody with these stores must never see, in lower case, forwards, backwards or in hexadecimal."""
        marks = [self.people, self.activity]
        digits = ""
        for store in self.stores:
            if store.store_id not in store_ids:
                marks.append(store.mark)
                digits += str(store.digit)
            if store.store_id not in store_ids or not personal:
                marks.append(store.person)
        disguised = (way for mark in marks for way in (mark, mark[::-1], mark.encode().hex()))
        # One alternative for all stores: every place of every answer is compared with each.
        numbers = "|".join(number.format(f"[{digits}]") for number in NUMBERS)
        whole = (rf"(?<![\w.-])(?:{numbers})(?![\w-])",) if digits else ()
        return re.compile("|".join((*disguised, *self.pads, *whole, *TOKENS)))


def plant(connection: Connection) -> Canaries:
    """Marks every row of a shop, as a superuser."""
    people = _new_mark("zr")
    names = connection.execute("SELECT store_id, name FROM retail.stores ORDER BY name").fetchall()
    stores = tuple(
        StoreMarks(store_id, name, digit, _new_mark("zq"), _new_mark("zp"))
        for digit, (store_id, name) in enumerate(names)
    )
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE marks (store_id uuid, digit integer, mark text, person text) ON COMMIT DROP")
        cursor.executemany(
            "INSERT INTO marks VALUES (%s, %s, %s, %s)",
            [(store.store_id, store.digit, store.mark, store.person) for store in stores],
        )
        cursor.execute(PLANT)
        cursor.execute("UPDATE access.principals SET name = %s || ' ' || name", [people])
    connection.execute("ANALYZE")
    totals = connection.execute(TOTALS).fetchone()
    assert totals is not None
    pads = [pad for (pad,) in connection.execute(PADS)]
    return Canaries(stores, people, _new_mark("zs"), tuple(pads), tuple(map(int, totals[0])))
