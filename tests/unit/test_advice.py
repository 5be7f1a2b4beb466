"""What is said to those who write another dialect than PostgreSQL's, or what is not admitted."""

import re

import pytest

from zava.adapters.postgres.advice import DIALECTS, INSTEAD, NODES, STATEMENTS
from zava.adapters.postgres.guard import check
from zava.adapters.postgres.vocabulary import BOUNDED, FUNCTIONS, OPERATORS, TYPES, VECTOR_FUNCTIONS
from zava.core.errors import InvalidQueryError, QueryRefusedError

ADVICE = {*INSTEAD.values(), *DIALECTS.values(), *NODES.values(), *STATEMENTS.values()}
# What looks like a function and is none.
GRAMMAR = {"coalesce", "nullif"}
TABLES = {"orders": ["order_date"], "stores": ["name"]}


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT JSON_VALUE('{}', '$.a')", "Use ->>, -> or jsonb_path_exists()."),
        ("SELECT '{}' IS JSON", "Use json_typeof()"),
        ("SELECT JSON('{}')", "Write text::json."),
        ("SELECT JSON_ARRAY(SELECT 1)", "json_agg(x)"),
        ("SELECT TOP 10 * FROM orders", "Write LIMIT n"),
        ("SELECT * FROM orders LIMIT 5, 10", "Write LIMIT n OFFSET m."),
        ("SELECT * FROM orders QUALIFY row_number() OVER (ORDER BY a) = 1", "in a CTE"),
        ("SELECT now() - INTERVAL 1 DAY", "interval '1 day', with quotes"),
        ("SELECT `name` FROM stores", 'write "name"'),
        ("SELECT [name] FROM stores", 'write "name"'),
        ("SELECT TRY_CAST(name AS int) FROM stores", "Write CAST(x AS type)."),
        ("SELECT name FROM stores WHERE name REGEXP 'x'", "Write text ~ pattern."),
        ("SELECT 1 FROM orders MINUS SELECT 2", "Write EXCEPT."),
        ("SELECT * EXCLUDE (name) FROM stores", "Name the columns that you want."),
        ("SELECT * FROM orders PIVOT (sum(a) FOR b IN (1))", "FILTER (WHERE …)"),
        ("SELECT * FROM orders CROSS APPLY (SELECT 1) AS x", "JOIN LATERAL"),
        ("SELECT group_concat(name SEPARATOR ',') FROM stores", "Write string_agg(x, ', ' ORDER BY y)."),
        ("SELECT convert(varchar(9), name, 120) FROM stores", "Write x::type."),
        ("SELECT name FROM stores GROUP BY ALL", "Name the columns to group by."),
        ("SELECT 7 DIV 2", "Write div(a, b)."),
        ("SELECT * FROM orders WITH (NOLOCK)", "Leave it out"),
        ("DESCRIBE orders", "Call get_multiple_table_schemas"),
        ("SELECT last_day(now())", "interval '1 month - 1 day'"),
        ("SELECT months_between(a, b)", "age(a, b)"),
        ("SELECT iif(a, 1, 2)", "Write CASE WHEN"),
        ("SELECT if(a, 1, 2)", "Write CASE WHEN"),
        ("SELECT nvl(a, 1)", "Write coalesce(x, y)."),
        ("SELECT name FROM stores WHERE name == 'x'", "Write =."),
        ("SELECT name::string FROM stores", "Write text."),
        ("SELECT CAST(name AS datetime) FROM stores", "Write timestamp."),
        ("SELECT * FROM public.orders", "Did you mean orders?"),
        ("SELECT * FROM order", "syntax error"),
    ],
)
def test_other_dialects_are_told_what_to_write_in_postgresqls(query: str, says: str) -> None:
    with pytest.raises((InvalidQueryError, QueryRefusedError)) as error:
        check(query, TABLES)
    assert says in error.value.message


@pytest.mark.parametrize("table", ["sales", "users", "dual", "product_categories", "retail.employees", "x" * 20_000])
def test_a_table_that_is_like_none_of_the_shops_is_not_mistaken_for_one(table: str) -> None:
    with pytest.raises(QueryRefusedError, match=r"The tables are: ") as error:
        check(f"TABLE {table}", {"customers": [], "returns": [], "product_types": [], "stores": []})
    assert "Did you mean" not in error.value.message


def test_words_of_another_dialect_elsewhere_in_the_query_are_no_advice() -> None:
    with pytest.raises(InvalidQueryError) as error:
        check(f"SELECT 'a minus' AS x, {'1, ' * 30} FORM orders ORDER BY 1 DESC,", TABLES)
    assert "Write" not in error.value.message
    assert "Call" not in error.value.message


def test_advice_names_nothing_that_is_refused_in_turn() -> None:
    named = {name for advice in ADVICE for name in re.findall(r"\b([a-z_0-9]+)\(", advice)}
    assert len(named) > 20
    assert named - FUNCTIONS - BOUNDED - GRAMMAR == set()


def test_there_is_no_advice_against_what_is_admitted() -> None:
    assert INSTEAD.keys() & (FUNCTIONS | BOUNDED | VECTOR_FUNCTIONS | OPERATORS | TYPES) == set()
