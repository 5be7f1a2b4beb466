"""Which of the wanted tables may be shown, and what helps with names that are nearly right."""

from collections.abc import Sequence

import pytest

from tests import tiny_shop
from tests.fakes import FakeSchemaCatalog
from zava.core.errors import AuthorizationError, NotFoundError, ValidationError
from zava.core.model import TableSchema
from zava.core.use_cases.get_multiple_table_schemas import MOST_TABLES, GetMultipleTableSchemas

ask_for = GetMultipleTableSchemas(FakeSchemaCatalog())


async def ask(*table_names: str) -> tuple[TableSchema, ...]:
    return await ask_for(tiny_shop.SEATTLE.principal, table_names)


async def refusal(*table_names: str) -> str:
    with pytest.raises(NotFoundError) as refused:
        await ask(*table_names)
    return refused.value.message


@pytest.mark.parametrize("names", [["stores", "order_items"], ["order_items", "stores"], ["stores"]])
async def test_tables_come_in_the_order_in_which_they_were_asked_for(names: Sequence[str]) -> None:
    assert [table.name for table in await ask(*names)] == names


@pytest.mark.parametrize(
    "names",
    [
        ["stores", "order_items", "stores"],
        ["stores", "STORES", "order_items"],
        ["retail.stores", "stores", " order_items ", "order_items"],
    ],
)
async def test_a_table_that_is_asked_for_twice_comes_once(names: Sequence[str]) -> None:
    assert [table.name for table in await ask(*names)] == ["stores", "order_items"]


@pytest.mark.parametrize("name", ["stores", "Stores", "STORES", " stores\n", "retail.stores", "Retail.Stores"])
async def test_case_blanks_and_the_schema_do_not_matter(name: str) -> None:
    assert [table.name for table in await ask(name)] == ["stores"]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("store", "stores"), ("order_item", "order_items"), ("retail.ordre_items", "order_items"), ("strores", "stores")],
)
async def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(name: str, nearest: str) -> None:
    assert f"Did you mean {nearest}?" in await refusal(name)


async def test_a_name_like_no_other_is_answered_with_all_of_them() -> None:
    assert await refusal("weather") == "There is no table 'weather'. The tables are: order_items, stores."


async def test_one_unknown_table_refuses_the_whole_question() -> None:
    assert "'weather'" in await refusal("stores", "weather")


@pytest.mark.parametrize(
    "name", ["customer_records", "retail.customer_records", "pg_authid", "access.keys", "pg_catalog.pg_class", ""]
)
async def test_a_table_that_questions_may_not_use_is_as_unknown_as_any_other(name: str) -> None:
    assert (await refusal(name)).endswith("The tables are: order_items, stores.")


async def test_a_long_name_is_not_said_back_in_full() -> None:
    assert len(await refusal("x" * 10_000)) < 250


@pytest.mark.parametrize("count", [0, MOST_TABLES + 1, 10_000])
async def test_no_name_and_too_many_are_refused(count: int) -> None:
    with pytest.raises(ValidationError, match="name 1 to 20 tables") as refused:
        await ask(*["stores"] * count)
    assert (refused.value.field, refused.value.value) == ("table_names", count)


async def test_as_many_names_as_allowed_are_answered() -> None:
    assert [table.name for table in await ask(*["stores"] * MOST_TABLES)] == ["stores"]


async def test_valid_values_are_those_the_principal_sees() -> None:
    (stores,) = await ask_for(tiny_shop.REGION.principal, ["stores"])
    assert stores.columns[0].valid_values == ("Bellevue", "Seattle")


async def test_who_is_not_known_is_shown_no_table() -> None:
    with pytest.raises(AuthorizationError):
        await ask_for(tiny_shop.STRANGER, ["stores"])
