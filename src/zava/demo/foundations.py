"""What stands before the first customer comes: stores, assortment, personas, the rules of the business."""

from datetime import date
from decimal import Decimal
from typing import Any, LiteralString

import psycopg

from zava.demo.catalogue import read_catalogue
from zava.demo.personas import PERSONAS
from zava.demo.prices import price_list
from zava.demo.rhythm import TIME_ZONE
from zava.demo.stores import BY_NAME, STORES

_SETTINGS = """
UPDATE retail.business_settings
SET time_zone = %s, week_starts_on = 1, fiscal_year_starts_in = 1, currency = 'USD'
"""
_STORES = """
INSERT INTO retail.stores (store_id, name, location, region, is_online, opened_on) VALUES (%s, %s, %s, %s, %s, %s)
"""
_CATEGORIES = """
INSERT INTO retail.categories (category_id, name)
SELECT * FROM unnest(%s::uuid[], %s::text[]) ON CONFLICT DO NOTHING
"""
_TYPES = """
INSERT INTO retail.product_types (product_type_id, category_id, name)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[]) ON CONFLICT DO NOTHING
"""
# Later on, prices change and products are discontinued.
_PRODUCTS = """
INSERT INTO retail.products AS known (
    product_id, sku, name, description, product_type_id, cost, base_price, pack_size, supplier_lead_days, discontinued
)
SELECT * FROM unnest(
    %s::uuid[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::numeric[], %s::numeric[], %s::integer[],
    %s::integer[], %s::boolean[]
)
ON CONFLICT (product_id) DO UPDATE
SET cost = EXCLUDED.cost, base_price = EXCLUDED.base_price, discontinued = EXCLUDED.discontinued
WHERE (known.cost, known.base_price, known.discontinued)
    IS DISTINCT FROM (EXCLUDED.cost, EXCLUDED.base_price, EXCLUDED.discontinued)
"""


def lay_foundations(cursor: psycopg.Cursor[Any]) -> None:
    """Business settings, stores and the kinds of products, as zava_owner."""
    catalogue = read_catalogue()
    cursor.execute(_SETTINGS, [TIME_ZONE.key])
    for store in STORES:
        cursor.execute(
            _STORES,
            [store.store_id, store.name, store.location, store.region, store.is_online, store.opened_on],
        )
    _insert(cursor, _CATEGORIES, [(category.category_id, category.name) for category in catalogue.categories])
    _insert(
        cursor,
        _TYPES,
        [
            (kind.product_type_id, catalogue.categories[kind.category_number].category_id, kind.name)
            for kind in catalogue.types
        ],
    )


def stock_assortment(cursor: psycopg.Cursor[Any], today: date) -> int:
    """Enter the products or bring their prices up to date, as zava_owner; how many are new."""
    catalogue = read_catalogue()
    month = (today.year, today.month)
    prices = price_list(month)
    rows = [
        (
            product.product_id,
            product.sku,
            product.name,
            product.description,
            catalogue.types[product.type_number].product_type_id,
            Decimal(prices[product.number].cost) / 100,
            Decimal(prices[product.number].price) / 100,
            product.pack_size,
            product.lead_days,
            not product.is_sold(month),
        )
        for product in catalogue.products
    ]
    before = _products(cursor)
    _insert(cursor, _PRODUCTS, rows)
    return _products(cursor) - before


def invite_personas(cursor: psycopg.Cursor[Any]) -> None:
    """As zava_access."""
    for persona in PERSONAS:
        cursor.execute(
            "INSERT INTO access.principals (principal_id, subject, name, role) VALUES (%s, %s, %s, %s)",
            [persona.principal_id, persona.token, persona.name, persona.role],
        )
        for store in persona.stores:
            cursor.execute(
                "INSERT INTO access.principal_stores (principal_id, store_id) VALUES (%s, %s)",
                [persona.principal_id, BY_NAME[store].store_id],
            )
        for grant in persona.grants:
            cursor.execute(
                "INSERT INTO access.principal_grants (principal_id, grant_name) VALUES (%s, %s)",
                [persona.principal_id, grant],
            )


def _products(cursor: psycopg.Cursor[Any]) -> int:
    cursor.execute("SELECT product_id FROM retail.products")
    return cursor.rowcount


def _insert(cursor: psycopg.Cursor[Any], statement: LiteralString, rows: list[tuple[Any, ...]]) -> None:
    cursor.execute(statement, [list(column) for column in zip(*rows, strict=True)])
