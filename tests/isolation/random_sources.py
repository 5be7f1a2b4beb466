"""What random queries read from, and the literals they compare it with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.isolation.boundary_shop import STORES
from tests.isolation.readable_tables import Columns, Kind
from tests.tiny_shop import identify

LITERALS: Mapping[Kind, Sequence[str]] = {
    "uuid": [f"uuid '{identify(name)}'" for name in ("Kent 1", "customer 3", "Hammers 0", *(s.name for s in STORES))],
    "integer": ["0", "1", "2", "3", "5", "7", "12", "40", "100"],
    "numeric": ["0.0", "9.99", "20.00", "100.5", "1000.0"],
    "text": [f"text '{text}'" for text in ("Kent", "South Sound", "completed", "1", "4***", "Wall paint", "A", "")],
    "date": [f"date '{day}'" for day in ("2025-11-01", "2025-12-31", "2026-01-01", "2026-02-15", "2026-04-01")],
    "timestamptz": [f"timestamptz '{day} 08:00+00'" for day in ("2025-11-15", "2026-01-01", "2026-03-01")],
    "boolean": ["true", "false"],
}
# How often each kind is written, of those at hand.
WEIGHTS: Mapping[Kind, int] = {
    "uuid": 2,
    "integer": 4,
    "numeric": 4,
    "text": 3,
    "date": 3,
    "timestamptz": 1,
    "boolean": 1,
}


@dataclass(frozen=True)
class Source:
    """Something in a FROM clause.

    Attributes:
        key: columns that no two of its rows share; None when nobody knows.
        table: the table that it is, if it is one.
    """

    alias: str
    columns: Columns
    key: tuple[str, ...] | None = None
    table: str = ""

    def names(self, kind: Kind) -> list[str]:
        """Its columns of this kind, as they are written."""
        return [f"{self.alias}.{name}" for name, its_kind in self.columns.items() if its_kind == kind]


Scope = Sequence[Source]


def names(scope: Scope, kind: Kind) -> list[str]:
    return [name for source in scope for name in source.names(kind)]


def total_order(scope: Scope) -> str | None:
    """Orders rows so that no two are level; None when it is not known how."""
    keys = [f"{source.alias}.{name}" for source in scope for name in source.key or ()]
    return ", ".join(keys) if all(source.key for source in scope) else None


def links(scope: Scope, inner: Source) -> list[tuple[str, str]]:
    """The columns by which a source can be joined to others: those of one name and kind, moments left out."""
    return [
        (f"{outer.alias}.{name}", f"{inner.alias}.{name}")
        for outer in scope
        for name, kind in inner.columns.items()
        if outer.columns.get(name) == kind and name not in ("created_at", "updated_at", "name")
    ]
