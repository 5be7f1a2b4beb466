"""An order by its number: fake and PostgreSQL answer alike, and each sees the orders of their own stores."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tests import tiny_shop
from tests.contract.conftest import Ports
from tests.tiny_shop import PersonRow, identify
from zava.core.errors import AuthorizationError
from zava.core.model import Customer, Order, OrderLine, OrderReturn

EVERY_STORE = [store.store_id for store in tiny_shop.STORES]
SEATTLE_2 = Order(
    store="Seattle",
    order_number=2,
    order_date=date(2026, 3, 31),
    ordered_at=datetime(2026, 3, 31, 19, tzinfo=UTC),
    status="completed",
    total_amount=Decimal("89.50"),
    customer=Customer("Ben", "Canary", "ben@example.com"),
    lines=(
        OrderLine(
            product="Wall paint",
            sku="Wall paint",
            quantity=3,
            unit_price=Decimal("30.00"),
            discount_amount=Decimal("9.00"),
            line_total=Decimal("81.00"),
            returns=(OrderReturn(date(2026, 4, 1), 1, Decimal("27.00"), "Wrong colour"),),
        ),
        OrderLine(
            product="Paint roller",
            sku="Paint roller",
            quantity=1,
            unit_price=Decimal("8.50"),
            discount_amount=Decimal(0),
            line_total=Decimal("8.50"),
            returns=(),
        ),
    ),
)


async def test_an_order_has_its_lines_returns_and_customer(ports: Ports) -> None:
    assert await ports.orders.find_order(tiny_shop.SEATTLE.principal, EVERY_STORE, 2) == [SEATTLE_2]


@pytest.mark.parametrize(
    ("person", "stores"),
    [
        (tiny_shop.HEAD_OFFICE, ["Tacoma", "Bellevue", "Seattle"]),
        (tiny_shop.REGION, ["Bellevue", "Seattle"]),
        (tiny_shop.SEATTLE, ["Seattle"]),
        (tiny_shop.STORELESS, []),
    ],
    ids=lambda value: value.name if isinstance(value, PersonRow) else "",
)
async def test_orders_are_those_of_ones_own_stores_the_latest_first(
    ports: Ports, person: PersonRow, stores: list[str]
) -> None:
    found = await ports.orders.find_order(person.principal, EVERY_STORE, 1)
    assert [order.store for order in found] == stores
    # Each has the line of its own store and no other.
    assert [[(line.product, line.quantity) for line in order.lines] for order in found] == [
        {"Tacoma": [("Wall paint", 10)], "Bellevue": [("Claw hammer", 1)], "Seattle": [("Claw hammer", 2)]}[store]
        for store in stores
    ]


async def test_a_return_belongs_to_the_order_of_its_own_store(ports: Ports) -> None:
    found = await ports.orders.find_order(tiny_shop.HEAD_OFFICE.principal, EVERY_STORE, 2)
    returns = {order.store: [[back.refund_amount for back in line.returns] for line in order.lines] for order in found}
    assert returns == {"Seattle": [[Decimal("27.00")], []], "Tacoma": [[Decimal("30.00")]]}


async def test_only_the_stores_that_are_meant_are_looked_through(ports: Ports) -> None:
    tacoma = [identify("Tacoma")]
    (found,) = await ports.orders.find_order(tiny_shop.HEAD_OFFICE.principal, tacoma, 1)
    assert found.store == "Tacoma"
    assert await ports.orders.find_order(tiny_shop.SEATTLE.principal, tacoma, 1) == []


async def test_customers_are_masked_for_who_may_not_see_them(ports: Ports) -> None:
    (order,) = await ports.orders.find_order(tiny_shop.REGION.principal, [identify("Seattle")], 2)
    assert order.customer == Customer("B***", "C***", "b***@***")


async def test_a_sale_may_be_anonymous_or_cancelled(ports: Ports) -> None:
    seattle = tiny_shop.SEATTLE.principal
    (anonymous,) = await ports.orders.find_order(seattle, EVERY_STORE, 4)
    assert (anonymous.customer, anonymous.status) == (None, "pending")
    (cancelled,) = await ports.orders.find_order(seattle, EVERY_STORE, 3)
    assert (cancelled.status, cancelled.total_amount) == ("cancelled", Decimal("150.00"))


@pytest.mark.parametrize("number", [99, 2**63 - 1])
async def test_a_number_that_nobody_has_finds_nothing(ports: Ports, number: int) -> None:
    assert await ports.orders.find_order(tiny_shop.HEAD_OFFICE.principal, EVERY_STORE, number) == []


async def test_nobody_finds_no_order(ports: Ports) -> None:
    for person in (tiny_shop.DISABLED.principal, tiny_shop.STRANGER):
        with pytest.raises(AuthorizationError):
            await ports.orders.find_order(person, EVERY_STORE, 1)
