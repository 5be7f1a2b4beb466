"""Stock at risk: fake and PostgreSQL answer alike, and each sees the stock of their own stores."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

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
PEOPLE = [tiny_shop.HEAD_OFFICE, tiny_shop.REGION, tiny_shop.SEATTLE, tiny_shop.TACOMA, tiny_shop.STORELESS]


def listed(findings: InventoryFindings) -> list[tuple[str, str, str]]:
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


ROLLER = ("stockout", "Seattle", "Paint roller")
CHISEL = ("stockout", "Bellevue", "Wood chisel")
TACOMA_PAINT = ("stockout", "Tacoma", "Wall paint")
SEATTLE_PAINT = ("overstock", "Seattle", "Wall paint")


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
        # Five were sold in Seattle on 15 March, but that order was cancelled.
        (
            replace(QUERY, pace=DateRange(date(2026, 3, 3), date(2026, 3, 30)), unsold_since=date(2026, 3, 3)),
            [CHISEL, ROLLER, TACOMA_PAINT, SEATTLE_PAINT, ("overstock", "Seattle", "Claw hammer")],
        ),
    ],
    ids=str,
)
async def test_each_part_of_the_question_counts(
    ports: Ports, query: InventoryQuery, expected: list[tuple[str, str, str]]
) -> None:
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


async def test_what_is_discontinued_is_dead_stock_but_never_a_stockout(tiny_copy: TestDatabase) -> None:
    discontinue = "UPDATE retail.products SET discontinued = %s WHERE name IN ('Paint roller', 'Wall paint')"
    with psycopg.connect(tiny_copy.admin_dsn, autocommit=True) as connection:
        connection.execute(discontinue, [True])
        try:
            async with new_pool(tiny_copy) as pool:
                inventory = PostgresInventoryRepository(PrincipalSessions(pool, lambda: KEY))
                found = await inventory.check_inventory(tiny_shop.HEAD_OFFICE.principal, QUERY)
        finally:
            connection.execute(discontinue, [False])
    assert listed(found) == [("stockout", "Bellevue", "Wood chisel"), ("overstock", "Seattle", "Wall paint")]
    assert [one.discontinued for one in found.positions] == [False, True]


async def test_the_largest_numbers_are_counted(tiny_copy: TestDatabase) -> None:
    change = "UPDATE retail.inventory SET stock_level = %s WHERE stock_level = %s"
    with psycopg.connect(tiny_copy.admin_dsn, autocommit=True) as connection:
        connection.execute(change, [2**31 - 1, 500])
        try:
            async with new_pool(tiny_copy) as pool:
                inventory = PostgresInventoryRepository(PrincipalSessions(pool, lambda: KEY))
                found = await inventory.check_inventory(tiny_shop.SEATTLE.principal, QUERY)
        finally:
            connection.execute(change, [500, 2**31 - 1])
    assert found.overstock_value == (2**31 - 1) * Decimal("20.50")


async def test_nobody_sees_no_stock(ports: Ports) -> None:
    for person in (tiny_shop.DISABLED.principal, tiny_shop.STRANGER):
        with pytest.raises(AuthorizationError):
            await ports.inventory.check_inventory(person, QUERY)
