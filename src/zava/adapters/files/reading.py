"""Rows of files: CSV as RFC 4180 has it, or a JSON object on each line. UTF-8, with or without a byte order mark."""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import islice
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any, Self, TextIO

import pydantic
from pydantic.fields import FieldInfo

from zava.adapters.files.columns import Columns
from zava.adapters.files.models import FORMS, MODELS, RowModel
from zava.core.errors import SetupError
from zava.core.formulas import FORMULA
from zava.core.imports import Batch, Kind, Rejection, Row
from zava.core.ports import ImportFile

CSV, JSON_LINES = ".csv", ".jsonl"
FORMATS = (CSV, JSON_LINES)
BATCH = 20_000
# A longer line is no line of a table: a quote that is never closed, or another kind of file.
MOST_CHARACTERS = 1_000_000
# Of JSON, whose objects need not all have the same names.
HEADER_OBJECTS = 1_000
PREVIEW_ROWS = 3
MOST_SHOWN = 40
# Cells of a column whose check is remembered, and how long they may be.
MOST_REMEMBERED, LONGEST_REMEMBERED = 20_000, 50
OTHER_ENCODINGS = (b"\xff\xfe", b"\xfe\xff")

# pydantic's words where they would not tell what to do.
SENTENCES = {
    "missing": "is missing",
    "string_unicode": "is not UTF-8",
    "int_parsing": "is no whole number",
}


@dataclass(frozen=True, slots=True)
class Record:
    """A row as it stands in the file.

    Attributes:
        values: by column; None when the row cannot be read.
        problem: why it cannot be read, or is no row of this table.
    """

    line: int
    values: Mapping[str, Any] | None
    problem: str | None = None


@dataclass(frozen=True)
class ShopFile(ImportFile):
    """A file of rows of one kind.

    Attributes:
        path: ends in .csv or .jsonl.
        renamed: for a field, the name of its column where that is another.
        batch: rows in each.
    """

    path: Path
    of_kind: Kind
    renamed: Mapping[str, str]
    batch: int = BATCH

    @property
    def kind(self) -> Kind:
        return self.of_kind

    @property
    def model(self) -> type[RowModel]:
        return MODELS[self.kind]

    @cached_property
    def fingerprint(self) -> str:
        with self._readable(), self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        digest.update(repr((self.path.suffix, self.columns, self.model.model_json_schema())).encode())
        return digest.hexdigest()

    @cached_property
    def lines(self) -> int:
        with self._readable(), self.path.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))

    @cached_property
    def header(self) -> Sequence[str]:
        """Names of the columns, as the file has them."""
        if self.path.suffix == CSV:
            with self._rows() as rows:
                return list(next(rows, []))
        objects = (record.values for record in islice(self.records(), HEADER_OBJECTS) if record.values)
        return list(dict.fromkeys(name for values in objects for name in values))

    @cached_property
    def columns(self) -> Columns:
        """Which column is which field.

        Raises:
            SetupError: the file has no rows, or not the columns that it should have.
        """
        if not self.header:
            raise SetupError(
                f"{self.path} has nothing in it. {'Its first line' if self.path.suffix == CSV else 'Each line'} must "
                f"name the fields: {', '.join(self.model.model_fields)}."
            )
        try:
            return Columns.of(self.header, self.model, self.renamed)
        except SetupError as error:
            hint = " Columns are separated by commas." if len(self.header) == 1 and self.path.suffix == CSV else ""
            raise SetupError(f"{self.path}: {error}{hint}") from None

    def preview(self) -> Sequence[Mapping[str, str]]:
        """The first rows that can be read, by column."""
        readable = (record.values for record in self.records() if record.values)
        return [{name: _shown(value) for name, value in values.items()} for values in islice(readable, PREVIEW_ROWS)]

    def records(self) -> Iterator[Record]:
        """Each row, as it stands there. Lines without anything are none."""
        if self.path.suffix != CSV:
            return self._json_records()
        return (self._record(line, cells, problem) for line, cells, problem in self._csv_rows())

    def batches(self, after: int) -> Iterator[Batch]:
        rows: list[Row] = []
        rejections: list[Rejection] = []
        line = after
        for line, checked in self._checked(after):
            if isinstance(checked, Rejection):
                rejections.append(checked)
            else:
                rows.append(checked)
            if len(rows) + len(rejections) == self.batch:
                yield Batch(rows, rejections, line)
                rows, rejections = [], []
        if rows or rejections:
            yield Batch(rows, rejections, line)

    def _checked(self, after: int) -> Iterator[tuple[int, Row | Rejection]]:
        """Each row after this line, as it goes into the shop, or why it does not."""
        check = Check(self.model, self.columns, spreadsheet=self.path.suffix == CSV)
        if self.path.suffix != CSV:
            for record in self.records():
                if record.line > after:
                    yield record.line, check(record)
            return
        known_cells = _KnownCells.of(self.model, self.columns, self.header)
        for line, cells, problem in self._csv_rows():
            if line <= after:
                continue
            row = known_cells(cells) if known_cells and cells and not problem else None
            yield line, (line, *row) if row else check(self._record(line, cells, problem))

    def _record(self, line: int, cells: Sequence[str] | None, problem: str | None) -> Record:
        return Record(line, None if cells is None else dict(zip(self.header, cells, strict=False)), problem)

    def _csv_rows(self) -> Iterator[tuple[int, Sequence[str] | None, str | None]]:
        """Of each row its line, its cells, and what keeps it from being one of this table."""
        with self._rows() as rows:
            width = len(next(rows, []))
            line = rows.line_num
            while True:
                begins = line + 1
                try:
                    row = next(rows, None)
                except csv.Error as error:
                    line = rows.line_num
                    yield begins, None, f"the row cannot be read ({error}); is a quote never closed?"
                    continue
                line = rows.line_num
                if row is None:
                    return
                if not row:
                    continue
                if len(row) == width:
                    yield begins, row, None
                else:
                    yield begins, row, f"the row has {len(row)} columns, and the first line {width}"

    def _json_records(self) -> Iterator[Record]:
        with self._open() as file:
            for number, line in enumerate(self._lines(file), 1):
                if not line.strip():
                    continue
                try:
                    values = json.loads(line, parse_float=Decimal, parse_constant=_refuse)
                except (ValueError, RecursionError) as error:
                    yield Record(number, None, f"the line is no JSON object ({error})")
                    continue
                if isinstance(values, dict):
                    yield Record(number, values)
                else:
                    yield Record(number, None, "the line is no JSON object")

    @contextmanager
    def _rows(self) -> Iterator[Any]:
        with self._open() as file:
            yield csv.reader(self._lines(file), strict=True)

    @contextmanager
    def _open(self) -> Iterator[TextIO]:
        with self._readable():
            with self.path.open("rb") as beginning:
                if beginning.read(2) in OTHER_ENCODINGS:
                    raise SetupError(f"{self.path} is UTF-16. Save it as UTF-8, and import that.")
            # What is no UTF-8 is refused with its row, and not with the file.
            with self.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
                yield file

    def _lines(self, file: TextIO) -> Iterator[str]:
        number = 0
        while line := file.readline(MOST_CHARACTERS):
            number += 1
            if len(line) == MOST_CHARACTERS:
                raise SetupError(
                    f"{self.path} cannot be read: line {number} is longer than {MOST_CHARACTERS:,} characters."
                )
            yield line

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SetupError(f"{self.path} cannot be read: {error.strerror}.") from None


class Check:
    """Makes a row of a record, or a rejection."""

    def __init__(self, model: type[RowModel], columns: Columns, *, spreadsheet: bool) -> None:
        self._validate: Callable[[Mapping[str, Any]], RowModel] = model.__pydantic_validator__.validate_python
        self._values = attrgetter(*model.model_fields)
        self._sources = list(columns.sources.items())
        self._columns = columns.sources
        self._known = {*columns.sources.values(), *columns.ignored}
        self._clearable = [(field, name) for field, name in self._sources if field in model.clearable]
        self._of_an_order = model is MODELS["orders"]
        self._spreadsheet = spreadsheet

    def __call__(self, record: Record) -> Row | Rejection:
        problem = record.problem
        values = self._fields(record.values or {})
        if problem is None and record.values is not None and not self._spreadsheet:
            strange = [name for name in record.values if name not in self._known]
            problem = f"there is no field {strange[0]!r}" if strange else None
        if problem is None:
            try:
                return (record.line, *self._values(self._validate(values)))
            except pydantic.ValidationError as error:
                problem = "; ".join(self._sentence(dict(one)) for one in error.errors(include_url=False))
        return Rejection(record.line, problem, self._order(values))

    def _fields(self, values: Mapping[str, Any]) -> dict[str, Any]:
        if not self._spreadsheet:
            return {field: values[name] for field, name in self._sources if values.get(name) is not None}
        return {
            field: plain_text(value) if value[0] == "'" else value
            for field, name in self._sources
            if (value := values.get(name))
        } | {field: "" for field, name in self._clearable if values.get(name) == ""}

    def _order(self, values: Mapping[str, Any]) -> tuple[str, str] | None:
        if not self._of_an_order or "store" not in values or "order_number" not in values:
            return None
        return _storable(values["store"]), _storable(values["order_number"])

    def _sentence(self, problem: Mapping[str, Any]) -> str:
        said = SENTENCES.get(problem["type"]) or FORMS.get(problem.get("ctx", {}).get("pattern"))
        said = said or str(problem["msg"]).removeprefix("Value error, ")
        if not problem["loc"]:
            return said
        field = str(problem["loc"][0])
        given = f" (it is {_shown(problem['input'])!r})" if problem["type"] != "missing" else ""
        return f"{self._columns.get(field, field)}: {said[0].lower()}{said[1:]}{given}"


class _Cells(dict[str, object]):
    """What the cells of a column become. Most of them say what another has said before, and need no second check."""

    def __init__(self, field: FieldInfo, config: pydantic.ConfigDict, *, clearable: bool) -> None:
        super().__init__()
        adapter: pydantic.TypeAdapter[object] = pydantic.TypeAdapter(field.rebuild_annotation(), config=config)
        self._validate = adapter.validate_python
        self._clearable = clearable

    def __missing__(self, cell: str) -> object:
        text = plain_text(cell) if cell.startswith("'") else cell
        value = self._validate(text if text or self._clearable else None)
        if len(cell) <= LONGEST_REMEMBERED:
            if len(self) >= MOST_REMEMBERED:
                self.clear()
            self[cell] = value
        return value


class _KnownCells:
    """Makes a row of cells, one by one, in half the time that it takes to check the row as a whole."""

    def __init__(self, model: type[RowModel], columns: Columns, header: Sequence[str]) -> None:
        fields = list(model.model_fields)
        present = [field for field in fields if field in columns.sources]
        self._places = [
            (
                _Cells(model.model_fields[field], model.model_config, clearable=field in model.clearable),
                header.index(columns.sources[field]),
            )
            for field in present
        ]
        # Fields that the file does not have are the last one, which is None.
        self._arrange = itemgetter(*[present.index(field) if field in present else -1 for field in fields])

    @classmethod
    def of(cls, model: type[RowModel], columns: Columns, header: Sequence[str]) -> Self | None:
        """None when cells that are right each do not make a row that is right."""
        return None if model.__pydantic_decorators__.model_validators else cls(model, columns, header)

    def __call__(self, cells: Sequence[str]) -> tuple[object, ...] | None:
        """The values of the row; None when it has to be looked at as a whole, since some cell is wrong."""
        try:
            values = [known[cells[place]] for known, place in self._places]
        except pydantic.ValidationError:
            return None
        values.append(None)
        row: tuple[object, ...] = self._arrange(values)
        return row


def plain_text(cell: str) -> str:
    """A text of a spreadsheet without the apostrophe that keeps it from being a formula."""
    return cell[1:] if cell.lstrip("'").startswith(FORMULA) else cell


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _shown(value: object) -> str:
    """A value as it may be printed, and kept in a database."""
    text = _storable(value)
    return f"{text[:MOST_SHOWN]}…" if len(text) > MOST_SHOWN else text


def _storable(value: object) -> str:
    """A text with what is no UTF-8, and NUL, written as escapes."""
    return str(value).strip().replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
