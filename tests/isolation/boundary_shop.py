"""A small shop that lives on the boundaries between stores: the data of the isolation oracle.

Customers of several stores, order numbers that every store has, anonymous orders, stores and products without sales.
What is sloppy lies in other people's stores only: a zero to divide by, a reason that is no number. Whoever meets one of
them although it is not in their own stores has seen too much.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from tests.postgres import load_people
from tests.tiny_shop import PersonRow, StoreRow, identify

TIME_ZONE = "America/Los_Angeles"
STORES = (
    StoreRow("Kent", "South Sound", date(2024, 5, 1)),
    StoreRow("Renton", "South Sound", date(2025, 2, 1)),
    StoreRow("Sequim", "Peninsula", date(2026, 1, 1)),
    StoreRow("Auburn", "South Sound", date(2023, 5, 1)),
    StoreRow("Yakima", "Inland", date(2025, 12, 31)),
    StoreRow("Online", "Nowhere", date(2023, 1, 1)),
)
# Sequim and Yakima have sold nothing yet.
ORDERS_OF = {"Kent": 45, "Renton": 30, "Auburn": 45, "Online": 60}
# The stores of everybody but head office.
TIDY = ("Kent", "Renton", "Sequim")
# What may be zero in the other stores, and what may be no number there.
DIVISORS = {"inventory": "stock_level", "returns": "refund_amount", "store_targets": "revenue_target"}
NUMERALS = {"stores": "location", "returns": "reason"}

HEAD_OFFICE = PersonRow("Head office", "head_office", grants=("personal",))
REGION = PersonRow("Region", "regional_manager", TIDY)
MANAGER = PersonRow("Manager", "store_manager", ("Kent",), ("personal",))
STORELESS = PersonRow("Manager to be", "store_manager")
PEOPLE = (HEAD_OFFICE, REGION, MANAGER, STORELESS)

CATEGORIES = {"Paint": ("Wall paint", "Brushes"), "Hand tools": ("Hammers", "Saws", "Left-handed tools"), "Garden": ()}
PRODUCTS = {
    "Wall paint": ("White, 1 l", "White, 5 l", "50% grey", "Under_coat", "?"),
    "Brushes": ("Brush", "Roller", "ROLLER"),
    "Hammers": ("Claw hammer", "Mallet", "Sledge", "Marteau à panne"),
    "Saws": ("Saw", "Bow saw", "Saw that nobody wants"),
}
FIRST_NAMES = ("Ann", "ann", "Åsa", "Bob", "42", "7", "", "O'Neil", "李", "x" * 50)
LAST_NAMES = ("Ito", "Ito", "de la Cruz", "Null", "Çelik", "%")
NUMBERS = ("1", "2", "3")
STATUSES = ("completed", "completed", "completed", "paid", "pending", "shipped", "cancelled")
CENTS = Decimal("0.01")
FIRST_DAY = date(2025, 11, 1)

Row = dict[str, Any]


def store_ids(person: PersonRow) -> list[UUID]:
    """The stores whose rows this person sees."""
    mine = [store.name for store in STORES] if person.role == "head_office" else person.stores
    return [identify(name) for name in mine]


def load(connection: psycopg.Connection[Any]) -> None:
    """Fills a freshly migrated database, as an administrator in autocommit mode."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("UPDATE retail.business_settings SET time_zone = %s", [TIME_ZONE])
        for table, rows in _tables(random.Random(20260301)).items():  # noqa: S311 - sample data, the same each time
            _insert(cursor, table, rows)
        cursor.execute(
            """
            INSERT INTO retail.product_description_embeddings (product_id, model, embedding, content_hash, updated_at)
            SELECT product_id, 'words', '[1, 0]', sku, created_at FROM retail.products
            """
        )
        load_people(cursor, PEOPLE)


def _insert(cursor: psycopg.Cursor[Any], table: str, rows: Sequence[Row]) -> None:
    """Inserts rows, with moments that would otherwise be those of the test."""
    moments = ["created_at"] if table in ("order_items", "returns") else ["created_at", "updated_at"]
    columns = [*rows[0], *moments]
    cursor.executemany(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier("retail", table),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
        ),
        [[*row.values(), *[_moment(FIRST_DAY, 500 * number)] * len(moments)] for number, row in enumerate(rows)],
    )


def _tables(chance: random.Random) -> Mapping[str, Sequence[Row]]:
    """Every row by table, parents first."""
    products = list(_products(chance))
    customers = list(_customers(chance))
    # The last two are sold nowhere, and stocked nowhere.
    product_ids = [row["product_id"] for row in products][:-2]
    orders: list[Row] = []
    lines: list[Row] = []
    returns: list[Row] = []
    for store in STORES:
        known = [row["customer_id"] for row in customers if row["store_id"] == store.store_id]
        for number in range(1, ORDERS_OF.get(store.name, 0) + 1):
            order = _order(store, number, chance.choice([None, *known, *known]), chance)
            its_lines = list(_lines(order, product_ids, chance))
            order["total_amount"] = sum((line["line_total"] for line in its_lines), Decimal(0))
            orders.append(order)
            lines += its_lines
            returns += [_return(store, line, chance) for line in its_lines if chance.random() < 0.12]
    return {
        "stores": [_store(store) for store in STORES],
        "categories": [{"category_id": identify(name), "name": name} for name in CATEGORIES],
        "product_types": [
            {"product_type_id": identify(f"type {name}"), "category_id": identify(category), "name": name}
            for category, names in CATEGORIES.items()
            for name in names
        ],
        "products": products,
        "customer_records": customers,
        "inventory": [row for store in STORES for row in _inventory(store, product_ids, chance)],
        "store_targets": [row for store in STORES for row in _targets(store, chance)],
        "orders": orders,
        "order_items": lines,
        "returns": returns,
    }


def _moment(day: date, minutes: int) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(minutes=minutes)


def _store(store: StoreRow) -> Row:
    return {
        "store_id": store.store_id,
        "name": store.name,
        "location": "98030" if store.name in TIDY else "Main street",
        "region": store.region,
        "is_online": store.name == "Online",
        "opened_on": store.opened_on,
    }


def _products(chance: random.Random) -> Iterator[Row]:
    for product_type, names in PRODUCTS.items():
        for number, name in enumerate(names):
            yield {
                "product_id": identify(f"{product_type} {number}"),
                "sku": f"{product_type[:2].upper()}-{number}",
                "name": name,
                "description": chance.choice(["", "3", "12", "For walls"]),
                "product_type_id": identify(f"type {product_type}"),
                "cost": Decimal(chance.randrange(0, 2000, 25)) / 100,
                "base_price": Decimal(chance.choice([0, 999, 1250, 2000, 2999])) / 100,
                "pack_size": chance.choice([1, 1, 6, 12]),
                "supplier_lead_days": chance.choice([0, 7, 14]),
                "discontinued": chance.random() < 0.2,
            }


def _customers(chance: random.Random) -> Iterator[Row]:
    """People, each known to some of the stores, which need not agree on their names."""
    for person in range(30):
        for store in chance.sample(STORES, chance.choice([1, 1, 2, 3, 5])):
            yield {
                "store_id": store.store_id,
                "customer_id": identify(f"customer {person}"),
                "first_name": chance.choice(FIRST_NAMES),
                "last_name": chance.choice(LAST_NAMES),
                "email": chance.choice([None, f"c{person}@example.com", f"c{person}@{store.name}.example".lower()]),
            }


def _inventory(store: StoreRow, product_ids: Sequence[UUID], chance: random.Random) -> Iterator[Row]:
    lowest = 1 if store.name in TIDY else 0
    for product_id in product_ids:
        if chance.random() < 0.6:
            yield {
                "store_id": store.store_id,
                "product_id": product_id,
                "stock_level": chance.choice([lowest, 1, 2, 5, 8, 100]),
                "reorder_level": chance.choice([0, 2, 5]),
            }


def _targets(store: StoreRow, chance: random.Random) -> Iterator[Row]:
    lowest = 500 if store.name in TIDY else 0
    for month in (date(2025, 11, 1), date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)):
        if store.name != "Sequim" and chance.random() < 0.7:
            target = Decimal(chance.choice([lowest, 500, 1000]))
            yield {"store_id": store.store_id, "month": month, "revenue_target": target}


def _order(store: StoreRow, number: int, customer_id: UUID | None, chance: random.Random) -> Row:
    day = FIRST_DAY + timedelta(days=chance.randrange(150))
    return {
        "store_id": store.store_id,
        "order_id": identify(f"{store.name} {number}"),
        "order_number": number,
        "customer_id": customer_id,
        # Early in the morning the date in the business time zone is still the day before.
        "ordered_at": _moment(day, 1440 + chance.choice([0, 1, 59])) if number % 5 == 0 else _moment(day, 720 + number),
        "order_date": day,
        "total_amount": Decimal(0),
        "status": chance.choice(STATUSES),
    }


def _lines(order: Row, product_ids: Sequence[UUID], chance: random.Random) -> Iterator[Row]:
    for line_no, product_id in enumerate(chance.sample(product_ids, chance.choice([0, 1, 1, 2, 2, 3, 4])), start=1):
        quantity, price = chance.randrange(1, 6), Decimal(chance.choice([999, 1250, 2000])) / 100
        discount = (price * chance.choice([0, 0, 1, 2]) / 10).quantize(CENTS)
        yield {
            "store_id": order["store_id"],
            "order_id": order["order_id"],
            "line_no": line_no,
            "order_date": order["order_date"],
            "product_id": product_id,
            "quantity": quantity,
            "unit_price": price,
            "unit_cost": (price / 2).quantize(CENTS),
            "discount_percent": Decimal(0),
            "discount_amount": discount,
            "line_total": quantity * price - discount,
        }


def _return(store: StoreRow, line: Row, chance: random.Random) -> Row:
    tidy = store.name in TIDY
    return {
        "store_id": line["store_id"],
        "return_id": identify(f"return {line['order_id']} {line['line_no']}"),
        "order_id": line["order_id"],
        "line_no": line["line_no"],
        "returned_on": line["order_date"] + timedelta(days=chance.randrange(40)),
        "quantity": chance.randrange(1, line["quantity"] + 1),
        "refund_amount": line["unit_price"] if tidy else chance.choice([Decimal(0), line["unit_price"]]),
        "reason": chance.choice(NUMBERS if tidy else ("", "broken", "too late", *NUMBERS)),
    }
