"""What sandbox.run() returns: a JSON array of an object a row, and perhaps a word on what cut it short."""

import json
import re
from decimal import Decimal
from math import isinf
from typing import Any, Literal, TypeAlias, cast

# A longer one is no number that JSON's readers agree on: it stays a text.
MOST_DIGITS = 300
LARGEST_EXACT = 2**53
# '1e1000000' is short, and a million digits when it is written out, which nothing interrupts.
LARGEST_EXPONENT = 40
# Of lists and objects within each other. Whoever writes the answer goes 255 deep, and some of that is the answer's own.
MOST_LEVELS = 100
# Columns of type json may have half of a character in them, as in "\ud83d", which UTF-8 has no bytes for.
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

Rows: TypeAlias = tuple[tuple[object, ...], ...]


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written: names may come twice."""


def _number(text: str) -> int | float | str:
    """A number with a point. Cents survive: a float prints the shortest text that means it."""
    if len(text) > MOST_DIGITS:
        return text
    value = float(text)
    if isinf(value):  # JSON has none
        return text
    return int(value) if value.is_integer() and abs(value) < LARGEST_EXACT else value


def _whole_number(text: str) -> int | str:
    return int(text) if len(text) < MOST_DIGITS else text


def _exact_number(text: str) -> Decimal | str:
    if len(text) >= MOST_DIGITS:
        return text
    _, _, exponent = text.lower().partition("e")
    return Decimal(text) if abs(int(exponent or 0)) <= LARGEST_EXPONENT else text


NESTED = frozenset((_Pairs, list))
_decoder = json.JSONDecoder(object_pairs_hook=_Pairs, parse_float=_number, parse_int=_whole_number)
_exact_decoder = json.JSONDecoder(object_pairs_hook=_Pairs, parse_float=_exact_number, parse_int=_whole_number)


def read_rows(answer: str, *, exact: bool = False) -> tuple[Rows, Literal["rows", "bytes"] | None]:
    """The values of each row in the order of the columns, and what cut the answer short.

    Args:
        answer: what came back.
        exact: whether numbers with a point keep all of their digits, as Decimal; those that would have very many stay
            texts.

    Raises:
        RecursionError: a value is nested too deeply.
    """
    decoder = _exact_decoder if exact else _decoder
    is_plain_text = SURROGATE.search(answer) is None
    rows: list[tuple[object, ...]] = []
    # One row after the other, so that a long answer leaves memory and processor to others.
    position = 1
    while answer[position] != "]":
        row, position = decoder.raw_decode(answer, position)
        if isinstance(row, str):
            return tuple(rows), cast('Literal["rows", "bytes"]', row)
        values = tuple([value for _, value in row])
        is_plain = is_plain_text and NESTED.isdisjoint(map(type, values))
        rows.append(values if is_plain else tuple(map(_plain, values)))
        position += answer[position] == ","
    return tuple(rows), None


def _plain(value: Any, levels: int = MOST_LEVELS) -> object:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, str):
        return _whole(value)
    if not isinstance(value, list):
        return value
    if not levels:
        raise RecursionError(f"nested more than {MOST_LEVELS} levels deep")
    if isinstance(value, _Pairs):
        return {_whole(name): _plain(item, levels - 1) for name, item in value}
    return [_plain(item, levels - 1) for item in value]


def _whole(text: str) -> str:
    """The text, with a replacement character for each half of one."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
