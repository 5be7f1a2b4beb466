"""What is imported into a shop and exported from it: kinds of rows, what is wrong with some, what became of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

Kind = Literal["business", "stores", "products", "customers", "orders", "returns", "inventory", "targets"]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""Each after those that its rows refer to."""

Row: TypeAlias = tuple[object, ...]
Report: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, and how much of how much."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that cannot be imported.

    Attributes:
        line: of the file, counted from 1, where the row begins.
        reason: a sentence about the row, with the file's own names of columns.
        order: store and number of the order whose line this is: an order goes in whole, or not at all.
    """

    line: int
    reason: str
    order: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a file, in their order.

    Attributes:
        rows: each begins with its line; the rest are values in the order of the file's fields.
        rejections: rows that are not well formed.
        line: up to which the file is read with this batch.
    """

    rows: Sequence[Row]
    rejections: Sequence[Rejection]
    line: int


@dataclass(frozen=True)
class Imported:
    """What became of a file.

    Attributes:
        rows: that the file has, rejected ones included.
        new, changed, removed: rows of the shop. Lines are counted with their orders.
        kept: rows that the file does not have any more and that cannot go, since others refer to them.
        rejections: in the order of the file.
    """

    rows: int
    new: int = 0
    changed: int = 0
    removed: int = 0
    kept: int = 0
    rejections: Sequence[Rejection] = field(default=())


@dataclass(frozen=True)
class ImportResult:
    """What became of all files.

    Attributes:
        files: by kind.
        applied: whether the shop is changed; False when rows were rejected, or nothing but a trial was asked for.
        removed_nothing: rows that are missing in the files stay, since rejected ones may be among them.
    """

    files: Mapping[Kind, Imported]
    applied: bool
    removed_nothing: bool = False
