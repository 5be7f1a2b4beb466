"""Results as JSON values, and the schema that describes them."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from zava.adapters.mcp.schemas import schema_of, to_json


@dataclass(frozen=True)
class Line:
    """One line."""

    name: str
    amount: Decimal
    day: date | None


@dataclass(frozen=True)
class Receipt:
    """Some lines."""

    lines: tuple[Line, ...]
    totals: dict[str, Decimal]


@dataclass(frozen=True)
class Book:
    """Some receipts."""

    cover: Line | None
    receipts: tuple[Receipt, ...]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("145.49"), "145.49"),
        (Decimal("0.1"), "0.1"),
        (Decimal("48.50"), "48.5"),
        (Decimal("73.00"), "73"),
        (Decimal("-0.0"), "0"),
        (Decimal("1E+3"), "1000"),
        (Decimal("12345678901.23"), "12345678901.23"),
    ],
)
def test_an_amount_is_the_shortest_number_that_means_it(value: Decimal, expected: str) -> None:
    assert repr(to_json(value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        ("text", "text"),
        (7, 7),
        (date(2026, 2, 28), "2026-02-28"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ((1, [2]), [1, [2]]),
        ({1: Decimal("1.5")}, {"1": 1.5}),
    ],
)
def test_a_plain_value_becomes_its_json(value: object, expected: object) -> None:
    assert to_json(value) == expected
    assert type(to_json(value)) is type(expected)


def test_a_dataclass_becomes_an_object() -> None:
    receipt = Receipt((Line("Claw hammer", Decimal("20.00"), date(2026, 3, 2)),), {"revenue": Decimal("20.50")})
    assert to_json(receipt) == {
        "lines": [{"name": "Claw hammer", "amount": 20, "day": "2026-03-02"}],
        "totals": {"revenue": 20.5},
    }


@pytest.mark.parametrize("value", [object(), b"bytes", {1, 2}, 1j])
def test_what_has_no_json_is_refused_rather_than_guessed(value: Any) -> None:  # noqa: ANN401
    with pytest.raises(TypeError, match=f"no JSON for {type(value).__name__}"):
        to_json(value)


def test_a_schema_describes_the_fields_and_those_of_the_rows() -> None:
    assert schema_of(Receipt) == {
        "type": "object",
        "properties": {
            "lines": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string"},
                        "amount": {"type": "number"},
                        "day": {"anyOf": [{"format": "date", "type": "string"}, {"type": "null"}]},
                    },
                },
            },
            "totals": {"type": "object"},
        },
    }


def test_what_lies_deeper_is_named_and_not_described() -> None:
    assert schema_of(Book)["properties"] == {
        "cover": {"type": ["object", "null"]},
        "receipts": {
            "type": "array",
            "items": {"type": "object", "properties": {"lines": {"type": "array"}, "totals": {"type": "object"}}},
        },
    }
