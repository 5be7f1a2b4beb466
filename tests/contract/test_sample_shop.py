"""The sample shop in a real database."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import perf_counter
from typing import Any, LiteralString

import psycopg
import pytest

from tests.contract.conftest import new_database
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.demo.personas import PERSONAS
from zava.demo.shop import SampleShopError, Summary, open_sample_shop
from zava.demo.stores import STORES, TOTAL_WEIGHT

SCALE = 0.1
SUMMER_2021 = datetime(2021, 6, 30, 20, 0, tzinfo=UTC)
DAY = timedelta(days=1)

Connection = psycopg.Connection[Any]


class PulledPlugError(Exception):
    """Somebody pulled the plug."""


@pytest.fixture
def connection(fresh_database: str) -> Iterator[Connection]:
    with psycopg.connect(fresh_database, autocommit=True) as administrator:
        yield administrator


def ask(connection: Connection, question: LiteralString, *values: object) -> Any:  # noqa: ANN401 - any answer
    row = connection.execute(question, values).fetchone()
    assert row is not None
    return row[0]


def everything(connection: Connection) -> list[list[tuple[Any, ...]]]:
    """All that happened in the shop, without the moment at which it was written down."""
    return [
        connection.execute(question).fetchall()
        for question in (
            """
            SELECT
                store_id, order_id, order_number, customer_id, ordered_at, order_date, total_amount, status, created_at
            FROM retail.orders ORDER BY store_id, order_id
            """,
            "SELECT * FROM retail.order_items ORDER BY store_id, order_id, line_no",
            "SELECT * FROM retail.returns ORDER BY store_id, return_id",
            """
            SELECT store_id, customer_id, first_name, last_name, email, created_at
            FROM retail.customer_records ORDER BY store_id, customer_id
            """,
            "SELECT store_id, product_id, stock_level, reorder_level FROM retail.inventory ORDER BY 1, 2",
            "SELECT store_id, month, revenue_target FROM retail.store_targets ORDER BY 1, 2",
            """
            SELECT product_id, sku, name, description, cost, base_price, pack_size, supplier_lead_days, discontinued
            FROM retail.products ORDER BY sku
            """,
        )
    ]


def forget(connection: Connection) -> None:
    """An empty database again."""
    connection.execute(
        """
        TRUNCATE retail.stores, retail.categories, access.principals, access.sample_shop CASCADE
        """
    )


def test_a_new_shop_tells_what_it_holds(connection: Connection) -> None:
    summary = open_sample_shop(connection, now=SUMMER_2021, scale=SCALE)
    assert summary == Summary(
        stores=ask(connection, "SELECT count(*) FROM retail.stores"),
        products=ask(connection, "SELECT count(*) FROM retail.products"),
        people=ask(connection, "SELECT count(DISTINCT customer_id) FROM retail.customer_records"),
        orders=ask(connection, "SELECT count(*) FROM retail.orders"),
        items=ask(connection, "SELECT count(*) FROM retail.order_items"),
        generated_until=SUMMER_2021,
    )
    assert ask(connection, "SELECT generated_until FROM access.sample_shop") == SUMMER_2021
    assert summary.stores == len(STORES)
    assert 3_000 < summary.orders < 4_200
    assert 1.9 < summary.items / summary.orders < 2.3


def test_the_books_are_in_order(connection: Connection) -> None:
    open_sample_shop(connection, now=SUMMER_2021, scale=SCALE)

    # Nothing happens before the first day or after now, and dates are local.
    first, last = connection.execute("SELECT min(ordered_at), max(ordered_at) FROM retail.orders").fetchall()[0]
    assert datetime(2020, 1, 1, 8, tzinfo=UTC) <= first
    assert SUMMER_2021 - DAY < last <= SUMMER_2021
    assert not ask(
        connection,
        """
        SELECT count(*) FROM retail.orders
        WHERE order_date <> (ordered_at AT TIME ZONE 'America/Los_Angeles')::date
        """,
    )
    # Totals add up, and order numbers have no gaps.
    assert not ask(
        connection,
        """
        SELECT count(*) FROM retail.orders AS o
        WHERE total_amount IS DISTINCT FROM (
            SELECT sum(line_total) FROM retail.order_items AS i
            WHERE (i.store_id, i.order_id) = (o.store_id, o.order_id)
        )
        """,
    )
    assert not ask(
        connection,
        """
        SELECT count(*) FROM (
            SELECT order_number, row_number() OVER (PARTITION BY store_id ORDER BY ordered_at, order_number) AS expected
            FROM retail.orders
        ) AS numbered WHERE order_number <> expected
        """,
    )
    # Customers are recorded where they bought, from the first time on; one person is the same everywhere.
    assert not ask(
        connection,
        """
        SELECT count(*) FROM retail.customer_records AS c
        WHERE created_at IS DISTINCT FROM (
            SELECT min(ordered_at) FROM retail.orders AS o
            WHERE (o.store_id, o.customer_id) = (c.store_id, c.customer_id)
        )
        """,
    )
    assert ask(connection, "SELECT count(DISTINCT email) = count(DISTINCT customer_id) FROM retail.customer_records")
    assert not ask(connection, "SELECT count(*) FROM retail.customer_records WHERE email !~ '^[a-z.]+[0-9]+@example'")
    # Nothing comes back too early, in the future, or more than was sold.
    assert not ask(
        connection,
        """
        SELECT count(*) FROM retail.returns AS r
        JOIN retail.order_items AS i USING (store_id, order_id, line_no)
        JOIN retail.orders AS o USING (store_id, order_id)
        WHERE r.returned_on <= i.order_date OR r.returned_on > '2021-06-30' OR r.quantity > i.quantity
            OR r.refund_amount <> round(i.line_total * r.quantity / i.quantity, 2) OR o.status <> 'completed'
        """,
    )


def test_the_shop_keeps_its_proportions(connection: Connection) -> None:
    open_sample_shop(connection, now=SUMMER_2021, scale=SCALE)
    orders = ask(connection, "SELECT count(*) FROM retail.orders")
    items = ask(connection, "SELECT count(*) FROM retail.order_items")

    counts = connection.execute(
        "SELECT name, count(*) FROM retail.orders JOIN retail.stores USING (store_id) GROUP BY 1"
    )
    shares = dict(counts.fetchall())
    for store in STORES:
        assert shares[store.name] / orders == pytest.approx(store.weight / TOTAL_WEIGHT, rel=0.2)

    def share_of_orders(status: str) -> float:
        return float(ask(connection, "SELECT count(*) FROM retail.orders WHERE status = %s", status) / orders)

    assert 0.012 < share_of_orders("cancelled") < 0.03
    assert 0 < sum(share_of_orders(status) for status in ("pending", "paid", "shipped")) < 0.03
    assert 0.02 < ask(connection, "SELECT count(*) FROM retail.returns") / items < 0.04
    assert 0.13 < ask(connection, "SELECT count(*) FROM retail.order_items WHERE discount_percent > 0") / items < 0.17
    assert 60 < ask(connection, "SELECT avg(total_amount) FROM retail.orders") < 200
    margin = ask(connection, "SELECT 1 - sum(quantity * unit_cost) / sum(line_total) FROM retail.order_items")
    assert Decimal("0.25") < margin < Decimal("0.35")
    in_several_stores = ask(
        connection,
        """
        SELECT avg((stores > 1)::integer)
        FROM (SELECT count(*) AS stores FROM retail.customer_records GROUP BY customer_id) AS person
        """,
    )
    assert 0.07 < in_several_stores < 0.2  # more as the years go by
    out_of_stock = ask(connection, "SELECT avg((stock_level = 0)::integer) FROM retail.inventory")
    assert 0.03 < out_of_stock < 0.1
    reached = ask(
        connection,
        """
        SELECT (SELECT sum(total_amount) FROM retail.orders WHERE status <> 'cancelled' AND order_date < '2021-06-01')
            / (SELECT sum(revenue_target) FROM retail.store_targets WHERE month < '2021-06-01')
        """,
    )
    assert Decimal("0.85") < reached < Decimal("1.15")


def test_targets_reach_from_the_first_month_to_some_months_ahead(connection: Connection) -> None:
    open_sample_shop(connection, now=datetime(2020, 2, 3, 12, 0, tzinfo=UTC), scale=SCALE)
    months = connection.execute(
        "SELECT month::text FROM retail.store_targets GROUP BY month HAVING count(*) = %s ORDER BY 1", [len(STORES)]
    ).fetchall()
    assert [month for (month,) in months] == [f"2020-0{number}-01" for number in range(1, 6)]


def test_growing_in_steps_brings_the_same_life_as_growing_at_once(connection: Connection) -> None:
    end = datetime(2020, 7, 15, 3, 17, 5, 250_000, tzinfo=UTC)
    open_sample_shop(connection, now=end, scale=SCALE)
    at_once = everything(connection)

    forget(connection)
    steps = [
        datetime(2020, 3, 8, 9, 59, tzinfo=UTC),  # the clocks are about to change
        datetime(2020, 3, 9, 2, 0, tzinfo=UTC),
        datetime(2020, 6, 1, 20, 0, tzinfo=UTC),
        datetime(2020, 6, 1, 23, 30, tzinfo=UTC),
        datetime(2020, 7, 14, 6, 59, 59, tzinfo=UTC),
        end,
    ]
    summaries = [open_sample_shop(connection, now=step, scale=SCALE) for step in steps]
    assert everything(connection) == at_once
    assert sum(summary.orders for summary in summaries) == len(at_once[0])
    assert [summary.stores for summary in summaries] == [len(STORES), 0, 0, 0, 0, 0]
    assert [summary.products > 0 for summary in summaries] == [True, False, False, False, False, False]


def test_a_shop_goes_on_with_the_scale_and_seed_it_was_founded_with(connection: Connection) -> None:
    end = datetime(2020, 3, 1, tzinfo=UTC)
    open_sample_shop(connection, now=end, scale=SCALE)
    at_once = everything(connection)
    forget(connection)
    open_sample_shop(connection, now=end - 9 * DAY, scale=SCALE)
    open_sample_shop(connection, now=end, scale=3, seed=1)
    assert everything(connection) == at_once


def test_another_seed_brings_another_life(connection: Connection) -> None:
    end = datetime(2020, 1, 15, tzinfo=UTC)
    open_sample_shop(connection, now=end, scale=SCALE)
    one = everything(connection)
    forget(connection)
    open_sample_shop(connection, now=end, scale=SCALE, seed=1)
    assert everything(connection)[:3] != one[:3]


def test_opening_it_again_within_minutes_changes_nothing_and_takes_no_time(connection: Connection) -> None:
    now = datetime(2020, 3, 1, tzinfo=UTC)
    open_sample_shop(connection, now=now, scale=SCALE)
    begun = perf_counter()
    again = open_sample_shop(connection, now=now + timedelta(seconds=90), scale=SCALE)
    assert perf_counter() - begun < 0.5
    assert again == Summary(0, 0, 0, 0, 0, now)
    assert open_sample_shop(connection, now=now - DAY, scale=SCALE) == Summary(0, 0, 0, 0, 0, now)


def test_an_interruption_leaves_nothing_and_the_next_start_recovers(connection: Connection) -> None:
    now = datetime(2020, 9, 1, tzinfo=UTC)

    def pull_the_plug(_what: str, _done: int, _total: int) -> None:
        raise PulledPlugError

    with pytest.raises(PulledPlugError):
        open_sample_shop(connection, now=now, scale=SCALE, report=pull_the_plug)
    assert not ask(connection, "SELECT count(*) FROM retail.stores")
    assert not ask(connection, "SELECT count(*) FROM retail.orders")
    assert not ask(connection, "SELECT count(*) FROM access.principals")

    connection.execute("VACUUM ANALYZE")  # the database believes that its tables are empty for good
    open_sample_shop(connection, now=now, scale=SCALE)
    recovered = everything(connection)
    with pytest.raises(PulledPlugError):
        open_sample_shop(connection, now=now + 30 * DAY, report=pull_the_plug)
    assert everything(connection) == recovered


def test_every_index_and_constraint_is_there_again_after_a_shop_was_founded(connection: Connection) -> None:
    def definitions() -> list[tuple[Any, ...]]:
        return connection.execute(
            """
            SELECT indrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
            WHERE indrelid::regclass::text LIKE 'retail.%'
            UNION ALL
            SELECT conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid) || convalidated FROM pg_constraint
            WHERE conrelid::regclass::text LIKE 'retail.%'
            ORDER BY 1, 2
            """
        ).fetchall()

    before = definitions()
    open_sample_shop(connection, now=datetime(2020, 1, 5, tzinfo=UTC), scale=SCALE)
    assert len(before) > 50
    assert definitions() == before


def test_progress_is_told_up_to_the_end(connection: Connection) -> None:
    told: list[tuple[str, int, int]] = []

    def listen(what: str, done: int, total: int) -> None:
        told.append((what, done, total))

    open_sample_shop(connection, now=datetime(2020, 2, 1, tzinfo=UTC), scale=SCALE, report=listen)
    assert told[-1] == ("days", 31, 31)


def test_scale_zero_is_a_chain_without_products_or_sales(connection: Connection) -> None:
    summary = open_sample_shop(connection, now=SUMMER_2021, scale=0)
    assert summary == Summary(len(STORES), 0, 0, 0, 0, SUMMER_2021)
    open_sample_shop(connection, now=SUMMER_2021 + DAY, scale=1)
    for question in (
        "SELECT count(*) FROM retail.products",
        "SELECT count(*) FROM retail.customer_records",
        "SELECT count(*) FROM retail.orders",
        "SELECT count(*) FROM retail.inventory",
    ):
        assert ask(connection, question) == 0
    assert ask(connection, "SELECT count(*) FROM retail.categories") == 9
    assert ask(connection, "SELECT count(*) FROM retail.product_types") >= 90


def test_the_business_has_its_rules_and_the_personas_their_stores(connection: Connection) -> None:
    open_sample_shop(connection, now=SUMMER_2021, scale=0)
    assert connection.execute(
        "SELECT time_zone, week_starts_on, fiscal_year_starts_in, currency FROM retail.business_settings"
    ).fetchall() == [("America/Los_Angeles", 1, 1, "USD")]
    known = connection.execute(
        """
        SELECT
            p.principal_id, p.subject, p.name, p.role,
            ARRAY(SELECT s.name FROM access.principal_stores JOIN retail.stores AS s USING (store_id)
                  WHERE principal_id = p.principal_id ORDER BY 1),
            ARRAY(SELECT grant_name FROM access.principal_grants WHERE principal_id = p.principal_id)
        FROM access.principals AS p ORDER BY p.subject
        """
    ).fetchall()
    assert known == [
        (
            persona.principal_id,
            persona.token,
            persona.name,
            persona.role,
            sorted(persona.stores),
            list(persona.grants),
        )
        for persona in sorted(PERSONAS, key=lambda persona: persona.token)
    ]


def test_a_real_shop_is_not_touched(connection: Connection) -> None:
    connection.execute(
        """
        INSERT INTO retail.stores (name, location, region, opened_on)
        VALUES ('Corner shop', 'Here', 'Home', '2001-01-01')
        """
    )
    with pytest.raises(SampleShopError, match="real shop"):
        open_sample_shop(connection, now=SUMMER_2021, scale=SCALE)
    assert ask(connection, "SELECT count(*) FROM retail.stores") == 1
    assert not ask(connection, "SELECT count(*) FROM access.principals")


def test_the_administrator_is_nobody_else_afterwards(connection: Connection) -> None:
    with connection.transaction():
        open_sample_shop(connection, now=SUMMER_2021, scale=0)
        assert ask(connection, "SELECT current_user = session_user")


def test_a_negative_scale_is_refused(connection: Connection) -> None:
    with pytest.raises(ValueError, match="scale -1"):
        open_sample_shop(connection, now=SUMMER_2021, scale=-1)


def test_the_oldest_postgresql_can_hold_it_too(server: EmbeddedPostgres) -> None:
    with psycopg.connect(new_database(server).admin_dsn, autocommit=True) as connection:
        founded = open_sample_shop(connection, now=SUMMER_2021, scale=SCALE)
        grown = open_sample_shop(connection, now=SUMMER_2021 + DAY, scale=SCALE)
        assert founded.orders > 0
        assert ask(connection, "SELECT count(*) FROM retail.orders") == founded.orders + grown.orders
