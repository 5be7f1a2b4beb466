"""The rows of sandbox.run_for_…: one about the answer, then JSON objects, then perhaps a word on what cut it short."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

# A longer one is no number that JSON's readers agree on: it stays a text.
MOST_DIGITS = 300
LARGEST_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows as values in the order of the columns, and what is said about them."""

    rows: tuple[tuple[object, ...], ...]
    truncated: Literal["rows", "bytes"] | None
    stores: tuple[str, ...]
    as_of: datetime


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written: names may come twice."""


def _number(text: str) -> int | float | str:
    """A number with a point. Cents survive: a float prints the shortest text that means it."""
    if len(text) > MOST_DIGITS:
        return text
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < LARGEST_EXACT else value


def _whole_number(text: str) -> int | str:
    return int(text) if len(text) < MOST_DIGITS else text


_decoder = json.JSONDecoder(object_pairs_hook=_Pairs, parse_float=_number, parse_int=_whole_number)


def read_answer(lines: Sequence[str]) -> Answer:
    """Reads what sandbox.run_for_…() returned."""
    about = dict(_decoder.decode(lines[0]))
    body = [_decoder.decode(line) for line in lines[1:]]
    truncated = body.pop() if body and isinstance(body[-1], str) else None
    return Answer(
        rows=tuple(tuple(_plain(value) for _, value in row) for row in body),
        truncated=truncated,
        stores=tuple(about["stores"]),
        as_of=datetime.fromisoformat(about["as_of"]),
    )


def _plain(value: Any) -> object:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, _Pairs):
        return {name: _plain(item) for name, item in value}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
