"""The SQL of queries as it may be shown to operators: with placeholders, and nothing that a caller wrote in between."""

import re

import pgparse

from zava.core.observations import QueryRun

# A quoted name, or a comment that begins: block comments may lie within each other.
NAME_OR_COMMENT = re.compile(r'"(?:[^"]|"")*"|--[^\n]*|/\*')
BLOCK_EDGE = re.compile(r"/\*|\*/")


def query_text(run: QueryRun) -> str:
    """The queries of a run, one after the other. Ours bind their parameters; of free SQL the literals are left out."""
    if run.parameters:
        return ";\n".join(run.queries)
    return ";\n".join(map(_without_literals, run.queries))


def _without_literals(sql: str) -> str:
    try:
        normalized: str = pgparse.normalize(sql)
    except pgparse.PGQueryError:
        return ""
    return _without_comments(normalized)


def _without_comments(sql: str) -> str:
    """SQL that has no literals any more, without its comments."""
    kept: list[str] = []
    position = 0
    while found := NAME_OR_COMMENT.search(sql, position):
        kept.append(sql[position : found.start()])
        position = found.end()
        if found[0] == "/*":
            position = _end_of_block(sql, position)
        if found[0].startswith('"'):
            kept.append(found[0])
        else:
            kept.append(" ")
    return "".join(kept) + sql[position:]


def _end_of_block(sql: str, position: int) -> int:
    depth = 1
    while depth and (edge := BLOCK_EDGE.search(sql, position)):
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return position
