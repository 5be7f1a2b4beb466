"""Whatever is written, the guard admits or refuses it, and soon; what it admits stays one SELECT in its wrapper."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pgparse
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.isolation.attacks import QUERY, read_attacks
from zava.adapters.postgres.guard import CHECKS, check
from zava.adapters.postgres.sandbox_errors import PREFIX, SUFFIX
from zava.adapters.postgres.vocabulary import BOUNDED, FUNCTIONS, VECTOR_FUNCTIONS
from zava.core.errors import InvalidQueryError, QueryRefusedError
from zava.core.use_cases.execute_sales_query import LONGEST_QUERY


def is_text(argument: object) -> bool:
    """Whether it comes as far as the guard: no NUL, no half of a character."""
    return isinstance(argument, str) and not re.search("[\0\ud800-\udfff]", argument)


RELATIONS = {
    table: ["store_id", "order_id"]
    for table in (
        *("business_settings", "categories", "customers", "inventory", "order_items", "orders", "product_types"),
        *("product_description_embeddings", "products", "returns", "store_targets", "stores"),
    )
}
ANALYTICS = (Path(__file__).parents[1] / "isolation" / "analytics.sql").read_text("utf-8").split("\n-- name: ")[1:]
ANALYTICS = [f"-- {text}" for text in ANALYTICS]
ATTACKS = [
    text
    for attack in read_attacks()
    for call in attack.calls
    if call.tool == QUERY and is_text(text := call.arguments.get("postgresql_query"))
]

# A hang takes longer, a loaded machine does not.
SECONDS = 10
LONGEST_REFUSAL = 2000

TOKEN = re.compile(r"\s+|\w+|'(?:[^']|'')*'|.", re.DOTALL)
TRICKS = [
    *(
        "/**/",
        "/*",
        "*/",
        "--",
        "--\n",
        ";",
        "(",
        ")",
        ") AS q; DELETE FROM orders; --",
        "'",
        '"',
        "$$",
        "$a$",
        "E'\\'",
    ),
    *("\u00a0", "\u200b", "\ufeff", "\u202e", "\u017f", "İ", "🔧", 'U&"\\0070g_class"', "U&'\\+01F600'", "\\", "\r"),
    *(" FOR UPDATE", " INTO x", "::regclass", ", pg_sleep(1)", "pg_catalog.", "OPERATOR(pg_catalog.~~)", "$1", "["),
    *("VARIADIC ", "LATERAL ", "ONLY ", "*", "0", "-", "NULL", "DEFAULT", "AS", "(SELECT 1)", "UNION", "\x01", ":"),
]
WORDS = """
SELECT FROM orders retail. WITH AS ( ) , * 1 'x' $1 pg_class JOIN ON :: regclass text [ ] lpad set_config UNION VALUES
BY ORDER /* */ -- ; $$ é \\ " ' E' U&' CASE WHEN END NOT IN - ROWS
""".split()
LEAVES = """
1 | NULL | 'x' | order_id | o.* | * | count(*) | current_date | current_user | interval '1 day' | pg_sleep(1) | true
$1 | 'orders'::regclass | DEFAULT | ctid | '{}'::jsonb | lag(1) OVER w | ARRAY[]::text[] | (TABLE pg_class)
"""
OPERATIONS = """
({0} + {1}) | {0} = {1} | {0} OR NOT {1} | {0}::text || {1} | ({0})[{1}:] | ({0}).{1} | {0} -> {1}
sum({0}) FILTER (WHERE {1}) | count(*) OVER (PARTITION BY {0} ORDER BY {1}) | mode() WITHIN GROUP (ORDER BY {1})
CASE {0} WHEN {1} THEN {0} END | coalesce({0}, {1}) | ROW({0}, {1}) | ARRAY[{0}, {1}] | EXISTS (VALUES ({0}))
concat({0}, VARIADIC {1}) | (SELECT {0} FROM orders WHERE {1}) | {0} IN (SELECT {1}) | {0} = ANY ({1}) | {0} IN ({1}, 2)
{0} IS DISTINCT FROM {1} | {0} BETWEEN {1} AND 2 | {0} LIKE {1} ESCAPE '!' | extract(day FROM {0})
trim(both {0} from {1}) | GROUPING({0}) | position({0} IN {1}) | substring({0} FROM {1}) | {0} AT TIME ZONE {1}
CAST({0} AS numeric(10, {1})) | JSON_VALUE({0}, {1}) | JSON_EXISTS({0}, {1}) | {0} IS JSON
{0} COLLATE "C" | JSON_OBJECT({0}: {1}) | xmlelement(name a, {0})
"""
STATEMENTS = """
SELECT {0}, {1} FROM orders AS o | VALUES ({0}, {1}) | SELECT {0} UNION ALL SELECT {1} | SELECT {0} LIMIT {1}
WITH a AS (SELECT {0}) SELECT {1} FROM a | WITH RECURSIVE a AS (SELECT {0} UNION SELECT {1} FROM a) TABLE a
SELECT * FROM orders o LEFT JOIN LATERAL (SELECT {0}) AS l ON {1} | SELECT * FROM stores JOIN orders USING ({0})
SELECT DISTINCT ON ({0}) * FROM orders ORDER BY {1} | SELECT 1 FROM orders GROUP BY ROLLUP ({0}) HAVING {1}
SELECT {0} FROM orders WINDOW w AS (ORDER BY {1} ROWS BETWEEN 1 PRECEDING AND {0} FOLLOWING) | DELETE FROM {0}
SELECT * FROM ROWS FROM (unnest({0}), generate_series({1}, 9)) AS r(a, b) | SELECT {0}; SELECT {1} | SELECT {0} INTO x
SELECT * FROM jsonb_to_recordset({0}) AS r(a integer, b text) WHERE {1} | SELECT * FROM orders TABLESAMPLE a({0})
SELECT * FROM JSON_TABLE({0}, '$' COLUMNS (a text PATH {1})) AS j | EXPLAIN SELECT {0} | SELECT {0} FOR UPDATE OF {1}
"""


def one_of(lines: str) -> st.SearchStrategy[str]:
    return st.sampled_from(re.split(r" \| |\n", lines.strip()))


EXPRESSIONS = st.recursive(
    one_of(LEAVES), lambda parts: st.builds(str.format, one_of(OPERATIONS), parts, parts), max_leaves=12
)


def admitted(query: str) -> bool:
    """Whether the guard admits it. Fails when it does anything but admit or refuse, or admits what it must not."""
    statement = refused = ""
    started = time.monotonic()
    try:
        statement = check(query, RELATIONS)
    except (InvalidQueryError, QueryRefusedError) as error:
        refused = error.message
    assert time.monotonic() - started < SECONDS
    if not statement:
        assert 0 < len(refused) < LONGEST_REFUSAL
        return False
    (alone,) = pgparse.parse(query)
    (wrapped,) = pgparse.parse(f"{PREFIX}{statement}{SUFFIX} LIMIT 1001")
    (part,) = wrapped["stmt"]["SelectStmt"]["fromClause"]
    assert without_places(part["RangeSubselect"]["subquery"]) == without_places(alone["stmt"])
    assert_known(alone)
    return True


def without_places(tree: Any) -> Any:  # noqa: ANN401 - a syntax tree
    match tree:
        case dict():
            return {name: without_places(value) for name, value in tree.items() if not name.endswith("location")}
        case list():
            return [without_places(item) for item in tree]
    return tree


def nodes(tree: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Everything in the tree that has a name, wherever it is: the guard looks only where it expects something."""
    if isinstance(tree, dict):
        yield from tree.items()
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from nodes(part)


def assert_known(tree: Any) -> None:  # noqa: ANN401
    found = list(nodes(tree))
    queries = {node["ctename"] for name, node in found if name == "CommonTableExpr"}
    for name, node in found:
        assert name[0].islower() or name in CHECKS
        if name == "RangeVar":
            assert node["relname"] in RELATIONS.keys() | queries
            assert node.get("schemaname", "retail") == "retail"
        if name == "FuncCall":
            assert node["funcname"][-1]["String"]["sval"] in FUNCTIONS | BOUNDED | VECTOR_FUNCTIONS


@pytest.mark.parametrize("query", ANALYTICS, ids=lambda text: text.partition("\n")[0][3:])
def test_real_questions_stay_what_they_are_in_the_wrapper(query: str) -> None:
    assert admitted(query)


@given(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200),
        st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join),
        st.lists(st.sampled_from(WORDS + TRICKS), max_size=20).map("".join),
    )
)
def test_anything_at_all_is_admitted_or_refused(query: str) -> None:
    admitted(query)


@settings(max_examples=500)
@given(st.builds(str.format, one_of(STATEMENTS), EXPRESSIONS, EXPRESSIONS))
def test_what_looks_like_sql_is_admitted_or_refused(query: str) -> None:
    admitted(query)


@settings(max_examples=500)
@given(
    st.sampled_from(ANALYTICS + ATTACKS),
    st.lists(
        st.tuples(
            st.sampled_from(["drop", "double", "swap", "insert", "cut"]), st.integers(0), st.sampled_from(TRICKS)
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_a_query_that_was_tampered_with_is_admitted_or_refused(query: str, edits: list[tuple[str, int, str]]) -> None:
    tokens = TOKEN.findall(query[:LONGEST_QUERY])
    for edit, place, trick in edits:
        index = place % len(tokens)
        match edit:
            case "drop":
                tokens[index] = ""
            case "double":
                tokens[index] *= 2
            case "swap":
                tokens[index], tokens[index - 1] = tokens[index - 1], tokens[index]
            case "insert":
                tokens.insert(index, trick)
            case "cut":
                tokens = tokens[: index + 1]
    admitted("".join(tokens))
