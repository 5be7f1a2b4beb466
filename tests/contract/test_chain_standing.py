"""Where a store stands in the chain: a number from 1 to 4, and nothing that tells another store's figure."""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.rows import dict_row

from tests import tiny_shop
from tests.contract.conftest import KEY, Ports, TestDatabase, new_database, new_pool
from tests.contract.test_tenancy import as_administrator, seal
from tests.fakes import FakeSalesRepository
from tests.postgres import load_people
from tests.tiny_shop import PersonRow, identify
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.postgres.sales import PostgresSalesRepository
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.core.errors import AuthorizationError
from zava.core.metrics import ANALYSIS_METRICS, CHAIN_METRICS
from zava.core.model import ChainStanding, DateRange, Principal, Totals

JULY = DateRange(date(2025, 7, 1), date(2025, 7, 31))


def quartiles(standing: Sequence[ChainStanding]) -> dict[str, int]:
    return {one.metric: one.quartile for one in standing}


# The tiny shop: fake and PostgreSQL.


async def test_every_metric_is_told_of_ones_own_shop_and_means_what_it_means_elsewhere(ports: Ports) -> None:
    told = await ports.sales.chain_standing(tiny_shop.SEATTLE.principal, JULY, 3)
    assert {one.metric for one in told} == CHAIN_METRICS
    assert {one.shops for one in told} == {3}
    expected = await FakeSalesRepository().chain_standing(tiny_shop.SEATTLE.principal, JULY, 3)
    assert sorted(told, key=repr) == sorted(expected, key=repr)
    # Seattle sold 40.00, Bellevue 90.00, Tacoma 30.00; nobody else gave a discount.
    assert quartiles(told) | {"revenue": 2, "orders": 1, "units": 2, "discount_amount": 1} == quartiles(told)


async def test_the_same_figure_is_in_the_same_quarter(ports: Ports) -> None:
    for person in (tiny_shop.SEATTLE, tiny_shop.TACOMA):
        told = quartiles(await ports.sales.chain_standing(person.principal, JULY, 3))
        assert told["returned_amount"] == 1


@pytest.mark.parametrize("person", [tiny_shop.HEAD_OFFICE, tiny_shop.REGION, tiny_shop.STORELESS])
async def test_who_sees_no_store_or_several_is_told_nothing(ports: Ports, person: PersonRow) -> None:
    assert await ports.sales.chain_standing(person.principal, JULY, 3) == []


@pytest.mark.parametrize("nobody", [tiny_shop.DISABLED.principal, tiny_shop.STRANGER])
async def test_nobody_is_told_nothing(ports: Ports, nobody: Principal) -> None:
    with pytest.raises(AuthorizationError):
        await ports.sales.chain_standing(nobody, JULY, 3)


@pytest.mark.parametrize("least", [4, 5, 1_000])
async def test_among_fewer_shops_than_wanted_nothing_is_told(ports: Ports, least: int) -> None:
    assert await ports.sales.chain_standing(tiny_shop.SEATTLE.principal, JULY, least) == []


@pytest.mark.parametrize("least", [-1, 0, 1, 2])
async def test_three_shops_are_needed_whatever_is_asked(ports: Ports, least: int) -> None:
    # In March three sold, and Bellevue did not in February.
    march = DateRange(date(2026, 3, 1), date(2026, 3, 31))
    assert await ports.sales.chain_standing(tiny_shop.SEATTLE.principal, march, least) == []
    assert await ports.sales.chain_standing(tiny_shop.SEATTLE.principal, JULY, least)


async def test_only_whole_months_quarters_and_years_are_told(ports: Ports) -> None:
    quarter = DateRange(date(2025, 7, 1), date(2025, 9, 30))
    told = [
        days
        for days in (
            JULY,
            quarter,
            DateRange(date(2025, 7, 1), date(2025, 7, 30)),
            DateRange(date(2025, 7, 1), date(2025, 8, 31)),
            DateRange(date(2025, 6, 30), date(2025, 7, 31)),
            DateRange(date(2025, 6, 1), date(2025, 8, 31)),
            DateRange(date(2024, 8, 1), date(2025, 7, 31)),
            DateRange(date(2025, 7, 12), date(2025, 7, 12)),
            DateRange(date(2025, 7, 31), date(2025, 7, 1)),
        )
        if await ports.sales.chain_standing(tiny_shop.TACOMA.principal, days, 3)
    ]
    assert told == [JULY, quarter]


# A chain of eight shops and an online store, on PostgreSQL.

SHOPS = [f"Shop {number}" for number in range(1, 9)]
ONLINE = "Online"
MANAGERS = {name: PersonRow(f"Manager of {name}", "store_manager", (name,)) for name in [*SHOPS, ONLINE]}
MAY = DateRange(date(2025, 5, 1), date(2025, 5, 31))


def load_chain(connection: psycopg.Connection[Any]) -> None:
    """Orders of every day from March to June; two shops have opened in May, and one of them has sold nothing yet."""
    chance = random.Random(20250501)  # noqa: S311 - sample data, the same each time
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE zava_owner")
        cursor.execute("UPDATE retail.business_settings SET week_starts_on = 7, fiscal_year_starts_in = 2")
        cursor.executemany(
            "INSERT INTO retail.stores (store_id, name, location, region, is_online, opened_on)"
            " VALUES (%s, %s, '', 'Everywhere', %s, '2020-01-01')",
            [(identify(name), name, name == ONLINE) for name in MANAGERS],
        )
        cursor.execute("INSERT INTO retail.categories (category_id, name) VALUES (%s, 'Paint')", [identify("Paint")])
        cursor.execute(
            "INSERT INTO retail.product_types (product_type_id, category_id, name) VALUES (%s, %s, 'Paint')",
            [identify("type"), identify("Paint")],
        )
        cursor.execute(
            "INSERT INTO retail.products (product_id, sku, name, product_type_id, cost, base_price)"
            " VALUES (%s, 'P', 'Paint', %s, 1, 2)",
            [identify("product"), identify("type")],
        )
        cursor.executemany(
            "INSERT INTO retail.customer_records (store_id, customer_id, first_name, last_name)"
            " VALUES (%s, %s, '', '')",
            [(identify(name), identify(f"customer {number}")) for name in MANAGERS for number in range(5)],
        )
        for name in MANAGERS:
            first = {"Shop 7": date(2025, 5, 10), "Shop 8": date(2025, 7, 1)}.get(name, date(2025, 3, 1))
            for number in range(1, (date(2025, 6, 30) - first).days + 2):
                load_order(cursor, name, number, first + timedelta(days=number - 1), chance)
        load_people(cursor, MANAGERS.values())


def load_order(cursor: psycopg.Cursor[Any], name: str, number: int, day: date, chance: random.Random) -> None:
    store, order = identify(name), identify(f"{name} {number}")
    cursor.execute(
        "INSERT INTO retail.orders"
        " (store_id, order_id, order_number, customer_id, ordered_at, order_date, total_amount, status)"
        " VALUES (%s, %s, %s, %s, %s, %s, 0, %s)",
        (
            store,
            order,
            number,
            chance.choice([None, *(identify(f"customer {one}") for one in range(5))]),
            day,
            day,
            chance.choice(["completed", "completed", "pending", "cancelled"]),
        ),
    )
    for line_no in range(1, chance.randrange(1, 4)):
        quantity, discount = chance.randrange(1, 9), Decimal(chance.randrange(3))
        price, cost = Decimal(chance.randrange(300, 900)) / 100, Decimal(chance.randrange(100, 300)) / 100
        cursor.execute(
            "INSERT INTO retail.order_items (store_id, order_id, line_no, order_date, product_id, quantity, unit_price,"
            " unit_cost, discount_amount, line_total) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                store,
                order,
                line_no,
                day,
                identify("product"),
                quantity,
                price,
                cost,
                discount,
                quantity * price - discount,
            ),
        )
        if chance.random() < 0.2:
            cursor.execute(
                "INSERT INTO retail.returns (store_id, order_id, line_no, returned_on, quantity, refund_amount)"
                " VALUES (%s, %s, %s, %s, 1, %s)",
                (store, order, line_no, day + timedelta(days=chance.randrange(20)), price),
            )


TOTALS_BY_HAND = """
    SELECT
        coalesce(sum(i.line_total), 0) AS revenue,
        coalesce(sum(i.quantity * i.unit_cost), 0) AS cost,
        coalesce(sum(i.quantity), 0) AS units,
        count(DISTINCT o.order_id) AS orders,
        count(DISTINCT o.customer_id) AS customers,
        (
            SELECT coalesce(sum(r.refund_amount), 0)
            FROM retail.returns AS r
            WHERE r.store_id = %(store)s AND r.returned_on BETWEEN %(first)s AND %(last)s
        ) AS returned_amount,
        coalesce(sum(i.discount_amount), 0) AS discount_amount
    FROM retail.orders AS o
    LEFT JOIN retail.order_items AS i ON i.store_id = o.store_id AND i.order_id = o.order_id
    WHERE o.store_id = %(store)s AND o.status <> 'cancelled' AND o.order_date BETWEEN %(first)s AND %(last)s
"""


@pytest.fixture(scope="module")
def chain(server: EmbeddedPostgres) -> TestDatabase:
    database = new_database(server)
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        load_chain(connection)
    return database


@pytest.fixture
async def sales(chain: TestDatabase) -> AsyncIterator[PostgresSalesRepository]:
    async with new_pool(chain) as pool:
        yield PostgresSalesRepository(PrincipalSessions(pool, lambda: KEY))


def totals_by_hand(database: TestDatabase, name: str, days: DateRange) -> Totals:
    with psycopg.connect(database.admin_dsn, row_factory=dict_row) as connection:
        connection.execute("SET ROLE zava_owner")
        (row,) = connection.execute(
            TOTALS_BY_HAND, {"store": identify(name), "first": days.first_day, "last": days.last_day}
        ).fetchall()
    return Totals(**row)


@pytest.mark.parametrize(
    ("days", "before"),
    [
        (MAY, DateRange(date(2025, 4, 1), date(2025, 4, 30))),
        (DateRange(date(2025, 6, 1), date(2025, 6, 30)), MAY),
        # From Sunday to Saturday, as this business counts.
        (DateRange(date(2025, 5, 18), date(2025, 5, 24)), DateRange(date(2025, 5, 11), date(2025, 5, 17))),
        # Its year begins in February: the second quarter.
        (DateRange(date(2025, 5, 1), date(2025, 7, 31)), DateRange(date(2025, 2, 1), date(2025, 4, 30))),
    ],
    ids=str,
)
async def test_each_shop_is_in_the_quarter_that_its_place_says(
    chain: TestDatabase, sales: PostgresSalesRepository, days: DateRange, before: DateRange
) -> None:
    compared = [name for name in SHOPS if all(totals_by_hand(chain, name, one).orders for one in (days, before))]
    assert len(compared) in (6, 7)
    sums = {name: totals_by_hand(chain, name, days) for name in compared}
    for name, person in MANAGERS.items():
        told = await sales.chain_standing(person.principal, days, 5)
        assert {one.shops for one in told} == ({len(compared)} if name in compared else set())
        assert {one.metric for one in told} == (CHAIN_METRICS if name in compared else set())
        for one in told:
            values = [figure for total in sums.values() if (figure := exact(one.metric, total)) is not None]
            own = exact(one.metric, sums[name])
            assert own is not None
            assert one.quartile == 4 * sum(value > own for value in values) // len(values) + 1, one


def exact(metric: str, totals: Totals) -> Decimal | None:
    """The metric before it is rounded."""
    ratios: dict[str, tuple[Decimal | int, Decimal | int]] = {
        "average_order_value": (totals.revenue, totals.orders),
        "gross_margin_percent": (totals.revenue - totals.cost, totals.revenue),
        "discount_percent": (totals.discount_amount, totals.revenue + totals.discount_amount),
        "units_per_order": (totals.units, totals.orders),
    }
    if metric in ratios:
        part, whole = ratios[metric]
        return Decimal(part) / whole if whole else None
    return ANALYSIS_METRICS[metric].value(totals)


def test_no_other_days_are_told_however_they_are_chosen(chain: TestDatabase) -> None:
    """Every stretch of up to 96 days that begins in April or early in May."""
    with as_administrator(chain) as connection, connection.transaction(force_rollback=True):
        seal(connection, MANAGERS["Shop 1"].principal)
        connection.execute("SET LOCAL ROLE zava_reader")
        told = connection.execute("""
            SELECT first_day, first_day + days
            FROM (SELECT date '2025-04-01' + generate_series(0, 40) AS first_day) AS begin
            CROSS JOIN generate_series(0, 95) AS days
            WHERE EXISTS (SELECT FROM retail.chain_standing(first_day, first_day + days, 3))
        """).fetchall()
    sundays = [date(2025, 4, day) for day in (6, 13, 20, 27)] + [date(2025, 5, 4), date(2025, 5, 11)]
    assert set(told) == {
        *((day, day + timedelta(days=6)) for day in sundays),
        (date(2025, 4, 1), date(2025, 4, 30)),
        (MAY.first_day, MAY.last_day),
        (date(2025, 5, 1), date(2025, 7, 31)),
    }


async def test_the_online_store_and_who_has_just_opened_stand_nowhere(sales: PostgresSalesRepository) -> None:
    for name in (ONLINE, "Shop 7", "Shop 8"):
        assert await sales.chain_standing(MANAGERS[name].principal, MAY, 3) == []
    assert await sales.chain_standing(MANAGERS["Shop 7"].principal, DateRange(date(2025, 6, 1), date(2025, 6, 30)), 3)


def test_what_is_not_over_is_not_told(chain: TestDatabase) -> None:
    """Or every sale that one rings up could be followed by a question."""
    ask = """
        SELECT count(*) FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS today) AS moment
        CROSS JOIN LATERAL (SELECT date_trunc('month', today + make_interval(months => %s))::date AS first_day) AS month
        CROSS JOIN LATERAL retail.chain_standing(first_day, (first_day + interval '1 month')::date - 1, 5)
    """
    with as_administrator(chain) as connection, connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL ROLE zava_owner")
        connection.execute("""
            INSERT INTO retail.orders (store_id, order_number, ordered_at, order_date, total_amount)
            SELECT store_id, 1000 + month, now(), date_trunc('month', now() - make_interval(months => month)), 0
            FROM retail.stores CROSS JOIN generate_series(0, 2) AS month
        """)
        connection.execute("RESET ROLE")
        seal(connection, MANAGERS["Shop 1"].principal)
        connection.execute("SET LOCAL ROLE zava_reader")
        assert connection.execute(ask, [-1]).fetchone() == (len(CHAIN_METRICS) - 2,)
        assert connection.execute(ask, [0]).fetchone() == (0,)
        assert connection.execute(ask, [1]).fetchone() == (0,)


def test_free_sql_and_the_login_cannot_ask_and_without_a_context_nobody_can(chain: TestDatabase) -> None:
    ask = "SELECT * FROM retail.chain_standing('2025-05-01', '2025-05-31', 5)"
    roles: tuple[LiteralString, ...] = ("zava_sandbox_one", "zava_sandbox_some", "zava_sandbox_all", "zava_app")
    with as_administrator(chain) as connection:
        for role in (*roles, "zava_writer", "zava_functions"):
            with connection.transaction(force_rollback=True):
                seal(connection, MANAGERS["Shop 1"].principal)
                connection.execute("SET LOCAL ROLE " + role)
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(ask)
        with connection.transaction(force_rollback=True):
            connection.execute("SET LOCAL ROLE zava_reader")
            with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="nobody is asking"):
                connection.execute(ask)


def test_the_function_writes_nothing_and_only_the_role_of_governed_questions_may_call_it(chain: TestDatabase) -> None:
    with as_administrator(chain) as connection:
        described = connection.execute(
            """
            SELECT f.proowner::regrole::text, f.provolatile::text, array_agg(granted.grantee::regrole::text ORDER BY 1)
            FROM pg_proc AS f
            CROSS JOIN LATERAL aclexplode(f.proacl) AS granted
            WHERE f.oid = 'retail.chain_standing(date, date, integer)'::regprocedure
            GROUP BY f.oid
            """
        ).fetchone()
    assert described is not None
    assert described[:2] == ("zava_owner", "s")
    assert set(described[2]) == {"zava_owner", "zava_reader"}
