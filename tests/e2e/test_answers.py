"""Real clients ask the real server, and every figure equals hand-written SQL run as the owner."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias, cast
from zoneinfo import ZoneInfo

import psycopg
import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from psycopg.rows import dict_row

from tests.e2e.conftest import SCALE, ZAVA, Server, environment
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.demo.personas import PERSONAS, Persona

Owner: TypeAlias = psycopg.Connection[dict[str, Any]]

PEOPLE = [
    persona
    for persona in PERSONAS
    if persona.token
    in {
        "demo-head-office",
        "demo-region-puget-sound",
        "demo-store-seattle",
        "demo-store-tacoma",
    }
]

FIGURES_BY_HAND = """
    WITH sold AS (
        SELECT o.order_id, o.customer_id, i.line_total, i.quantity, i.quantity * i.unit_cost AS cost
        FROM retail.orders AS o
        INNER JOIN retail.order_items AS i ON i.store_id = o.store_id AND i.order_id = o.order_id
        INNER JOIN retail.stores AS s ON s.store_id = o.store_id
        WHERE s.name = ANY (%(stores)s) AND o.status <> 'cancelled'
            AND (o.ordered_at AT TIME ZONE 'America/Los_Angeles')::date BETWEEN %(first_day)s AND %(last_day)s
    )
    SELECT
        coalesce(sum(line_total), 0) AS revenue,
        coalesce(sum(quantity), 0) AS units,
        count(DISTINCT order_id) AS orders,
        count(DISTINCT customer_id) AS customers,
        coalesce(sum(line_total) - sum(cost), 0) AS gross_margin,
        (
            SELECT coalesce(sum(r.refund_amount), 0)
            FROM retail.returns AS r
            INNER JOIN retail.stores AS s ON s.store_id = r.store_id
            WHERE s.name = ANY (%(stores)s) AND r.returned_on BETWEEN %(first_day)s AND %(last_day)s
        ) AS returned_amount
    FROM sold
"""


def over_http(server: Server, persona: Persona, era: str = "auto") -> Client[Any]:
    return Client(server.url, auth=persona.token, mode=cast("Any", era))


def over_stdio(data_dir: Path, persona: Persona) -> Client[Any]:
    arguments = [*ZAVA[1:], "serve", "--transport", "stdio", "--data-dir", str(data_dir), "--scale", SCALE]
    transport = StdioTransport(
        ZAVA[0],
        arguments,
        env=environment(ZAVA_TOKEN=persona.token),
        keep_alive=False,
        log_file=data_dir.parent / "log",
    )
    return Client(transport, init_timeout=120)


@contextmanager
def as_owner(data_dir: Path) -> Iterator[Owner]:
    """The owner of the tables, who sees every row, beside the server that is running."""
    with (
        EmbeddedPostgres(data_dir) as postgres,
        psycopg.connect(postgres.dsn(), autocommit=True, row_factory=dict_row) as connection,
    ):
        assert not postgres.owner
        connection.execute("SET ROLE zava_owner")
        yield connection


def stores_of(persona: Persona, owner: Owner) -> list[str]:
    every = [row["name"] for row in owner.execute("SELECT name FROM retail.stores ORDER BY name")]
    return sorted(persona.stores) or every


def periods() -> dict[str, tuple[date, date]]:
    """Some periods, worked out by hand."""
    today = datetime.now(UTC).astimezone(ZoneInfo("America/Los_Angeles")).date()
    last_month = today.replace(day=1) - timedelta(days=1)
    return {
        "last_month": (last_month.replace(day=1), last_month),
        "this_month": (today.replace(day=1), today),
        "yesterday": (today - timedelta(days=1), today - timedelta(days=1)),
        "last_30_days": (today - timedelta(days=30), today - timedelta(days=1)),
        "2025": (date(2025, 1, 1), date(2025, 12, 31)),
        "2024-02": (date(2024, 2, 1), date(2024, 2, 29)),
        "2025-Q2": (date(2025, 4, 1), date(2025, 6, 30)),
        "2022-12-24..2023-01-07": (date(2022, 12, 24), date(2023, 1, 7)),
    }


def by_hand(owner: Owner, stores: Sequence[str], first_day: date, last_day: date) -> dict[str, Decimal]:
    """The figures of these stores and days, straight from the tables."""
    days = {"stores": list(stores), "first_day": first_day, "last_day": last_day}
    figures = owner.execute(FIGURES_BY_HAND, days).fetchone()
    assert figures is not None
    return figures | {"net_revenue": figures["revenue"] - figures["returned_amount"]}


async def check_figures(asking: Client[Any], owner: Owner, persona: Persona, store: str | None = None) -> None:
    """Asks for every period, and compares each figure to the cent."""
    stores = [store] if store else stores_of(persona, owner)
    for period, days in periods().items():
        answer = await asking.call_tool(
            "get_store_performance", {"period": period} | ({"store": store} if store else {})
        )
        assert answer.structured_content is not None
        assert sorted(answer.structured_content["store"]["stores"]) == sorted(stores)
        expected = by_hand(owner, stores, *days)
        metrics = answer.structured_content["metrics"]
        assert {name: Decimal(str(metrics[name]["value"])) for name in expected} == expected, period


@pytest.mark.parametrize("era", ["auto", "legacy"])
@pytest.mark.parametrize("persona", PEOPLE, ids=lambda persona: persona.token)
async def test_everybody_gets_the_figures_of_their_own_stores_over_http(
    shop: Server, persona: Persona, era: str
) -> None:
    with as_owner(shop.data_dir) as owner:
        async with over_http(shop, persona, era) as asking:
            await check_figures(asking, owner, persona)
            await check_figures(asking, owner, persona, stores_of(persona, owner)[-1])


@pytest.mark.parametrize("persona", PEOPLE, ids=lambda persona: persona.token)
async def test_everybody_gets_the_figures_of_their_own_stores_over_stdio(folder: Path, persona: Persona) -> None:
    data_dir = folder / "stdio"
    async with over_stdio(data_dir, persona) as asking:
        await asking.list_tools()
        with as_owner(data_dir) as owner:
            await check_figures(asking, owner, persona)


@pytest.mark.parametrize("period", ["last_month", "2025"])
async def test_the_stores_of_the_chain_are_compared_by_their_figures(shop: Server, period: str) -> None:
    with as_owner(shop.data_dir) as owner:
        stores = stores_of(PERSONAS[0], owner)
        expected = {store: by_hand(owner, [store], *periods()[period])["revenue"] for store in stores}
        total = by_hand(owner, stores, *periods()[period])["revenue"]
    async with over_http(shop, PERSONAS[0]) as asking:
        answer = await asking.call_tool("compare_stores", {"period": period})
    assert answer.structured_content is not None
    columns = [column["name"] for column in answer.structured_content["columns"]]
    rows = [dict(zip(columns, row, strict=True)) for row in answer.structured_content["rows"]]
    assert {row["store"]: Decimal(str(row["revenue"])) for row in rows} == expected
    assert Decimal(str(answer.structured_content["totals"]["revenue"])) == total
    ranked = [row["store"] for row in rows if row["revenue_rank"]]
    assert ranked == sorted(expected.keys() - {"Online"}, key=lambda store: -expected[store])
    assert answer.structured_content["quartiles"] == {}


async def test_each_store_manager_learns_the_quarter_of_the_chain_and_no_other_store(shop: Server) -> None:
    with as_owner(shop.data_dir) as owner:
        stores = stores_of(PERSONAS[0], owner)
        revenue = {store: by_hand(owner, [store], *periods()["2025"])["revenue"] for store in stores}
    shops = sorted(revenue.keys() - {"Online"}, key=lambda store: -revenue[store])
    for persona in PERSONAS:
        if persona.token.startswith("demo-store-"):
            async with over_http(shop, persona) as asking:
                answer = await asking.call_tool("compare_stores", {"period": "2025"})
            (own,) = persona.stores
            assert answer.structured_content is not None
            assert answer.structured_content["quartiles"] == (
                {"revenue": 4 * shops.index(own) // len(shops) + 1} if own in shops else {}
            )
            assert [other for other in stores if other != own and other in answer.content[0].text] == []
            ((name, value, *_),) = answer.structured_content["rows"]
            assert (name, Decimal(str(value))) == (own, revenue[own])


async def test_the_sample_shop_sold_something_in_every_store_and_period(shop: Server) -> None:
    with as_owner(shop.data_dir) as owner:
        for store in stores_of(PERSONAS[0], owner):
            for period in ("last_month", "2025", "last_30_days"):
                assert by_hand(owner, [store], *periods()[period])["orders"] > 0, (store, period)


@pytest.mark.parametrize("persona", PEOPLE[1:], ids=lambda persona: persona.token)
async def test_a_store_of_somebody_else_and_one_that_is_not_there_get_one_answer(
    shop: Server, persona: Persona
) -> None:
    async with over_http(shop, persona) as asking:
        answers = [
            await asking.call_tool(
                "get_store_performance", {"period": "last_month", "store": store}, raise_on_error=False
            )
            for store in ("Spokane", "Atlantis", "00000000-0000-0000-0000-000000000000")
        ]
    assert all(answer.is_error for answer in answers)
    (text,) = {answer.content[0].text for answer in answers}
    assert text.startswith("AUTHORIZATION_ERROR: This store is not among yours. You may ask for:")
    assert "Spokane" not in text


async def test_head_office_learns_that_a_store_does_not_exist(shop: Server) -> None:
    async with over_http(shop, PERSONAS[0]) as asking:
        answer = await asking.call_tool(
            "get_store_performance", {"period": "last_month", "store": "Atlantis"}, raise_on_error=False
        )
    assert answer.is_error
    assert answer.content[0].text.startswith("NOT_FOUND: There is no such store.")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "Validation failed for period: Field required"),
        ({"period": ""}, "Validation failed for period: write one of today"),
        ({"period": "fortnight"}, "Validation failed for period: write one of today"),
        ({"period": "2026-03-31..2026-01-01"}, "Validation failed for period: it ends before it begins"),
        ({"period": "2999"}, "Validation failed for period: it begins on 2999-01-01"),
        ({"period": "x" * 10_000}, "Validation failed for period: String should have at most 30 characters"),
        ({"period": 7}, "Validation failed for period: Input should be a valid string"),
        ({"period": "2025", "store": ""}, "Validation failed for store: write a store's name or id"),
        ({"period": "2025", "store": "x" * 10_000}, "Validation failed for store: String should have at most 100"),
        ({"period": "2025", "store": ["Seattle"]}, "Validation failed for store: Input should be a valid string"),
        ({"period": "2025", "shop": "Seattle"}, "Validation failed for shop: Extra inputs are not permitted"),
        ({"period": "2025", "store": "\u0000🔧'; DROP TABLE retail.orders; --"}, "not among yours"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_bad_input_gets_a_clear_error(shop: Server, arguments: dict[str, Any], complaint: str) -> None:
    async with over_http(shop, PEOPLE[2]) as asking:
        answer = await asking.call_tool("get_store_performance", arguments, raise_on_error=False)
        assert answer.is_error
        assert complaint in answer.content[0].text
        assert not (await asking.call_tool("get_store_performance", {"period": "2025"})).is_error


async def test_an_unknown_table_gets_the_nearest_name(shop: Server) -> None:
    async with over_http(shop, PEOPLE[2]) as asking:
        answer = await asking.call_tool(
            "get_multiple_table_schemas", {"table_names": ["retail.order_item"]}, raise_on_error=False
        )
        assert answer.is_error
        assert "NOT_FOUND: There is no table 'order_item'. Did you mean order_items?" in answer.content[0].text


async def test_schemas_tell_what_is_there_and_ones_own_values(shop: Server) -> None:
    async with over_http(shop, PEOPLE[2]) as asking:
        answer = await asking.call_tool(
            "get_multiple_table_schemas", {"table_names": ["stores", "orders", "customers"]}
        )
    text = answer.content[0].text
    assert "one of: Seattle" in text
    assert "Tacoma" not in text
    assert "status text not null one of: pending, paid, shipped, completed, cancelled" in text
    assert "join: (store_id, customer_id) = retail.customers (store_id, customer_id)" in text


async def test_the_date_in_utc_is_todays(shop: Server) -> None:
    async with over_http(shop, PEOPLE[2]) as asking:
        before = datetime.now(UTC).date()
        answer = await asking.call_tool("get_current_utc_date", {})
        assert answer.structured_content is not None
        assert before <= date.fromisoformat(answer.structured_content["utc_date"]) <= datetime.now(UTC).date()
