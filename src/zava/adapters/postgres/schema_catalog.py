"""Which tables questions may use, from PostgreSQL's own catalogs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zava.adapters.postgres.sessions import Answers, PrincipalSessions, Question
from zava.core.model import ColumnSchema, Principal, Relationship, TableSchema
from zava.core.ports import SchemaCatalog

MOST_VALUES = 50


@dataclass(frozen=True, slots=True)
class TableRow:
    name: str
    comment: str | None
    query_hint: str | None


@dataclass(frozen=True, slots=True)
class ColumnRow:
    table_name: str
    name: str
    type: str
    required: bool
    comment: str | None
    valid_values: list[str] | None


@dataclass(frozen=True, slots=True)
class ConstraintRow:
    table_name: str
    columns: list[str]
    referenced_table: str | None
    referenced_columns: list[str]


@dataclass(frozen=True, slots=True)
class ValuesRow:
    table_name: str
    column_name: str
    valid_values: list[str] | None


TABLES = Question.load("schema_tables", TableRow)
COLUMNS = Question.load("schema_columns", ColumnRow)
CONSTRAINTS = Question.load("schema_constraints", ConstraintRow)
VALUES = Question.load("schema_values", ValuesRow)


@dataclass(frozen=True)
class PostgresSchemaCatalog(SchemaCatalog):
    """Reads comments, keys and constraints, and the principal's own values."""

    sessions: PrincipalSessions

    async def tables(self, principal: Principal) -> Sequence[TableSchema]:
        answers = await self.sessions.ask(principal, {}, TABLES, COLUMNS, CONSTRAINTS, VALUES)
        values = {(row.table_name, row.column_name): row.valid_values for row in answers[VALUES]}
        return tuple(_table(table, answers, values) for table in answers[TABLES])


def _table(table: TableRow, answers: Answers, values: Mapping[tuple[str, str], list[str] | None]) -> TableSchema:
    constraints = [row for row in answers[CONSTRAINTS] if row.table_name == table.name]
    return TableSchema(
        name=table.name,
        comment=table.comment,
        query_hint=table.query_hint,
        columns=tuple(
            _column(row, row.valid_values or values.get((row.table_name, row.name)))
            for row in answers[COLUMNS]
            if row.table_name == table.name
        ),
        keys=tuple(tuple(row.columns) for row in constraints if row.referenced_table is None),
        relationships=tuple(
            Relationship(tuple(row.columns), row.referenced_table, tuple(row.referenced_columns))
            for row in constraints
            if row.referenced_table is not None
        ),
    )


def _column(row: ColumnRow, valid_values: list[str] | None) -> ColumnSchema:
    return ColumnSchema(
        name=row.name,
        type=row.type,
        required=row.required,
        comment=row.comment,
        valid_values=tuple(valid_values[:MOST_VALUES]) if valid_values else None,
    )
