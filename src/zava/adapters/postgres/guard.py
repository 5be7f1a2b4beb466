"""Is this one SELECT that keeps to the shop's tables and to plain functions? Looks at the syntax tree, asks nobody.

PostgreSQL refuses by itself what could reach another tenant. The guard refuses it first, in words that help; and where
an installer without superuser rights could not close PostgreSQL's catalogs, it stands in for that. Whatever it does not
know, it refuses.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias

import pgparse

from zava.adapters.postgres.advice import DIALECTS, INSTEAD, NODES, STATEMENTS
from zava.adapters.postgres.vocabulary import (
    BOUNDED,
    BOUNDED_OPERATORS,
    FUNCTIONS,
    OPERATORS,
    SHOP_FUNCTIONS,
    SYSTEM_COLUMNS,
    TYPES,
    VECTOR_FUNCTIONS,
    WORDED_OPERATORS,
    WRITTEN_OUT,
)
from zava.core.errors import InvalidQueryError, QueryRefusedError

SCHEMA = "retail"
MOST_NODES = 10_000
# Within one row PostgreSQL computes them all before it looks at its clock.
MOST_CALLS = 300
TOO_MANY_PARTS = (
    f"The query has too many parts: at most {MOST_CALLS} functions, operators and casts. "
    "Write IN (…) for a row of ORs, and ask for less at once."
)
CALLS = frozenset(("FuncCall", "A_Expr", "TypeCast", "MinMaxExpr", "A_Indirection"))
LONGEST_NEEDLE = 100
# How alike a name must be to be suggested, and how far around an error its cause is looked for.
ALIKE = 0.75
NEAR = 40
LONGEST_MESSAGE = 500

# Such as "+-+-" or "/*/*": the parser reads the rest of a row anew from each of its characters.
OPERATOR_ROW = re.compile(r"[-+*/<>=~!@#%^&|`?]+")
LONGEST_ROW = 500

# Columns by table.
Relations: TypeAlias = Mapping[str, Collection[str]]
Fields: TypeAlias = dict[str, Any]

# The parser leaves out the kind of a node where only one kind can stand.
UNTAGGED = {
    "alias": "Alias",
    "join_using_alias": "Alias",
    "typeName": "TypeName",
    "over": "WindowDef",
    "withClause": "WithClause",
    "larg": "SelectStmt",
    "rarg": "SelectStmt",
    "collClause": "CollateClause",
    "ival": "Integer",
    "fval": "Float",
    "sval": "String",
    "boolval": "Boolean",
    "bsval": "BitString",
    "search_clause": "CTESearchClause",
    "cycle_clause": "CTECycleClause",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the syntax tree.

    Attributes:
        kind: as PostgreSQL's parser names it.
        location: of its first byte in the text; None when the parser does not say.
        queries: the names of the CTEs that are in sight here.
    """

    kind: str
    fields: Fields
    location: int | None
    queries: frozenset[str]

    def words(self, field: str) -> tuple[str, ...]:
        """The parts of a name that may be qualified."""
        return tuple(str(part.get("String", {}).get("sval", "*")) for part in self.fields.get(field, ()))


def check(query: str, relations: Relations) -> str:
    """The statement to run, in its place in the text and without a final semicolon; or raises.

    Args:
        query: at most some ten thousand characters; the parser's own stack is what bounds it.
        relations: the tables and views that queries may use.

    Raises:
        InvalidQueryError: it is no SQL. Says what PostgreSQL's parser says.
        QueryRefusedError: it is SQL that is not admitted. Says what to write instead.
    """
    if not is_fit_to_parse(query):
        raise QueryRefusedError("size", "The query has too many operator characters in a row. Leave them out.")
    parsed = _parse(query)
    seen = calls = 0
    waiting = [_select(parsed)]
    while waiting:
        node = waiting.pop()
        seen += 1
        calls += node.kind in CALLS
        if seen > MOST_NODES or calls > MOST_CALLS:
            raise QueryRefusedError("size", TOO_MANY_PARTS)
        try:
            _check_node(node, relations)
        except _Refusal as refusal:
            raise QueryRefusedError(refusal.reason, refusal.message, _position(query, node.location)) from None
        waiting.extend(_children(node))
    return _statement(query, parsed)


def is_fit_to_parse(query: str) -> bool:
    """Whether the parser reads it in reasonable time."""
    return all(len(row) <= LONGEST_ROW for row in OPERATOR_ROW.findall(query))


def shorten(message: str) -> str:
    """PostgreSQL's words without most of the value, or of the text, that they repeat at any length."""
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"


class _Refusal(Exception):  # noqa: N818 - becomes an error once its place is known
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def _parse(query: str) -> Fields:
    """The one statement of the text."""
    try:
        statements: list[Fields] = pgparse.parse(query)
    except pgparse.PGQueryError as error:
        position = error.position or None
        raise InvalidQueryError(
            shorten(error.message), query=query, hint=_dialect(query, position or 1), position=position
        ) from error
    except RecursionError:
        raise QueryRefusedError("size", "The query is nested too deeply. Use CTEs for its steps.") from None
    if not statements:
        raise QueryRefusedError("statement", "There is no query. Write one SELECT.")
    if len(statements) > 1:
        raise QueryRefusedError(
            "statement",
            "Send one statement a call. Use CTEs for steps that build on each other.",
            _position(query, statements[1].get("stmt_location")),
        )
    return statements[0]


def _dialect(query: str, position: int) -> str | None:
    """What to write instead of words of another dialect, if they are what the parser stumbled over."""
    near = query[max(0, position - NEAR) : position + NEAR]
    return next((advice for pattern, advice in DIALECTS.items() if pattern.search(near)), None)


def _statement(query: str, parsed: Fields) -> str:
    """The text of the statement alone. What stands before it becomes blanks, so that positions stay true."""
    text = query.encode()
    start = parsed.get("stmt_location", 0)
    end = start + parsed["stmt_len"] if "stmt_len" in parsed else len(text)
    return " " * len(text[:start].decode()) + text[start:end].decode()


def _select(parsed: Fields) -> Node:
    ((kind, fields),) = parsed["stmt"].items()
    if kind != "SelectStmt":
        advice = STATEMENTS.get(kind, "Nothing can be changed here; ask with a SELECT.")
        raise QueryRefusedError("statement", f"Only a SELECT can be run. {advice}")
    return Node(kind, fields, None, frozenset())


def _position(query: str, location: int | None) -> int | None:
    """The character, counted from 1, of a byte."""
    if location is None or location < 0:
        return None
    return len(query.encode()[:location].decode(errors="ignore")) + 1


def _children(node: Node) -> Iterator[Node]:
    queries = node.queries
    if with_clause := node.fields.get("withClause"):
        queries = queries.union(_names(with_clause))
    for field, value in node.fields.items():
        if field == "ctes":
            yield from _with_queries(node)
        elif isinstance(value, dict):
            # The names of a WITH are in sight in all of its SELECT, and bit by bit within itself.
            yield from _parse_child(node, field, value, node.queries if field == "withClause" else queries)
        elif isinstance(value, list):
            for item in value:
                yield from _parse_child(node, "", item, queries)


def _names(with_clause: Fields) -> list[str]:
    return [cte["CommonTableExpr"]["ctename"] for cte in with_clause["ctes"]]


def _with_queries(node: Node) -> Iterator[Node]:
    """Each query of a WITH sees those before it; all of them where the WITH is recursive."""
    names = _names(node.fields)
    for number, cte in enumerate(node.fields["ctes"]):
        in_sight = names if node.fields.get("recursive") else names[:number]
        yield from _parse_child(node, "", cte, node.queries.union(in_sight))


def _parse_child(parent: Node, field: str, value: Any, queries: frozenset[str]) -> Iterator[Node]:  # noqa: ANN401
    if not value:
        return  # an absent bound, such as the end of the slice a[1:]; or the constant zero
    tagged = next(iter(value))
    if len(value) == 1 and tagged[0].isupper():
        kind, fields = tagged, value[tagged]
    else:
        kind, fields = UNTAGGED.get(field, field), value
    location = fields.get("location")
    yield Node(kind, fields, parent.location if location is None or location < 0 else location, queries)


def _check_node(node: Node, relations: Relations) -> None:
    if node.kind not in CHECKS:
        raise _Refusal("syntax", f"Here {NODES.get(node.kind, f'{node.kind} is not available. Write it another way.')}")
    if rule := CHECKS[node.kind]:
        rule(node, relations)


def _check_select(node: Node, _: Relations) -> None:
    for field, kind in (("intoClause", "IntoClause"), ("lockingClause", "LockingClause")):
        if field in node.fields:
            raise _Refusal("syntax", f"Here {NODES[kind]}")


def _check_cte(node: Node, _: Relations) -> None:
    if set(node.fields["ctequery"]) != {"SelectStmt"}:
        raise _Refusal("statement", "Nothing can be changed here; a CTE must be a SELECT.")


def _check_relation(node: Node, relations: Relations) -> None:
    name, schema = node.fields["relname"], node.fields.get("schemaname")
    if "catalogname" not in node.fields:
        if schema is None and name in node.queries:
            return
        if schema in (None, SCHEMA) and name in relations:
            return
    nearest = get_close_matches(name[:LONGEST_NEEDLE], relations, n=1, cutoff=ALIKE)
    suggestion = f"Did you mean {nearest[0]}? " if nearest else ""
    written = ".".join(filter(None, (schema, name)))[:LONGEST_NEEDLE]
    raise _Refusal(
        "relation", f"There is no table {written} here. {suggestion}The tables are: {', '.join(sorted(relations))}."
    )


def _check_function(node: Node, _: Relations) -> None:
    *schema, name = node.words("funcname")
    if name in SHOP_FUNCTIONS and schema in ([], [SCHEMA]):
        return
    if schema not in ([], ["pg_catalog"]) or (schema and name in BOUNDED) or name not in _KNOWN_FUNCTIONS:
        nearest = get_close_matches(name[:LONGEST_NEEDLE], _KNOWN_FUNCTIONS, n=1, cutoff=ALIKE)
        advice = INSTEAD.get(name) or (f"Did you mean {nearest[0]}()?" if nearest else "Write it with plain functions.")
        written = ".".join((*schema, name))[:LONGEST_NEEDLE]
        raise _Refusal("function", f"The function {written}() is not available here. {advice}")
    # position() has no bounded namesake, so it is checked however it is written. A trim may leave its set out.
    if name == "position" or (schema and name in WRITTEN_OUT):
        sought = [part.get("A_Const", {}).get("sval", {}).get("sval", "") for part in node.fields.get("args", ())[1:]]
        if (name == "position" and not sought) or not all(0 < len(text) <= LONGEST_NEEDLE for text in sought):
            raise _Refusal("function", f"Here the short text has to be written out. Otherwise use {WRITTEN_OUT[name]}.")


def _check_type(node: Node, _: Relations) -> None:
    *schema, name = node.words("names")
    if schema not in ([], ["pg_catalog"]) or name not in TYPES or node.fields.keys() & {"setof", "pct_type"}:
        advice = INSTEAD.get(name, "Use plain types such as text, numeric or date.")
        raise _Refusal("type", f"The type {name[:LONGEST_NEEDLE]} is not available here. {advice}")


def _check_operator(node: Node, _: Relations) -> None:
    for field in ("name", "operName"):
        if field in node.fields:
            *schema, name = node.words(field)
            known = name in OPERATORS | WORDED_OPERATORS
            if schema not in ([], ["pg_catalog"]) or (schema and name in BOUNDED_OPERATORS) or not known:
                advice = INSTEAD.get(name, "Write it with plain operators.")
                raise _Refusal("operator", f"The operator {name[:LONGEST_NEEDLE]} is not available here. {advice}")


def _check_sort(node: Node, _: Relations) -> None:
    if "useOp" in node.fields:
        raise _Refusal("operator", "ORDER BY … USING is not available here. Write ASC or DESC.")


def _check_column(node: Node, _: Relations) -> None:
    name = node.words("fields")[-1]
    if name in SYSTEM_COLUMNS:
        raise _Refusal("column", f"The column {name} tells nothing about the shop. Use the table's own columns.")


def _check_value_function(node: Node, _: Relations) -> None:
    if not str(node.fields["op"]).startswith(("SVFOP_CURRENT_DATE", "SVFOP_CURRENT_TIME", "SVFOP_LOCALTIME")):
        raise _Refusal("function", "Users and schemas are not shown here: you see the stores that are yours.")


_KNOWN_FUNCTIONS = FUNCTIONS | BOUNDED | VECTOR_FUNCTIONS | SHOP_FUNCTIONS

# Every kind of node that is admitted, and on what condition.
CHECKS: dict[str, Callable[[Node, Relations], None] | None] = {
    "SelectStmt": _check_select,
    "CommonTableExpr": _check_cte,
    "RangeVar": _check_relation,
    "FuncCall": _check_function,
    "TypeName": _check_type,
    "A_Expr": _check_operator,
    "SubLink": _check_operator,
    "SortBy": _check_sort,
    "ColumnRef": _check_column,
    "SQLValueFunction": _check_value_function,
    **dict.fromkeys(
        """
        A_ArrayExpr A_Const A_Indices A_Indirection A_Star Alias Boolean BooleanTest BoolExpr CaseExpr CaseWhen
        CTECycleClause CTESearchClause CoalesceExpr CollateClause ColumnDef Float GroupingFunc GroupingSet
        Integer JoinExpr List MinMaxExpr NamedArgExpr NullTest RangeFunction RangeSubselect ResTarget RowExpr
        String TypeCast WindowDef WithClause
        """.split()
    ),
}
