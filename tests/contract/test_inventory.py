"""Stock at risk: fake and PostgreSQL answer alike, and each sees the stock of their own stores."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import LiteralString, TypeAlias

import psycopg
import pytest

from tests import tiny_shop
from tests.contract.conftest import KEY, Ports, TestDatabase, new_pool
from tests.fakes import FakeInventoryRepository
from tests.tiny_shop import PersonRow, identify
from zava.adapters.postgres.inventory import PostgresInventoryRepository
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.core.errors import AuthorizationError
from zava.core.model import DateRange, InventoryFindings, InventoryQuery, StockPosition

# As it is asked on 1 April.
QUERY = InventoryQuery(
    stores=tuple(store.store_id for store in tiny_shop.STORES),
    category=None,
    risks=("stockout", "overstock"),
    pace=DateRange(date(2026, 3, 4), date(2026, 3, 31)),
    unsold_since=date(2026, 1, 1),
    horizon_days=30,
    overstock_days=180,
    max_rows=20,
)
# And in summer, when nothing was sold for long.
SUMMER = replace(QUERY, pace=DateRange(date(2026, 6, 20), date(2026, 7, 17)), unsold_since=date(2026, 4, 19))
# Risk, store, product.
Found: TypeAlias = tuple[str, str, str]
ROLLER = ("stockout", "Seattle", "Paint roller")
CHISEL = ("stockout", "Bellevue", "Wood chisel")
TACOMA_PAINT = ("stockout", "Tacoma", "Wall paint")
SEATTLE_PAINT = ("overstock", "Seattle", "Wall paint")

PEOPLE = [tiny_shop.HEAD_OFFICE, tiny_shop.REGION, tiny_shop.SEATTLE, tiny_shop.TACOMA, tiny_shop.STORELESS]


def listed(findings: InventoryFindings) -> list[Found]:
    return [(one.risk, one.store, one.product) for one in findings.positions]


async def test_a_position_says_what_it_was_judged_by(ports: Ports) -> None:
    (tacoma,) = (await ports.inventory.check_inventory(tiny_shop.TACOMA.principal, QUERY)).positions
    assert tacoma == StockPosition(
        risk="stockout",
        store="Tacoma",
        product="Wall paint",
        sku="Wall paint",
        stock_level=2,
        units_sold=10,
        units_sold_longer=14,
        lead_days=14,
        pack_size=4,
        cost=Decimal("20.50"),
        discontinued=False,
    )


async def test_stockouts_come_first_by_cover_and_then_by_what_they_sold(ports: Ports) -> None:
    found = await ports.inventory.check_inventory(tiny_shop.HEAD_OFFICE.principal, QUERY)
    # The hammer of Seattle did not sell in four weeks, but did in ninety days: nothing is known of it.
    assert listed(found) == [
        ("stockout", "Seattle", "Paint roller"),
        ("stockout", "Bellevue", "Wood chisel"),
        ("stockout", "Tacoma", "Wall paint"),
        ("overstock", "Seattle", "Wall paint"),
    ]
    assert (found.stockouts, found.overstocks, found.overstock_value) == (3, 1, Decimal("10250.00"))


async def test_what_did_not_sell_for_long_is_overstock_the_dearest_first(ports: Ports) -> None:
    found = await ports.inventory.check_inventory(
        tiny_shop.HEAD_OFFICE.principal, replace(SUMMER, risks=("overstock",))
    )
    assert listed(found) == [
        ("overstock", "Seattle", "Wall paint"),
        ("overstock", "Tacoma", "Wall paint"),
        ("overstock", "Seattle", "Claw hammer"),
    ]
    assert (found.overstocks, found.overstock_value) == (3, Decimal("10292.00"))


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.name)
async def test_stock_is_that_of_ones_own_stores(ports: Ports, person: PersonRow) -> None:
    mine = ["Bellevue", "Seattle", "Tacoma"] if person.role == "head_office" else person.stores
    for query in (QUERY, SUMMER):
        every = await FakeInventoryRepository().check_inventory(tiny_shop.HEAD_OFFICE.principal, query)
        found = await ports.inventory.check_inventory(person.principal, query)
        assert found.positions == tuple(position for position in every.positions if position.store in mine)
        assert found.stockouts + found.overstocks == len(found.positions)
        assert found == await FakeInventoryRepository().check_inventory(person.principal, query)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (replace(QUERY, stores=(identify("Tacoma"),)), [TACOMA_PAINT]),
        (replace(QUERY, category="Paint"), [ROLLER, TACOMA_PAINT, SEATTLE_PAINT]),
        (replace(QUERY, category="Hand tools"), [CHISEL]),
        (replace(QUERY, category="'; DROP TABLE retail.inventory; --"), []),
        (replace(QUERY, risks=("stockout",)), [ROLLER, CHISEL, TACOMA_PAINT]),
        (replace(QUERY, risks=("overstock",)), [SEATTLE_PAINT]),
        # 5.6 days of cover.
        (replace(QUERY, horizon_days=5), [ROLLER, CHISEL, SEATTLE_PAINT]),
        (replace(QUERY, horizon_days=6), [ROLLER, CHISEL, TACOMA_PAINT, SEATTLE_PAINT]),
        # 4,666 and two thirds.
        (replace(QUERY, overstock_days=4666), [ROLLER, CHISEL, TACOMA_PAINT, SEATTLE_PAINT]),
        (replace(QUERY, overstock_days=4667), [ROLLER, CHISEL, TACOMA_PAINT]),
        (replace(QUERY, max_rows=1), [ROLLER]),
        (replace(QUERY, risks=("overstock",), max_rows=1), [SEATTLE_PAINT]),
        # Five were sold in Seattle on 15 March, but that order was cancelled.
        (
            replace(QUERY, pace=DateRange(date(2026, 3, 3), date(2026, 3, 30)), unsold_since=date(2026, 3, 3)),
            [CHISEL, ROLLER, TACOMA_PAINT, SEATTLE_PAINT, ("overstock", "Seattle", "Claw hammer")],
        ),
    ],
    ids=str,
)
async def test_each_part_of_the_question_counts(ports: Ports, query: InventoryQuery, expected: list[Found]) -> None:
    found = await ports.inventory.check_inventory(tiny_shop.HEAD_OFFICE.principal, query)
    assert listed(found) == expected


@pytest.mark.parametrize(
    "query",
    [
        replace(QUERY, max_rows=1),
        replace(QUERY, risks=("stockout",)),
        replace(QUERY, risks=("overstock",)),
        replace(QUERY, risks=("overstock",), max_rows=1),
    ],
    ids=str,
)
async def test_the_totals_are_of_all_whatever_is_listed(ports: Ports, query: InventoryQuery) -> None:
    found = await ports.inventory.check_inventory(tiny_shop.HEAD_OFFICE.principal, query)
    assert (found.stockouts, found.overstocks, found.overstock_value) == (3, 1, Decimal("10250.00"))


async def test_totals_are_there_when_nothing_is_listed(ports: Ports) -> None:
    query = replace(QUERY, risks=("overstock",))
    found = await ports.inventory.check_inventory(tiny_shop.TACOMA.principal, query)
    assert found == InventoryFindings((), stockouts=1, overstocks=0, overstock_value=Decimal(0))


async def check_after(database: TestDatabase, change: LiteralString, undo: LiteralString, **asked: str) -> list[Found]:
    """What head office is told between this change of the shop and its undoing."""
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        connection.execute(change)
        try:
            async with new_pool(database) as pool:
                inventory = PostgresInventoryRepository(PrincipalSessions(pool, lambda: KEY))
                query = replace(QUERY, **asked)  # type: ignore[arg-type]
                return listed(await inventory.check_inventory(tiny_shop.HEAD_OFFICE.principal, query))
        finally:
            connection.execute(undo)


async def test_what_is_discontinued_is_overstock_but_never_a_stockout(tiny_copy: TestDatabase) -> None:
    found = await check_after(
        tiny_copy,
        "UPDATE retail.products SET discontinued = true WHERE name IN ('Paint roller', 'Wall paint')",
        "UPDATE retail.products SET discontinued = false",
    )
    assert found == [CHISEL, SEATTLE_PAINT]


@pytest.mark.parametrize(("category", "expected"), [("Chisels", [CHISEL]), ("Hand tools", [CHISEL]), ("Hammers", [])])
async def test_a_category_is_named_by_itself_or_by_a_kind_of_product(
    tiny_copy: TestDatabase, category: str, expected: list[Found]
) -> None:
    found = await check_after(
        tiny_copy,
        "UPDATE retail.product_types SET name = 'Chisels' WHERE name = 'Hand tools'",
        "UPDATE retail.product_types SET name = 'Hand tools' WHERE name = 'Chisels'",
        category=category,
    )
    assert found == expected


async def test_the_largest_stock_is_counted(tiny_copy: TestDatabase) -> None:
    found = await check_after(
        tiny_copy,
        "UPDATE retail.inventory SET stock_level = 2147483647 WHERE stock_level = 500",
        "UPDATE retail.inventory SET stock_level = 500 WHERE stock_level = 2147483647",
    )
    assert found[-1] == SEATTLE_PAINT


async def test_nobody_sees_no_stock(ports: Ports) -> None:
    for person in (tiny_shop.DISABLED.principal, tiny_shop.STRANGER):
        with pytest.raises(AuthorizationError):
            await ports.inventory.check_inventory(person, QUERY)
