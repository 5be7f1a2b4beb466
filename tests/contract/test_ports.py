"""What the fakes and PostgreSQL must agree on: the same questions, the same answers, for each kind of principal."""

from datetime import date
from decimal import Decimal

import pytest

from tests import tiny_shop
from tests.contract.conftest import Ports
from tests.fakes import BUSINESS, STORES_QUERY
from tests.tiny_shop import PersonRow, identify
from zava.core.errors import AuthorizationError, InvalidQueryError
from zava.core.model import PerformanceFigures, Principal, ResultColumn, Sales, Totals
from zava.core.periods import resolve_period

EVERY_STORE = [store.store_id for store in tiny_shop.STORES]


async def performance(
    ports: Ports, person: PersonRow, period: str = "2026-03", today: date = date(2026, 4, 1)
) -> PerformanceFigures:
    """The figures of every store there is, as far as this person sees them."""
    days = resolve_period(period, today=today, business=BUSINESS, opened_on=date(2025, 1, 1))
    return await ports.sales.store_performance(person.principal, EVERY_STORE, days)


@pytest.mark.parametrize(
    ("person", "stores"),
    [
        (tiny_shop.HEAD_OFFICE, ["Bellevue", "Seattle", "Tacoma"]),
        (tiny_shop.REGION, ["Bellevue", "Seattle"]),
        (tiny_shop.SEATTLE, ["Seattle"]),
        (tiny_shop.STORELESS, []),
    ],
)
async def test_each_principal_sees_their_own_stores(ports: Ports, person: PersonRow, stores: list[str]) -> None:
    directory = await ports.directory.stores_of(person.principal)
    assert [store.name for store in directory.stores] == stores
    assert directory.sees_all_stores == (person is tiny_shop.HEAD_OFFICE)
    assert directory.business == BUSINESS


@pytest.mark.parametrize(
    ("person", "own"),
    [
        (tiny_shop.HEAD_OFFICE, (("Bellevue", "Puget Sound"), ("Seattle", "Puget Sound"), ("Tacoma", "South Sound"))),
        (tiny_shop.REGION, (("Bellevue", "Puget Sound"), ("Seattle", "Puget Sound"))),
        (tiny_shop.SEATTLE, (("Seattle", "Puget Sound"),)),
        (tiny_shop.STORELESS, ()),
    ],
)
async def test_a_query_of_ones_own_sees_ones_own_stores(
    ports: Ports, person: PersonRow, own: tuple[tuple[str, str], ...]
) -> None:
    table = await ports.sandbox.execute_sales_query(person.principal, STORES_QUERY)
    assert table.columns == (ResultColumn("name", "text"), ResultColumn("region", "text"))
    assert table.rows == own
    assert table.stores == tuple(name for name, _ in own)
    assert table.truncated is None
    assert table.as_of.tzinfo


async def test_a_query_that_is_wrong_says_where(ports: Ports) -> None:
    with pytest.raises(InvalidQueryError, match=r"at line 1, character 1 \(near 'nonsense'\)") as wrong:
        await ports.sandbox.execute_sales_query(tiny_shop.SEATTLE.principal, "nonsense")
    assert wrong.value.details["position"] == 1


@pytest.mark.parametrize("nobody", [tiny_shop.DISABLED.principal, tiny_shop.STRANGER])
async def test_nobody_active_is_refused_everywhere(ports: Ports, nobody: Principal) -> None:
    days = resolve_period("2026-03", today=date(2026, 4, 1), business=BUSINESS, opened_on=date(2025, 1, 1))
    for question in (
        ports.directory.stores_of(nobody),
        ports.sales.store_performance(nobody, EVERY_STORE, days),
        ports.catalog.tables(nobody),
        ports.sandbox.execute_sales_query(nobody, STORES_QUERY),
    ):
        with pytest.raises(AuthorizationError, match="not known here"):
            await question


async def test_figures_leave_out_cancelled_orders_and_count_returns_by_their_own_day(ports: Ports) -> None:
    figures = await performance(ports, tiny_shop.SEATTLE)
    # 2 × 20.00 + (3 × 30.00 − 9.00) + 8.50 + 15.99; the cancelled 150.00 is not in it.
    assert figures.current == Totals(
        revenue=Decimal("145.49"),
        cost=Decimal("97.26"),
        units=7,
        orders=3,
        customers=2,
        returned_amount=Decimal("19.00"),
    )
    assert figures.previous == Totals(
        revenue=Decimal("73.00"),
        cost=Decimal("44.00"),
        units=5,
        orders=2,
        customers=2,
        returned_amount=Decimal(0),
    )


@pytest.mark.parametrize(
    ("person", "revenue", "customers"),
    [
        (tiny_shop.HEAD_OFFICE, "475.49", 3),
        (tiny_shop.REGION, "165.49", 2),
        (tiny_shop.SEATTLE, "145.49", 2),
        (tiny_shop.TACOMA, "310.00", 1),
        (tiny_shop.STORELESS, "0", 0),
    ],
)
async def test_a_store_that_is_not_ones_own_adds_nothing(
    ports: Ports, person: PersonRow, revenue: str, customers: int
) -> None:
    figures = await performance(ports, person)
    assert figures.current.revenue == Decimal(revenue)
    assert figures.current.customers == customers


async def test_slices_compare_each_category_with_the_period_before(ports: Ports) -> None:
    figures = await performance(ports, tiny_shop.SEATTLE)
    paint, tools = figures.categories
    assert (paint.name, tools.name) == ("Paint", "Hand tools")
    assert paint.current == Sales(Decimal("89.50"), Decimal("64.25"), 4)
    assert paint.previous == Sales(Decimal("16.00"), Decimal("8.00"), 2)
    # Only the roller sold in both periods: it went from 8.00 to 8.50, and one was sold.
    assert paint.price_effect == Decimal("0.50")
    # Hammers went from 19.00 to 20.00, and two were sold.
    assert tools.price_effect == Decimal("2.00")


async def test_best_sellers_come_first_and_cover_this_period_alone(ports: Ports) -> None:
    figures = await performance(ports, tiny_shop.SEATTLE)
    assert [product.name for product in figures.products] == [
        "Wall paint",
        "Claw hammer",
        "Wood chisel",
        "Paint roller",
    ]


@pytest.mark.parametrize(
    ("person", "period", "target"),
    [
        (tiny_shop.SEATTLE, "2026-03", None),  # it names all three stores, of which two are not theirs
        (tiny_shop.HEAD_OFFICE, "2026-03", None),  # Bellevue has no target
    ],
)
async def test_a_target_counts_only_when_every_store_has_one(
    ports: Ports, person: PersonRow, period: str, target: Decimal | None
) -> None:
    assert (await performance(ports, person, period)).revenue_target == target


@pytest.mark.parametrize(
    ("period", "target"),
    [
        ("2026-03", "200.00"),
        ("2026-02-01..2026-03-31", "300.00"),
        ("2026-Q1", None),  # January has none
        ("2026-03-01..2026-03-30", None),  # not a whole month
        ("2026-02-02..2026-03-31", None),
    ],
)
async def test_a_target_is_that_of_whole_months(ports: Ports, period: str, target: str | None) -> None:
    days = resolve_period(period, today=date(2026, 4, 1), business=BUSINESS, opened_on=date(2025, 1, 1))
    figures = await ports.sales.store_performance(tiny_shop.SEATTLE.principal, [identify("Seattle")], days)
    assert figures.revenue_target == (Decimal(target) if target else None)


async def test_a_running_month_has_its_whole_target(ports: Ports) -> None:
    days = resolve_period("this_month", today=date(2026, 3, 3), business=BUSINESS, opened_on=date(2025, 1, 1))
    figures = await ports.sales.store_performance(tiny_shop.SEATTLE.principal, [identify("Seattle")], days)
    assert figures.current.revenue == Decimal("40.00")
    assert figures.revenue_target == Decimal("200.00")


async def test_stock_is_at_risk_when_it_ends_before_a_delivery_could_come(ports: Ports) -> None:
    figures = await performance(ports, tiny_shop.HEAD_OFFICE)
    assert [(risk.store, risk.product, risk.stock_level) for risk in figures.stock_at_risk] == [
        ("Seattle", "Paint roller", 0),
        ("Tacoma", "Wall paint", 2),
    ]
    # Ten sold in four weeks.
    assert round(figures.stock_at_risk[1].days_of_cover, 6) == Decimal("5.6")
    assert figures.stock_at_risk[0].products_at_risk == 2


@pytest.mark.parametrize(("today", "is_told"), [(date(2026, 3, 31), True), (date(2026, 4, 1), False)])
async def test_stock_is_told_of_a_period_that_ended_a_month_ago_at_most(
    ports: Ports, today: date, *, is_told: bool
) -> None:
    days = resolve_period("2026-02", today=today, business=BUSINESS, opened_on=date(2025, 1, 1))
    stores = [identify("Seattle"), identify("Tacoma")]
    figures = await ports.sales.store_performance(tiny_shop.HEAD_OFFICE.principal, stores, days)
    assert bool(figures.stock_at_risk) == is_told


async def test_all_time_compares_with_nothing(ports: Ports) -> None:
    figures = await performance(ports, tiny_shop.SEATTLE, "all_time")
    assert figures.current.orders == 10
    assert figures.previous == Totals(Decimal(0), Decimal(0), 0, 0, 0, Decimal(0))


async def test_the_catalog_shows_ones_own_values_and_never_the_customer_records(ports: Ports) -> None:
    tables = {table.name: table for table in await ports.catalog.tables(tiny_shop.REGION.principal)}
    assert "customer_records" not in tables
    (name,) = [column for column in tables["stores"].columns if column.name == "name"]
    assert name.valid_values == ("Bellevue", "Seattle")
    assert ("store_id", "order_id", "line_no") in tables["order_items"].keys
    assert [
        link.table for link in tables["order_items"].relationships if link.columns[:2] == ("store_id", "order_id")
    ] == ["orders"]
