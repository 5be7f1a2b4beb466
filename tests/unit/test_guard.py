"""What the guard admits, what it refuses, and what it says instead."""

import pytest

from zava.adapters.postgres.guard import check
from zava.core.errors import InvalidQueryError, QueryRefusedError

RELATIONS = {
    "orders": ["order_id", "store_id", "order_date"],
    "stores": ["store_id", "name"],
    "order_items": ["line_no"],
}


def refused(query: str) -> QueryRefusedError:
    with pytest.raises(QueryRefusedError) as error:
        check(query, RELATIONS)
    return error.value


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "SELECT count(*) FILTER (WHERE order_date > date '2026-01-01') FROM retail.orders",
        "TABLE stores",
        "VALUES (1, 'a'), (2, 'b')",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY order_id) FROM orders",
        "SELECT sum(1) OVER w FROM orders WINDOW w AS (ORDER BY order_date ROWS BETWEEN 6 PRECEDING AND CURRENT ROW)",
        "SELECT order_date, count(*) FROM orders GROUP BY ROLLUP (order_date), GROUPING SETS ((), (order_id))",
        "SELECT * FROM stores s, LATERAL (SELECT * FROM orders o WHERE o.store_id = s.store_id LIMIT 1) AS last",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT * FROM n",
        "WITH a AS (SELECT 1), b AS (SELECT * FROM a) SELECT * FROM b",
        "WITH orders AS (SELECT * FROM retail.orders) SELECT * FROM orders",
        "SELECT '{\"a\": [1]}'::jsonb -> 'a' ->> 0, (ARRAY[1, 2, 3])[2:], ROW(1, 2) = ROW(1, 2)",
        "SELECT position('@' IN name), substring(name FROM 2 FOR 3), trim(both ' x' from name), trim(name) FROM stores",
        "SELECT order_date AT TIME ZONE 'UTC', extract(dow FROM order_date), current_date - 7 FROM orders",
        "SELECT name COLLATE \"C\" FROM stores WHERE name ~* '^s' AND name LIKE 'a!%' ESCAPE '!'",
        "SELECT x FROM unnest(ARRAY[1, 2]) WITH ORDINALITY AS u(x, n) WHERE x BETWEEN SYMMETRIC 2 AND 1",
        "SELECT * FROM jsonb_to_recordset('[]') AS r(a integer, b text)",
        "SELECT CASE WHEN 1 IS DISTINCT FROM 2 THEN coalesce(nullif(1, 2), greatest(1, 2)) END, 1 = ANY ('{1}')",
    ],
)
def test_analysts_are_admitted(query: str) -> None:
    assert check(query, RELATIONS) == query


@pytest.mark.parametrize(
    ("query", "reason", "says"),
    [
        ("DELETE FROM retail.orders", "statement", "Only a SELECT"),
        ("WITH gone AS (DELETE FROM orders RETURNING 1) SELECT * FROM gone", "statement", "a CTE must be a SELECT"),
        ("SELECT 1; SELECT 2", "statement", "one statement"),
        ("", "statement", "Write one SELECT"),
        ("-- only a comment", "statement", "Write one SELECT"),
        ("EXPLAIN SELECT 1", "statement", "Run the SELECT itself"),
        ("SET role = zava_owner", "statement", "Nothing can be set"),
        ("SHOW ALL", "statement", "not shown"),
        ("COPY orders TO STDOUT", "statement", "Write a SELECT"),
        ("DO $$ BEGIN END $$", "statement", "CTEs"),
        ("SELECT * INTO mine FROM orders", "syntax", "Use a CTE"),
        ("SELECT * FROM orders FOR UPDATE", "syntax", "cannot be locked"),
        ("SELECT * FROM (SELECT * FROM orders FOR SHARE) AS q", "syntax", "cannot be locked"),
        ("SELECT * FROM orders TABLESAMPLE SYSTEM (10)", "syntax", "TABLESAMPLE"),
        ("SELECT $1", "syntax", "Write the value itself"),
        ("SELECT xmlelement(name a)", "syntax", "JSON functions"),
        ("SELECT * FROM pg_class", "relation", "There is no table pg_class"),
        ("SELECT * FROM pg_catalog.pg_class", "relation", "There is no table pg_catalog.pg_class"),
        ("SELECT * FROM access.principals", "relation", "There is no table access.principals"),
        ("SELECT * FROM other.retail.orders", "relation", "There is no table"),
        ("SELECT * FROM order_item", "relation", "Did you mean order_items"),
        # A name is in sight only below its WITH, and after it.
        ("SELECT * FROM (WITH pg_class AS (SELECT 1) SELECT * FROM pg_class) AS q, pg_class", "relation", "pg_class"),
        ("WITH a AS (SELECT * FROM pg_class), pg_class AS (SELECT 1) SELECT * FROM a", "relation", "pg_class"),
        ("SELECT set_config('zava.context', 'x', true)", "function", "who asks is decided"),
        ("SELECT * FROM set_config('zava.context', 'x', true)", "function", "set_config"),
        ("SELECT * FROM ROWS FROM (now(), pg_sleep(1)) AS t", "function", "pg_sleep"),
        ("VALUES (pg_sleep(1))", "function", "pg_sleep"),
        ("SELECT 1 ORDER BY pg_sleep(1)", "function", "pg_sleep"),
        ("SELECT 1 LIMIT length(current_setting('zava.context'))", "function", "current_setting"),
        ("SELECT count(*) OVER (PARTITION BY pg_sleep(1)) FROM orders", "function", "pg_sleep"),
        ("SELECT U&\"\\0073et_config\"('a', 'b', true)", "function", "set_config"),
        ("SELECT access.my_stores()", "function", "access.my_stores"),
        ("SELECT pg_catalog.lpad('x', 900000000)", "function", "pg_catalog.lpad"),
        ("SELECT format('%900000000s', 1)", "function", "to_char()"),
        ("SELECT position(name IN name) FROM stores", "function", "strpos"),
        ("SELECT pg_catalog.position('x')", "function", "written out"),
        # Quoted it is a plain function, and there is no bounded one of that name.
        ('SELECT "position"(name, name) FROM stores', "function", "strpos(text, part)"),
        ("SELECT trim(both name from name) FROM stores", "function", "btrim(text, characters)"),
        ("SELECT 'a'::tsquery", "type", "tsquery"),
        ("SELECT 'a' OPERATOR(pg_catalog.~~) 'b'", "operator", "~~"),
        ("SELECT array_aggregate(1)", "function", "Did you mean array_agg()"),
        ("SELECT median(1)", "function", "percentile_cont(0.5)"),
        ("SELECT current_user", "function", "Users and schemas"),
        ("SELECT 'orders'::regclass", "type", "regclass"),
        ("SELECT CAST('x' AS pg_catalog.regproc)", "type", "regproc"),
        ("SELECT 1 OPERATOR(public.+) 1", "operator", "not available here"),
        ("SELECT 1 OPERATOR(pg_catalog.~<~) 1", "operator", "~<~"),
        ("SELECT 1 ORDER BY 1 USING <", "operator", "ASC or DESC"),
        ("SELECT ctid FROM orders", "column", "ctid"),
        ("SELECT o.xmin FROM orders AS o", "column", "xmin"),
        ("SELECT " + "(SELECT " * 2000 + "1" + ")" * 2000, "size", "nested too deeply"),
        ("SELECT " + ",".join("1" * 9000), "size", "too many parts"),
        ("SELECT " + ",".join(["now()"] * 301), "size", "at most 300 functions"),
        # A row of these takes PostgreSQL's parser seconds, in which nothing else is served.
        ("SELECT " + "-+" * 9000 + "1", "size", "operator characters in a row"),
        ("/*" * 9000 + "*/" * 9000 + "SELECT 1", "size", "operator characters in a row"),
    ],
)
def test_what_is_refused_is_refused_in_words_that_help(query: str, reason: str, says: str) -> None:
    error = refused(query)
    assert error.reason == reason
    assert says in error.message
    assert error.message.endswith((".", "?"))


def test_a_refusal_says_where() -> None:
    assert refused("SELECT 'é', pg_sleep(1)").details == {"reason": "function", "position": 13}
    assert refused("TABLE x").position == 7


def test_wrong_sql_is_told_in_the_words_of_postgresql() -> None:
    with pytest.raises(InvalidQueryError) as error:
        check("SELECT *\nFORM orders", RELATIONS)
    assert error.value.message == "syntax error at or near \"FORM\" at line 2, character 1 (near 'FORM orders')."
    assert error.value.details == {"position": 10}


def test_a_message_does_not_repeat_all_of_the_text() -> None:
    with pytest.raises(InvalidQueryError, match="unterminated quoted string") as error:
        check(f"SELECT '{'x' * 19_000}", RELATIONS)
    assert len(error.value.message) < 1000


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("SELECT 1;", "SELECT 1"),
        (" SELECT 1 ; -- done; really", " SELECT 1 "),
        (";;SELECT 'é';;", "  SELECT 'é'"),
        ("SELECT 1 -- no end", "SELECT 1 -- no end"),
    ],
)
def test_semicolons_and_what_follows_them_are_left_out(text: str, statement: str) -> None:
    assert check(text, RELATIONS) == statement
