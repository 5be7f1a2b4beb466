"""Tabular answers as CSV: the link that comes with an answer, and the file when it is read."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any

from fastmcp.resources import Resource, ResourceContent, ResourceResult

from zava.adapters.mcp.pipeline import Link, Remembered, ToolSpec
from zava.adapters.mcp.questions import REFUSAL, Arguments, SignedQuestions
from zava.adapters.mcp.refusals import answer_or_refuse
from zava.adapters.mcp.resources import PipelineResource, PipelineTemplate
from zava.adapters.mcp.schemas import to_json
from zava.core.errors import NotFoundError, ValidationError
from zava.core.fairness import Work
from zava.core.formulas import FORMULA
from zava.core.model import MOST_FILE_ROWS, Principal
from zava.core.threads import in_thread
from zava.core.use_cases.check_inventory import InventoryCheck, ProductAtRisk

CSV_URI = "zava://csv/{question}"
CSV_TYPE = "text/csv"
# One row is read faster than a file is opened.
LEAST_ROWS = 2
# The tools whose answers are tables, and what is asked of them for a file in place of what was asked for an answer.
TABULAR: dict[str, Arguments] = {
    "analyze_sales": {"limit": MOST_FILE_ROWS},
    "compare_stores": {},
    "check_inventory": {"max_rows": MOST_FILE_ROWS},
    "execute_sales_query": {},
}


@dataclass(frozen=True, slots=True)
class Table:
    """An answer in columns and rows; cut says whether there are more."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    cut: bool

    @classmethod
    def of(cls, result: Any) -> "Table":  # noqa: ANN401 - of any tabular tool
        if isinstance(result, InventoryCheck):
            columns = [field.name for field in fields(ProductAtRisk)]
            rows = [[getattr(product, name) for name in columns] for product in result.products]
            return cls(columns, rows, cut=False)
        return cls([column.name for column in result.columns], result.rows, cut=getattr(result, "cut", False))


def is_table(tool: str, result: Any) -> bool:  # noqa: ANN401 - of any tool
    """Whether this answer is a table, and more than a row of one."""
    if isinstance(result, Remembered):
        return result.is_table
    if tool not in TABULAR:
        return False
    table = Table.of(result)
    return len(table.rows) >= LEAST_ROWS or table.cut


@dataclass(frozen=True, slots=True)
class CsvFile:
    """An answer as CSV; note says so when rows are missing."""

    text: str
    rows: int
    note: str | None


@dataclass(frozen=True)
class CsvFiles:
    """Links to files, and the files. A question is asked again by whoever reads, so that it is never out of date.

    Attributes:
        tools: those whose answers are tables, with the limits of files.
        questions: signs what a link asks.
    """

    tools: Sequence[ToolSpec[Any]]
    questions: SignedQuestions

    def link(self, principal: Principal, tool: str, arguments: Arguments, result: Any) -> Link | None:  # noqa: ANN401
        """Where this answer is to be had as a file; None for an answer that is no table, or hardly one."""
        if not is_table(tool, result):
            return None
        asked = {name: value for name, value in arguments.items() if name not in TABULAR[tool]}
        token = self.questions.sign(principal, tool, asked)
        if token is None:
            return None
        return Link(CSV_URI.format(question=token), f"{tool}.csv", "All rows as CSV, for an hour", CSV_TYPE)

    async def csv(self, principal: Principal, question: str) -> CsvFile:
        """All rows of an answer, up to 100,000, as CSV. The link comes with the answer, for whoever asked."""
        spec, arguments = self._asked(principal, question)
        try:
            checked = spec.check(arguments)
        except ValidationError:
            raise NotFoundError(REFUSAL) from None
        table = Table.of(await spec.result(principal, {**checked, **TABULAR[spec.name]}))
        # It takes seconds, for which others must not wait.
        text = await in_thread(lambda: csv_text(table.columns, table.rows))
        note = f"Cut short: these are {len(table.rows):,} rows, and there are more." if table.cut else None
        return CsvFile(text, len(table.rows), note)

    def scope_of(self, principal: Principal, arguments: Arguments) -> str | None:
        """What one needs to read a file: what the tool needs whose answer it is."""
        return self._asked(principal, arguments["question"])[0].scope

    def spec(self) -> ToolSpec[CsvFile]:
        """All files, as the pipeline takes them."""
        return ToolSpec(
            self.csv,
            title="Answer as CSV",
            scope_of=self.scope_of,
            text=lambda file: file.text,
            sql=self._query,
            work=Work.FILE,
        )

    def _query(self, principal: Principal, arguments: Arguments) -> str | None:
        """The free SQL of which a file is asked."""
        try:
            spec, asked = self._asked(principal, str(arguments.get("question")))
        except NotFoundError:
            return None
        return spec.query(principal, asked)

    def _asked(self, principal: Principal, question: str) -> tuple[ToolSpec[Any], Arguments]:
        """The tool that the link asks, and the arguments."""
        tool, arguments = self.questions.open(principal, question)
        spec = next((spec for spec in self.tools if spec.name == tool and tool in TABULAR), None)
        if spec is None:
            raise NotFoundError(REFUSAL)
        return spec, arguments


def csv_text(columns: Iterable[str], rows: Iterable[Sequence[object]]) -> str:
    """The table as RFC 4180 has it, names of columns first. Numbers as they are, dates as ISO 8601, nothing for NULL.

    Texts that a spreadsheet would take for a formula have an apostrophe in front.
    """
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(map(_cell, columns))
    writer.writerows(map(_cell, row) for row in rows)
    return written.getvalue()


def _cell(value: object) -> str:
    match value:
        case None:
            written = ""
        case str():
            written = f"'{value}" if value.startswith(FORMULA) else value
        case Decimal():
            written = f"{value:f}"
        case date():
            written = value.isoformat()
        case bool() | dict() | list():
            written = json.dumps(to_json(value), ensure_ascii=False, separators=(",", ":"))
        case _:
            written = str(value)
    return written


class CsvResource(PipelineResource):
    """A file whose listing is FastMCP's affair and whose making is the pipeline's."""

    async def read(self) -> ResourceResult:
        file = (await answer_or_refuse(self._pipeline, self._spec, self._arguments, uri=str(self.uri))).result
        contents = [ResourceContent(file.text, CSV_TYPE)]
        if file.note:
            contents.append(ResourceContent(file.note, "text/plain"))
        return ResourceResult(contents)


class CsvTemplate(PipelineTemplate):
    """All files, by what their links ask."""

    async def create_resource(self, uri: str, params: dict[str, Any]) -> Resource:
        return CsvResource.of(uri, self._spec, self._pipeline, params, CSV_TYPE)
