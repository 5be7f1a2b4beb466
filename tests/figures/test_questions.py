"""What managers ask in a week: a real client asks the real server, and each figure is that of hand-written SQL.

The SQL is run as the owner of the tables, who sees every row, so it names the stores that its figures are of. Nothing
of the program takes part: not the row policies, nor the definitions of metrics, nor what a period's name means.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import pytest
from psycopg.rows import tuple_row

from tests.e2e.conftest import Server
from tests.e2e.test_answers import Owner, as_owner, over_http
from zava.core.analysis import DIMENSIONS
from zava.core.metrics import ANALYSIS_METRICS
from zava.demo.personas import PERSONAS

Figure: TypeAlias = Decimal | str | bool | None
Days: TypeAlias = tuple[date, date]

GOVERNED = {
    "get_store_performance",
    "analyze_sales",
    "check_inventory",
    "find_order",
    "find_related_products",
    "semantic_search_products",
    "compare_stores",
}
TABLES = {
    f"retail.{name}"
    for name in (
        "stores orders order_items returns store_targets customer_records products product_types categories inventory"
    ).split()
}
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class AskedQuestion:
    """A question as a manager asks it, how a tool answers it, and how the tables do.

    Attributes:
        persona: token of who asks.
        figures: where the figures are in the structured answer: a path for each column of the SQL, such as
            rows.*.revenue, where * is each item of a list.
        sql: lines. Its parameters are today, first_day and last_day of the period that is asked for, and
            previous_first_day and previous_last_day of the comparable one before.
    """

    persona: str
    question: str
    tool: str
    arguments: dict[str, Any]
    figures: list[str]
    sql: list[str]


QUESTIONS = [
    AskedQuestion(**json.loads(line))
    for line in (Path(__file__).parents[1] / "questions.jsonl").read_text(encoding="utf-8").splitlines()
]


def days_of(period: str, today: date) -> tuple[Days, Days | None]:
    """The days of a period up to today, and as many comparable ones before: worked out anew, by plain arithmetic."""
    yesterday, monday, first = today - ONE_DAY, today - timedelta(days=today.weekday()), today.replace(day=1)
    quarter = date(today.year, (today.month - 1) // 3 * 3 + 1, 1)
    before = months_before
    if period == "all_time":
        # Before any store was open.
        return (date(1900, 1, 1), today), None
    running = {
        "this_week": (monday, monday - timedelta(days=7)),
        "this_month": (first, before(first, 1)),
        "month_to_date": (first, before(first, 1)),
        "quarter_to_date": (quarter, before(quarter, 3)),
        "year_to_date": (date(today.year, 1, 1), date(today.year - 1, 1, 1)),
    }
    if period in running:
        start, start_before = running[period]
        return (start, today), (start_before, min(start_before + (today - start), start - ONE_DAY))
    plain = {
        "today": (today, today),
        "yesterday": (yesterday, yesterday),
        "last_week": (monday - timedelta(days=7), monday - ONE_DAY),
        "last_30_days": (today - timedelta(days=30), yesterday),
    }
    if period in plain or ".." in period:
        start, end = plain.get(period) or (date.fromisoformat(day) for day in period.split(".."))
        return (start, end), (start - (end - start) - ONE_DAY, start - ONE_DAY)
    if period == "last_month":
        start, months = before(first, 1), 1
    elif "-Q" in period:
        start, months = date(int(period[:4]), int(period[-1]) * 3 - 2, 1), 3
    elif "-" in period:
        start, months = date.fromisoformat(f"{period}-01"), 1
    else:
        start, months = date(int(period), 1, 1), 12
    end = before(start, -months) - ONE_DAY
    assert end < today, f"{period} is not over: as many days before it would have to be counted"
    return (start, end), (before(start, months), start - ONE_DAY)


def months_before(first: date, months: int) -> date:
    count = first.year * 12 + first.month - 1 - months
    return date(count // 12, count % 12 + 1, 1)


def parameters_of(asked: AskedQuestion) -> dict[str, date | None]:
    today = datetime.now(UTC).astimezone(ZoneInfo("America/Los_Angeles")).date()
    if "period" not in asked.arguments:
        return {"today": today}
    days, previous = days_of(asked.arguments["period"], today)
    return {
        "today": today,
        "first_day": days[0],
        "last_day": days[1],
        "previous_first_day": previous[0] if previous else None,
        "previous_last_day": previous[1] if previous else None,
    }


def plain(value: object) -> Figure:
    """A figure as either side says it."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, date):  # a moment too
        return value.isoformat()
    return Decimal(str(value))


def at(path: str, answer: Any) -> list[Figure]:  # noqa: ANN401 - JSON
    """What is there: one figure, or one for each item of a list."""
    found = [answer]
    for step in path.split("."):
        if step == "*":
            found = [item for items in found for item in items]
        else:
            found = [items[int(step)] if isinstance(items, list) else items[step] for items in found]
    return [plain(value) for value in found]


def answered(asked: AskedQuestion, answer: dict[str, Any]) -> list[tuple[Figure, ...]]:
    """The figures of an answer, row by row. Rows of a table get the names of its columns."""
    if "columns" in answer:
        names = [column["name"] for column in answer["columns"]]
        answer = answer | {"rows": [dict(zip(names, row, strict=True)) for row in answer["rows"]]}
    return list(zip(*(at(path, answer) for path in asked.figures), strict=True))


def by_hand(asked: AskedQuestion, owner: Owner) -> list[tuple[Figure, ...]]:
    with owner.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute("\n".join(asked.sql).encode(), parameters_of(asked)).fetchall()
    return [tuple(map(plain, row)) for row in rows]


@pytest.fixture(scope="module")
def owner(shop: Server) -> Iterator[Owner]:
    with as_owner(shop.data_dir) as connection:
        yield connection


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda asked: f"{asked.persona[5:]}: {asked.question}")
async def test_every_figure_is_that_of_the_tables(shop: Server, owner: Owner, asked: AskedQuestion) -> None:
    (persona,) = (one for one in PERSONAS if one.token == asked.persona)
    async with over_http(shop, persona) as asking:
        answer = await asking.call_tool(asked.tool, asked.arguments)
    assert answer.structured_content is not None
    assert answered(asked, answer.structured_content) == by_hand(asked, owner)


def test_hardly_any_question_has_nothing_for_an_answer(owner: Owner) -> None:
    """Figures that are all zero, or no rows at all, prove little: of a day or a week in a small shop, for example."""
    numbers = [[figure for row in by_hand(asked, owner) for figure in row if figure] for asked in QUESTIONS]
    assert sum(map(bool, numbers)) >= 0.9 * len(QUESTIONS)


async def test_what_the_document_shows_can_be_asked(shop: Server) -> None:
    document = (Path(__file__).parents[2] / "docs" / "questions.md").read_text(encoding="utf-8")
    shown = re.findall(r"\| `(\w+)` \| `(\{.+\})` \|", document)
    assert {tool for tool, _ in shown} == GOVERNED
    async with over_http(shop, PERSONAS[0]) as asking:
        for tool, arguments in shown:
            await asking.call_tool(tool, json.loads(arguments))


def test_managers_of_each_kind_ask() -> None:
    asking = Counter(asked.persona.split("-")[1] for asked in QUESTIONS)
    assert asking == {"store": 45, "region": 25, "head": 30}
    assert len({asked.question for asked in QUESTIONS}) == len(QUESTIONS) == 100


def test_hardly_any_question_needs_sql() -> None:
    tools = Counter(asked.tool for asked in QUESTIONS)
    assert set(tools) == GOVERNED | {"execute_sales_query"}
    assert sum(tools[tool] for tool in GOVERNED) >= 85


def test_every_metric_dimension_and_comparison_is_asked_for() -> None:
    analyses = [asked.arguments for asked in QUESTIONS if asked.tool == "analyze_sales"]

    def said(argument: str) -> set[str]:
        return {value for one in analyses for value in one.get(argument, ())}

    assert said("metrics") == set(ANALYSIS_METRICS)
    assert said("group_by") == set(DIMENSIONS)
    assert said("filters") == set(DIMENSIONS)
    assert {one.get("compare_to") for one in analyses} == {
        None,
        "previous_period",
        "previous_year",
        "previous_year_weekdays",
    }


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda asked: asked.question)
def test_the_sql_by_hand_reads_plain_tables_and_names_the_stores_of_who_asks(asked: AskedQuestion) -> None:
    text = "\n".join(asked.sql)
    assert set(re.findall(r"\bretail\.\w+", text)) <= TABLES
    assert "access." not in text
    (persona,) = (one for one in PERSONAS if one.token == asked.persona)
    if persona.stores:
        named = {store for one in PERSONAS for store in one.stores if f"'{store}'" in text}
        assert named
        assert named <= set(persona.stores)
