"""What the tools tell a model to write is admitted and runs, whoever asks."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests import tiny_shop
from tests.contract.conftest import KEY, TestDatabase, new_pool
from tests.tiny_shop import PersonRow
from zava.adapters.mcp.tools import RetailTools
from zava.adapters.postgres.sandbox import PostgresSandbox, SandboxLimits
from zava.adapters.postgres.schema_catalog import PostgresSchemaCatalog
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.core.model import Principal, Table
from zava.core.use_cases.get_multiple_table_schemas import GetMultipleTableSchemas

PEOPLE = [tiny_shop.HEAD_OFFICE, tiny_shop.REGION, tiny_shop.SEATTLE, tiny_shop.STORELESS]
# These are there only where there is pgvector.
EMBEDDINGS = {"product_description_embeddings", "embedding_models"}


@dataclass(frozen=True)
class Asking:
    """Somebody with both tools in hand."""

    principal: Principal
    catalog: PostgresSchemaCatalog
    sandbox: PostgresSandbox

    async def query(self, text: str) -> Table:
        return await self.sandbox.execute_sales_query(self.principal, text)


@pytest.fixture(params=PEOPLE, ids=lambda person: person.name)
async def asking(request: pytest.FixtureRequest, tiny_database: TestDatabase) -> AsyncIterator[Asking]:
    person: PersonRow = request.param
    async with new_pool(tiny_database) as pool:
        sessions = PrincipalSessions(pool, lambda: KEY)
        catalog = PostgresSchemaCatalog(sessions)
        yield Asking(person.principal, catalog, PostgresSandbox(sessions, catalog, SandboxLimits()))


async def test_every_column_that_is_shown_can_be_asked_for(asking: Asking) -> None:
    tables = await asking.catalog.tables(asking.principal)
    assert len(tables) > 10
    for table in tables:
        whole = await asking.query(f"SELECT * FROM {table.name}")  # noqa: S608 - names of our own
        assert [column.name for column in whole.columns] == [column.name for column in table.columns]
        for column in table.columns:
            answer = await asking.query(f"SELECT {column.name} FROM retail.{table.name}")  # noqa: S608
            assert len(answer.rows) == len(whole.rows)


async def test_every_join_that_is_shown_can_be_made(asking: Asking) -> None:
    for table in await asking.catalog.tables(asking.principal):
        for join in table.relationships:
            columns = zip(join.columns, join.references, strict=True)
            on = " AND ".join(f"a.{ours} = b.{theirs}" for ours, theirs in columns)
            await asking.query(f"SELECT count(*) FROM {table.name} AS a JOIN {join.table} AS b ON {on}")  # noqa: S608


async def test_every_value_that_is_shown_can_be_looked_for(asking: Asking) -> None:
    for table in await asking.catalog.tables(asking.principal):
        for column in table.columns:
            for value in column.valid_values or ():
                await asking.query(f"SELECT count(*) FROM {table.name} WHERE {column.name} = '{value}'")  # noqa: S608


@pytest.mark.parametrize(
    ("table", "expression"),
    [
        ("inventory", "stock_level <= reorder_level"),
        ("order_items", "sum(line_total)"),
        ("orders", "order_date >= date_trunc('month', now())::date"),
        ("orders", "status = 'cancelled'"),
        ("returns", "sum(refund_amount)"),
    ],
)
async def test_the_sql_of_hints_and_comments_runs(asking: Asking, table: str, expression: str) -> None:
    (shown,) = await GetMultipleTableSchemas(asking.catalog)(asking.principal, [table])
    assert any(expression in str(text) for text in (shown.query_hint, *(column.comment for column in shown.columns)))
    await asking.query(f"SELECT {expression} FROM {table}")  # noqa: S608


async def test_the_example_of_the_tool_runs(asking: Asking) -> None:
    example = re.search(r"Example: (\{.*\})", RetailTools.execute_sales_query.__doc__ or "")
    assert example
    await asking.query(json.loads(example[1])["postgresql_query"])


async def test_the_tables_that_are_announced_are_there(asking: Asking) -> None:
    schema = json.dumps(
        RetailTools.get_multiple_table_schemas.__annotations__["table_names"].__metadata__[0].description
    )
    announced = set(re.findall(r"\w+", schema))
    assert announced == {table.name for table in await asking.catalog.tables(asking.principal)} - EMBEDDINGS
