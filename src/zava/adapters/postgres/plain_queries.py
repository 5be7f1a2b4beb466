"""Free SQL as it may be kept by everybody's leave: without what its author put into it."""

import re
from dataclasses import dataclass

import pgparse

from zava.adapters.postgres.guard import is_fit_to_parse

# A longer one is not run either.
LONGEST_QUERY = 20_000
# The names of the shop, and of columns that need no quotes. Any other may say anything.
PLAIN_NAME = re.compile(r'"[a-z_][a-z0-9_]*"')
# As PostgreSQL reads it: whatever is no ASCII may be part of a name.
TOKENS = re.compile(
    r"""
      (?P<comment> --[^\n\r]* | /\*)
    | (?P<literal>
          [eE]'(?:[^'\\]|\\.)*(?:'\s*'(?:[^'\\]|\\.)*)*'   # with backslashes, perhaps in several pieces
        | '(?:[^']|'')*'
        | \$(?P<tag>(?:[A-Za-z_\x80-\U0010ffff][0-9A-Za-z_\x80-\U0010ffff]*)?)\$.*?\$(?P=tag)\$
        | \.?[0-9][\w.]*
      )
    | (?P<quoted> "(?:[^"]|"")*")
    | [A-Za-z_\x80-\U0010ffff][0-9A-Za-z_$\x80-\U0010ffff]*   # a name or a word
    """,
    re.VERBOSE | re.DOTALL,
)
COMMENT_ENDS = re.compile(r"/\*|\*/")


@dataclass(frozen=True, slots=True)
class PlainQuery:
    """A query without its literals.

    Attributes:
        fingerprint: 16 hexadecimal digits, the same for queries that differ in their literals alone.
        text: the query with ? for its literals, and without comments and names of its author's.
    """

    fingerprint: str
    text: str


def plain(query: str) -> PlainQuery | None:
    """The query as it may be kept; None for what is no SQL."""
    if len(query.encode(errors="replace")) > LONGEST_QUERY or "\0" in query or not is_fit_to_parse(query):
        return None
    try:
        return PlainQuery(pgparse.fingerprint(query), _without_literals(query))
    except (pgparse.PGQueryError, UnicodeError):
        return None


def _without_literals(query: str) -> str:
    """The parser's own normalising takes a quarter of a second for some queries, and leaves the literals of others."""
    kept: list[str] = []
    position = 0
    while token := TOKENS.search(query, position):
        kept.append(query[position : token.start()])
        position = token.end()
        match token.lastgroup:
            case "comment":
                kept.append(" ")
                if token["comment"] == "/*":
                    position = _end_of_comment(query, position)
            case "literal":
                kept.append("?")
            case "quoted" if not PLAIN_NAME.fullmatch(token["quoted"]):
                kept.append('"?"')
            case _:
                kept.append(token[0])
    kept.append(query[position:])
    return " ".join("".join(kept).split())


def _end_of_comment(text: str, position: int) -> int:
    """Comments lie within comments."""
    depth = 1
    while depth and (end := COMMENT_ENDS.search(text, position)):
        depth += 1 if end[0] == "/*" else -1
        position = end.end()
    return len(text) if depth else position
