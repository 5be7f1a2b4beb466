"""What PostgreSQL's refusal of free SQL means to its author, in PostgreSQL's words where they help."""

import re
from collections.abc import Collection
from difflib import get_close_matches
from itertools import chain

import psycopg

from zava.adapters.postgres.errors import translate
from zava.adapters.postgres.guard import ALIKE, Relations, shorten
from zava.core.errors import (
    DatabaseError,
    InvalidQueryError,
    QueryRefusedError,
    QueryStoppedError,
    QueryTimeoutError,
    QueryTooLargeError,
)

# What stands around the caller's text, here and in sandbox.run().
PREFIX = "SELECT * FROM ("
SUFFIX = "\n) AS q"
MISSING_COLUMN = re.compile(r'column "?([^"]+?)"? does not exist')
OF_SETTINGS = re.compile(r"\bsetting\b|configuration parameter")
TOO_LARGE = "The query needs more memory or disk than one query may have. Filter or group before you join or sort."
NARROW = "Narrow it: fewer days or stores, a filter, or sums instead of rows."

# The author's own faults, by SQLSTATE or its class: data, cardinality, syntax and names, not supported, too complex.
FAULTS = ("21", "22", "42", "0A", "54")


def explain(error: psycopg.Error, query: str, relations: Relations) -> Exception:
    """The error to raise in place of PostgreSQL's.

    Args:
        error: what came back.
        query: the text of the caller's own.
        relations: the tables that queries may use, for names that are nearly right.
    """
    state = error.sqlstate or ""
    message = shorten(error.diag.message_primary or "").replace("\n", " ")
    if state in ("42501", "25006", "2F003"):
        return QueryRefusedError("permission", f"This is not available here: {message}.")
    # XX000 is what functions say of sizes that their authors thought nobody would reach.
    if state in ("53200", "53400", "XX000"):
        return QueryTooLargeError(TOO_LARGE)
    if state.startswith(FAULTS):
        return InvalidQueryError(
            message,
            query=query,
            hint=_hint(error) or _nearest_column(message, query, relations),
            position=_position(error, query),
            sqlstate=state,
        )
    known = translate(error)
    if known is error:
        # Whatever else PostgreSQL has against a query, it is the query that it refuses.
        return QueryRefusedError("other", f"PostgreSQL refuses this query ({state}). Write it another way.")
    return known


def cancelled(seconds: float, longest: float) -> DatabaseError:
    """Why PostgreSQL cancelled a query. Its SQLSTATE is the same for both, and its words are in its own language.

    Args:
        seconds: how long it ran.
        longest: how long it may run; nothing but an operator ends it before that.
    """
    if seconds < longest:
        return QueryStoppedError(f"The query was stopped by an operator. {NARROW}")
    return QueryTimeoutError(f"The query was stopped after {seconds:.1f} seconds. {NARROW}")


def _position(error: psycopg.Error, query: str) -> int | None:
    """Where in the caller's own text: the wrapper around it is not the caller's business."""
    found = error.diag.statement_position or error.diag.internal_position
    if found is None:
        return None
    return max(1, min(int(found) - len(PREFIX), len(query)))


def _hint(error: psycopg.Error) -> str | None:
    """PostgreSQL's, unless it speaks to an operator."""
    hint = error.diag.message_hint
    return None if hint is None or OF_SETTINGS.search(hint) else hint


def _nearest_column(message: str, query: str, relations: Relations) -> str | None:
    """Where a column is that is not there; or which one may be meant: products.name by product_name."""
    if not (match := MISSING_COLUMN.search(message)):
        return None
    name = match[1].rsplit(".", 1)[-1]
    if tables := [table for table, columns in relations.items() if name in columns]:
        return f"There is one in {', '.join(tables)}."
    prefix, _, rest = name.partition("_")
    if (table := _nearest(prefix, relations)) and rest in relations[table]:
        return f"Did you mean {table}.{rest}?"
    near = chain.from_iterable(columns for table, columns in relations.items() if table in query)
    # An id is no answer to who asks for a name or a date.
    nearest = _nearest(name, {column for column in near if _is_id(column) == _is_id(name)})
    return f"Did you mean {nearest}?" if nearest else None


def _nearest(name: str, names: Collection[str]) -> str | None:
    return next(iter(get_close_matches(name, sorted(names), n=1, cutoff=ALIKE)), None)


def _is_id(column: str) -> bool:
    return column.endswith("id")
