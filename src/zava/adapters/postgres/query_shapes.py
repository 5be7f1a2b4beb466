"""What queries have in common that differ in their values alone."""

from functools import lru_cache

from zava.adapters.postgres.plain_queries import plain
from zava.adapters.postgres.sandbox import NAME
from zava.core.observations import QueryRun
from zava.core.performance import QueryShape

LONGEST_TEXT = 200


def shape_of(run: QueryRun) -> QueryShape:
    """Of governed questions their name; of free SQL the fingerprint of its syntax tree."""
    return _shape_of_free_sql(run.queries[0]) if run.name == NAME else QueryShape(run.name)


def text_of(run: QueryRun) -> str:
    """Its queries, as operators may read them: ours bind their parameters, free SQL is shown without its literals."""
    if run.name != NAME:
        return ";\n".join(run.queries)
    query = plain(run.queries[0])
    return query.text if query else ""


# Several ask about the same query, one after the other.
@lru_cache(maxsize=16)
def _shape_of_free_sql(statement: str) -> QueryShape:
    query = plain(statement)
    return QueryShape(NAME, query.fingerprint, query.text[:LONGEST_TEXT]) if query else QueryShape(NAME)
