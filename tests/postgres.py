"""Real databases for tests: an embedded PostgreSQL of their own, and the tiny shop in it."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from tests import tiny_shop
from tests.fakes import MODEL, meaning_of
from tests.tiny_shop import PersonRow, identify


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """A new folder, in a place that the system user of the embedded PostgreSQL can reach."""
    folder = Path(tempfile.mkdtemp(prefix="zava-tests-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def load_tiny_shop(connection: psycopg.Connection[Any]) -> None:
    """Fills a freshly migrated database, as an administrator in autocommit mode."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE zava_owner")
        cursor.execute("UPDATE retail.business_settings SET time_zone = 'America/Los_Angeles'")
        cursor.executemany(
            "INSERT INTO retail.stores (store_id, name, location, region, opened_on) VALUES (%s, %s, '', %s, %s)",
            [(store.store_id, store.name, store.region, store.opened_on) for store in tiny_shop.STORES],
        )
        _load_products(cursor)
        _load_orders(cursor)
        cursor.executemany(
            "INSERT INTO retail.store_targets (store_id, month, revenue_target) VALUES (%s, %s, %s)",
            [(identify(store), month, target) for (store, month), target in tiny_shop.TARGETS.items()],
        )
        cursor.executemany(
            "INSERT INTO retail.inventory (store_id, product_id, stock_level) VALUES (%s, %s, %s)",
            [(identify(store), identify(product), level) for (store, product), level in tiny_shop.STOCK.items()],
        )
        _load_embeddings(cursor)
        load_people(cursor, tiny_shop.PEOPLE)


def _load_products(cursor: psycopg.Cursor[Any]) -> None:
    for category in sorted({product.category for product in tiny_shop.PRODUCTS}):
        cursor.execute(
            "INSERT INTO retail.categories (category_id, name) VALUES (%s, %s)", (identify(category), category)
        )
        cursor.execute(
            "INSERT INTO retail.product_types (product_type_id, category_id, name) VALUES (%s, %s, %s)",
            (identify(f"type {category}"), identify(category), category),
        )
    cursor.executemany(
        """
        INSERT INTO retail.products
            (product_id, sku, name, product_type_id, cost, base_price, pack_size, supplier_lead_days, description)
        VALUES (%s, %s, %s, %s, %s, 2, %s, %s, %s)
        """,
        [
            (
                product.product_id,
                product.name,
                product.name,
                identify(f"type {product.category}"),
                product.cost,
                product.pack_size,
                product.lead_days,
                product.description,
            )
            for product in tiny_shop.PRODUCTS
        ],
    )


def _load_embeddings(cursor: psycopg.Cursor[Any]) -> None:
    """What the products mean to the fake model, where there is pgvector."""
    if cursor.execute("SELECT to_regclass('retail.embedding_models')").fetchone() == (None,):
        return
    cursor.execute(
        "INSERT INTO retail.embedding_models (model, dimensions, active, completed_at) VALUES (%s, %s, true, now())",
        [MODEL.name, MODEL.dimensions],
    )
    described = cursor.execute("SELECT product_id, content, content_hash FROM retail.product_search").fetchall()
    cursor.executemany(
        """
        INSERT INTO retail.product_description_embeddings (product_id, model, embedding, content_hash)
        VALUES (%s, %s, %s::vector, %s)
        """,
        [
            (product_id, MODEL.name, str(meaning_of(content).tolist()), content_hash)
            for product_id, content, content_hash in described
        ],
    )


def _load_orders(cursor: psycopg.Cursor[Any]) -> None:
    customers = sorted({(order.store, order.customer) for order in tiny_shop.ORDERS if order.customer})
    cursor.executemany(
        "INSERT INTO retail.customer_records (store_id, customer_id, first_name, last_name, email)"
        " VALUES (%s, %s, %s, 'Canary', %s)",
        [(identify(store), identify(name), name, f"{name.lower()}@example.com") for store, name in customers],
    )
    for order in tiny_shop.ORDERS:
        cursor.execute(
            "INSERT INTO retail.orders"
            " (store_id, order_id, order_number, customer_id, ordered_at, order_date, total_amount, status)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                identify(order.store),
                order.order_id,
                order.number,
                identify(order.customer) if order.customer else None,
                f"{order.day} 12:00 America/Los_Angeles",
                order.day,
                sum(line.total for line in order.lines),
                order.status,
            ),
        )
        cursor.executemany(
            "INSERT INTO retail.order_items (store_id, order_id, line_no, order_date, product_id, quantity,"
            " unit_price, unit_cost, discount_amount, line_total)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    identify(order.store),
                    order.order_id,
                    number,
                    order.day,
                    identify(line.product),
                    line.quantity,
                    line.unit_price,
                    line.unit_cost,
                    line.discount,
                    line.total,
                )
                for number, line in enumerate(order.lines, start=1)
            ],
        )
    cursor.executemany(
        "INSERT INTO retail.returns"
        " (store_id, return_id, order_id, line_no, returned_on, quantity, refund_amount, reason)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        [
            (
                identify(back.store),
                uuid4(),
                identify(f"{back.store} {back.order_number}"),
                back.line_no,
                back.day,
                back.quantity,
                back.refund,
                back.reason,
            )
            for back in tiny_shop.RETURNS
        ],
    )


def load_people(cursor: psycopg.Cursor[Any], people: Iterable[PersonRow]) -> None:
    """Adds those who may ask, in a transaction that then goes on as zava_access."""
    cursor.execute("SET LOCAL ROLE zava_access")
    for person in people:
        person_id = person.principal.principal_id
        cursor.execute(
            "INSERT INTO access.principals (principal_id, subject, name, role, disabled) VALUES (%s, %s, %s, %s, %s)",
            (person_id, person.name, person.name, person.role, person.disabled),
        )
        cursor.executemany(
            "INSERT INTO access.principal_stores (principal_id, store_id) VALUES (%s, %s)",
            [(person_id, identify(store)) for store in person.stores],
        )
        cursor.executemany(
            "INSERT INTO access.principal_grants (principal_id, grant_name) VALUES (%s, %s)",
            [(person_id, grant) for grant in person.grants],
        )
