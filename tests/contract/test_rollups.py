"""Rollups answer as the orders do: whatever is summed, marked or being written, and for everybody."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from typing import Any, LiteralString

import psycopg
import pytest

from tests import tiny_shop
from tests.contract.conftest import KEY, TestDatabase, new_pool, tiny_shop_on
from tests.contract.test_analysis import EVERY, PERIODS, possible, query
from tests.fakes import FakeSalesRepository
from tests.tiny_shop import PersonRow, identify
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.analysis import compile_analysis
from zava.adapters.postgres.sales import PostgresSalesRepository
from zava.adapters.postgres.sessions import PrincipalSessions, Question
from zava.core.analysis import DIMENSIONS
from zava.core.model import AnalysisFigures, AnalysisQuery, DateRange, Fact, Slice

ADDITIVE: frozenset[Fact] = frozenset(("lines", "orders", "returns"))
TOUCH: LiteralString = "UPDATE retail.orders SET status = status WHERE order_date"
BUSY_DAYS = DateRange(date(2026, 1, 15), date(2026, 4, 10))
NEW_ORDER = identify("an order that comes late")

Connection = psycopg.Connection[Any]


@contextmanager
def administrator(database: TestDatabase) -> Iterator[Connection]:
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        yield connection


def roll_up(database: TestDatabase) -> int:
    """Sums everything that is marked; returns how many days that were."""
    with administrator(database) as connection:
        return sum(iter(lambda: _roll_up_month(connection), 0))


def _roll_up_month(connection: Connection) -> int:
    """How many days that were; none while it cannot be done."""
    (days,) = connection.execute("SELECT retail.roll_up_sales()").fetchone() or (0,)
    return int(days or 0)


def marks(database: TestDatabase) -> set[tuple[str, date]]:
    names = {store.store_id: store.name for store in tiny_shop.STORES}
    with administrator(database) as connection:
        return {
            (names[store_id], day)
            for store_id, day in connection.execute("SELECT store_id, day FROM retail.sales_changes").fetchall()
        }


async def ask(database: TestDatabase, person: PersonRow, asked: AnalysisQuery) -> AnalysisFigures:
    async with new_pool(database) as pool:
        return await PostgresSalesRepository(PrincipalSessions(pool, lambda: KEY)).analyze(person.principal, asked)


def by_hand(database: TestDatabase) -> list[tuple[Any, ...]]:
    """Revenue, units, orders and refunds of each store and month, from the orders alone."""
    with administrator(database) as connection:
        return sorted(
            connection.execute(
                """
                SELECT name, month, sum(revenue), sum(units), sum(orders), sum(refunds)
                FROM (
                    SELECT store_id, date_trunc('month', order_date)::date AS month, 0 AS revenue, 0 AS units,
                        1 AS orders, 0 AS refunds
                    FROM retail.orders WHERE status <> 'cancelled'
                    UNION ALL
                    SELECT store_id, date_trunc('month', i.order_date)::date, line_total, quantity, 0, 0
                    FROM retail.order_items AS i JOIN retail.orders USING (store_id, order_id)
                    WHERE status <> 'cancelled'
                    UNION ALL
                    SELECT store_id, date_trunc('month', returned_on)::date, 0, 0, 0, refund_amount FROM retail.returns
                ) AS part
                JOIN retail.stores USING (store_id)
                GROUP BY name, month
                """
            ).fetchall()
        )


def in_rows(slices: tuple[Slice, ...]) -> list[tuple[Any, ...]]:
    return sorted(
        (*one.keys, one.totals.revenue, one.totals.units, one.totals.orders, one.totals.returned_amount)
        for one in slices
    )


async def agrees(database: TestDatabase) -> bool:
    """Whether each way to ask for all there is says what the orders say."""
    everything = DateRange(date(2020, 1, 1), date(2029, 12, 31))
    months = await ask(database, tiny_shop.HEAD_OFFICE, query(("store", "month"), ADDITIVE, everything))
    expected = by_hand(database)
    found: list[list[tuple[Any, ...]]] = [in_rows(months.slices)]
    for dimension in ("category", "product"):
        asked = query(("store", "month", dimension), ADDITIVE - {"orders"}, everything)
        sums: dict[tuple[Any, ...], list[Any]] = {}
        for one in (await ask(database, tiny_shop.HEAD_OFFICE, asked)).slices:
            row = sums.setdefault(one.keys[:2], [0, 0, 0])
            row[0] += one.totals.revenue
            row[1] += one.totals.units
            row[2] += one.totals.returned_amount
        orders = {row[:2]: row[4] for row in expected}
        # Orders without lines are in no category.
        found.append(sorted((*keys, row[0], row[1], orders[keys], row[2]) for keys, row in sums.items()))
    return found == [expected] * 3


@pytest.fixture
def shop(tiny_copy: TestDatabase) -> TestDatabase:
    """The tiny shop with all of its days summed."""
    roll_up(tiny_copy)
    return tiny_copy


async def test_a_shop_that_was_never_summed_is_read_from_its_orders(tiny_database: TestDatabase) -> None:
    figures = await ask(tiny_database, tiny_shop.SEATTLE, query(("month",), ADDITIVE, PERIODS[1]))
    assert figures.tables == ("retail.sales_by_day",)
    days = {one.day for one in (*tiny_shop.ORDERS, *tiny_shop.RETURNS) if one.store == "Seattle"}
    assert figures.unrolled_days == sum(PERIODS[1].first_day <= day <= PERIODS[1].last_day for day in days)


@pytest.mark.parametrize("marked", [False, True], ids=["all days summed", "some days marked"])
@pytest.mark.parametrize(
    ("person", "days"),
    [
        (tiny_shop.HEAD_OFFICE, BUSY_DAYS),
        (tiny_shop.REGION, DateRange(date(2026, 3, 3), date(2026, 3, 20))),
        (tiny_shop.SEATTLE, DateRange(date(2025, 1, 1), date(2026, 3, 30))),
    ],
    ids=lambda value: value.name if isinstance(value, PersonRow) else "",
)
async def test_every_pair_of_dimensions_adds_up_as_without_rollups(
    shop: TestDatabase, person: PersonRow, days: DateRange, *, marked: bool
) -> None:
    if marked:
        with administrator(shop) as connection:
            connection.execute(f"{TOUCH} IN ('2026-03-02', '2026-03-04', '2026-02-28')")
        assert marks(shop)
    async with new_pool(shop) as pool:
        sales = PostgresSalesRepository(PrincipalSessions(pool, lambda: KEY))
        for count in (0, 1, 2):
            for dimensions in combinations(DIMENSIONS, count):
                facts = [fact for fact in EVERY[:3] if possible(dimensions, frozenset((fact,)))]
                # One row of a rollup holds the sums of all three: those of one alone are not of the others' slices.
                for several in (facts, *([fact] for fact in facts if count < 2)):
                    asked = query(dimensions, frozenset(several), days)
                    found = await sales.analyze(person.principal, asked)
                    expected = await FakeSalesRepository().analyze(person.principal, asked)
                    assert sorted(found.slices, key=repr) == sorted(expected.slices, key=repr), (dimensions, several)


@pytest.mark.parametrize(
    ("dimensions", "days", "table"),
    [
        ((), BUSY_DAYS, "retail.sales_by_day"),
        (("store", "week"), BUSY_DAYS, "retail.sales_by_day"),
        (("category", "day"), BUSY_DAYS, "retail.sales_by_category"),
        (("product",), BUSY_DAYS, "retail.sales_by_product"),
        (("product_type", "quarter"), BUSY_DAYS, "retail.sales_by_product"),
        (("category", "month"), DateRange(date(2025, 1, 1), date(2026, 12, 31)), "retail.sales_by_category_and_month"),
        # Days of products, and hours, are only in the orders.
        (("product", "week"), BUSY_DAYS, "retail.order_items"),
        (("hour",), BUSY_DAYS, "retail.order_items"),
    ],
    ids=str,
)
def test_the_smallest_rollup_that_has_it_answers(dimensions: tuple[str, ...], days: DateRange, table: str) -> None:
    assert compile_analysis(query(dimensions, frozenset(("lines",)), days)).tables[0] == table


NOT_ADDITIVE: list[tuple[tuple[str, ...], Fact]] = [
    ((), "customers"),
    (("month",), "customers"),
    (("month",), "first_orders"),
    (("product_type",), "orders"),
    (("product",), "orders"),
]


def test_what_does_not_add_up_is_never_read_from_rollups() -> None:
    for dimensions, fact in NOT_ADDITIVE:
        tables = compile_analysis(query(dimensions, frozenset((fact,)), BUSY_DAYS)).tables
        assert not [table for table in tables if table.startswith("retail.sales_by")]
    narrowed = query((), frozenset(("orders",)), BUSY_DAYS, (("category", ("Paint", "Hand tools")),))
    assert "retail.orders" in compile_analysis(narrowed).tables


CHANGES: dict[str, tuple[LiteralString, set[tuple[str, date]]]] = {
    "an order": (
        """
        INSERT INTO retail.orders (store_id, order_id, order_number, ordered_at, order_date, total_amount)
        VALUES (%(seattle)s, %(new)s, 99, now(), '2026-03-09', 0)
        """,
        {("Seattle", date(2026, 3, 9))},
    ),
    "a line": (
        """
        INSERT INTO retail.order_items
            (store_id, order_id, line_no, order_date, product_id, quantity, unit_price, unit_cost, line_total)
        SELECT store_id, order_id, 9, order_date, %(hammer)s, 1, 5, 3, 5
        FROM retail.orders
        WHERE store_id = %(seattle)s AND order_number IN (7, 99)
        """,
        {("Seattle", date(2026, 1, 31)), ("Seattle", date(2026, 3, 9))},
    ),
    "another day": (
        "UPDATE retail.orders SET order_date = '2026-05-05' WHERE store_id = %(tacoma)s AND order_number = 1",
        {("Tacoma", date(2026, 3, 4)), ("Tacoma", date(2026, 5, 5))},
    ),
    "a cancellation": (
        "UPDATE retail.orders SET status = 'cancelled' WHERE store_id = %(tacoma)s AND order_number = 1",
        {("Tacoma", date(2026, 5, 5))},
    ),
    "a price": (
        """
        UPDATE retail.order_items SET unit_price = 40, line_total = 40 * quantity - discount_amount
        WHERE store_id = %(seattle)s AND order_date = '2026-03-31'
        """,
        {("Seattle", date(2026, 3, 31))},
    ),
    "a late return": (
        """
        INSERT INTO retail.returns (store_id, order_id, line_no, returned_on, quantity, refund_amount)
        SELECT store_id, order_id, 1, '2026-06-01', 1, 3.33
        FROM retail.orders
        WHERE store_id = %(seattle)s AND order_number = 1
        """,
        {("Seattle", date(2026, 6, 1))},
    ),
    "a return taken back": (
        "DELETE FROM retail.returns WHERE store_id = %(tacoma)s",
        {("Tacoma", date(2026, 3, 5))},
    ),
    "a deleted order": (
        """
        WITH lines AS (DELETE FROM retail.order_items WHERE store_id = %(bellevue)s)
        DELETE FROM retail.orders WHERE store_id = %(bellevue)s
        """,
        {("Bellevue", date(2026, 3, 3))},
    ),
    "a product of another category": (
        """
        UPDATE retail.products
        SET product_type_id = (SELECT product_type_id FROM retail.products WHERE name = 'Wall paint')
        WHERE name = 'Wood chisel'
        """,
        {("Seattle", date(2026, 3, 20))},
    ),
    "a kind of product of another category": (
        """
        UPDATE retail.product_types
        SET category_id = (SELECT category_id FROM retail.categories WHERE name = 'Hand tools')
        WHERE product_type_id = (SELECT product_type_id FROM retail.products WHERE name = 'Wall paint')
        """,
        {("Seattle", date(2026, 3, 31)), ("Tacoma", date(2026, 2, 14))},
    ),
    "all returns at once": (
        "TRUNCATE retail.returns",
        {("Seattle", date(2026, 3, 1)), ("Seattle", date(2026, 4, 1)), ("Seattle", date(2026, 6, 1))},
    ),
}


async def test_every_change_marks_its_days_and_is_in_every_answer(server: EmbeddedPostgres) -> None:
    shop = tiny_shop_on(server)
    names = {name.lower(): identify(name) for name in ("Seattle", "Tacoma", "Bellevue")}
    for change, (statement, expected) in CHANGES.items():
        roll_up(shop)
        with administrator(shop) as connection:
            connection.execute(statement, {**names, "new": NEW_ORDER, "hammer": identify("Claw hammer")})
        assert marks(shop) >= expected, change
        assert await agrees(shop), f"{change}, before it is summed"
        roll_up(shop)
        assert marks(shop) == set(), change
        assert await agrees(shop), f"{change}, after it is summed"


async def test_an_order_of_two_products_of_one_name_is_one_order_of_that_name(server: EmbeddedPostgres) -> None:
    shop = tiny_shop_on(server)
    asked = query(("product",), ADDITIVE, BUSY_DAYS)
    with administrator(shop) as connection:
        connection.execute("UPDATE retail.products SET name = 'Wall paint' WHERE name = 'Paint roller'")
        expected = connection.execute(
            """
            SELECT count(DISTINCT (item.store_id, item.order_id))
            FROM retail.order_items AS item
            INNER JOIN retail.orders USING (store_id, order_id)
            INNER JOIN retail.products AS product ON item.product_id = product.product_id
            WHERE product.name = 'Wall paint' AND status <> 'cancelled' AND item.order_date BETWEEN %s AND %s
            """,
            [BUSY_DAYS.first_day, BUSY_DAYS.last_day],
        ).fetchone()
    roll_up(shop)
    orders = {one.keys: one.totals.orders for one in (await ask(shop, tiny_shop.HEAD_OFFICE, asked)).slices}
    assert (orders["Wall paint",],) == expected


def test_a_sale_that_is_being_written_keeps_its_mark(shop: TestDatabase) -> None:
    with administrator(shop) as writing, administrator(shop) as summing, writing.transaction():
        writing.execute(f"{TOUCH} = '2026-03-04'")
        # Another one marks the same day, and is summed while the first one is not to be seen yet.
        summing.execute(f"{TOUCH} = '2026-03-02'")
        assert _roll_up_month(summing) == 1
        assert marks(shop) == set()
    assert marks(shop) == {("Tacoma", date(2026, 3, 4))}


def test_a_sale_of_a_product_that_is_being_moved_is_in_its_new_category(server: EmbeddedPostgres) -> None:
    shop = tiny_shop_on(server)
    roll_up(shop)
    with administrator(shop) as selling, administrator(shop) as moving, moving.transaction():
        with selling.transaction():
            selling.execute(
                """
                INSERT INTO retail.order_items
                    (store_id, order_id, line_no, order_date, product_id, quantity, unit_price, unit_cost, line_total)
                SELECT store_id, order_id, 77, order_date, %(chisel)s, 1, 10, 5, 10
                FROM retail.orders
                WHERE store_id = %(tacoma)s AND order_date = '2026-03-04'
                """,
                {"tacoma": identify("Tacoma"), "chisel": identify("Wood chisel")},
            )
            moving.execute(CHANGES["a product of another category"][0])
        # The sale is there now, and its product is still in the old category.
        roll_up(shop)
    roll_up(shop)
    with administrator(shop) as connection:
        moved = connection.execute(
            """
            SELECT revenue
            FROM retail.sales_by_category AS summed
            INNER JOIN retail.product_types AS product_type ON summed.category_id = product_type.category_id
            INNER JOIN retail.products AS product ON product_type.product_type_id = product.product_type_id
            WHERE product.name = 'Wood chisel' AND summed.store_id = %s AND summed.day = '2026-03-04'
            """,
            [identify("Tacoma")],
        ).fetchall()
    # Ten tins of paint were sold that day.
    assert moved == [(310 + 10,)]


def test_two_do_not_sum_at_once(shop: TestDatabase) -> None:
    with administrator(shop) as first, administrator(shop) as second, first.transaction():
        first.execute("SELECT retail.roll_up_sales()")
        assert second.execute("SELECT retail.roll_up_sales()").fetchone() == (None,)
    with administrator(shop) as second:
        assert second.execute("SELECT retail.roll_up_sales()").fetchone() == (0,)


def test_a_loader_needs_no_right_to_leave_marks(shop: TestDatabase) -> None:
    with administrator(shop) as connection, connection.transaction(force_rollback=True):
        connection.execute("CREATE ROLE loader")
        connection.execute("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pg_catalog TO loader")
        connection.execute("GRANT USAGE ON SCHEMA retail TO loader")
        connection.execute("GRANT SELECT, UPDATE ON retail.orders TO loader")
        connection.execute("CREATE POLICY loads ON retail.orders TO loader USING (true) WITH CHECK (true)")
        connection.execute("SET LOCAL ROLE loader")
        connection.execute(f"{TOUCH} = '2026-03-04'")
        connection.execute("SET LOCAL ROLE NONE")
        assert connection.execute("SELECT count(*) FROM retail.sales_changes").fetchone() == (1,)


@pytest.mark.parametrize(
    "table",
    ["sales_changes", "sales_by_day", "sales_by_category", "sales_by_category_and_month", "sales_by_product"],
)
async def test_nobody_reads_the_sums_of_other_stores(tiny_database: TestDatabase, table: str) -> None:
    with administrator(tiny_database) as connection:
        readers = connection.execute(
            "SELECT grantee FROM information_schema.role_table_grants"
            " WHERE table_schema = 'retail' AND table_name = %s AND grantee <> 'zava_owner'",
            [table],
        ).fetchall()
    assert readers == [("zava_reader",)]
    counted = Question("counted", f"SELECT count(DISTINCT store_id) AS stores FROM retail.{table}", StoresRow)  # noqa: S608
    async with new_pool(tiny_database) as pool:
        sessions = PrincipalSessions(pool, lambda: KEY)
        for person, stores in ((tiny_shop.SEATTLE, 1), (tiny_shop.REGION, 2), (tiny_shop.HEAD_OFFICE, 3)):
            (row,) = (await sessions.ask(person.principal, {}, counted))[counted]
            assert row.stores in {0, stores}
            assert table != "sales_changes" or row.stores == stores


@dataclass(frozen=True)
class StoresRow:
    stores: int
