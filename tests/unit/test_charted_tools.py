"""The argument "chart" as a client sees it: a picture besides the answer, or a sentence instead of one."""

import base64
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.client import CallToolResult
from mcp_types import ImageContent, TextContent

from tests import tiny_shop
from tests.fakes import FakeCharts
from tests.unit.test_tools import retail_tools, server_for
from zava.core.errors import ChartError

QUESTIONS: dict[str, dict[str, Any]] = {
    "get_store_performance": {"period": "2026-03"},
    "analyze_sales": {"metrics": ["revenue"], "group_by": ["category"], "period": "2026-03"},
    "compare_stores": {"period": "2025-07"},
}
EVERY_TOOL = pytest.mark.parametrize("tool", QUESTIONS)


async def ask(charts: FakeCharts, tool: str, **others: Any) -> CallToolResult:  # noqa: ANN401 - any argument
    async with Client(server_for(tiny_shop.HEAD_OFFICE, charts)) as client:
        result: CallToolResult = await client.call_tool(tool, QUESTIONS[tool] | others, raise_on_error=False)
    return result


def text_of(result: CallToolResult) -> str:
    (text,) = (block.text for block in result.content if isinstance(block, TextContent))
    return text


@EVERY_TOOL
async def test_a_chart_is_a_picture_besides_the_same_answer(tool: str) -> None:
    charts = FakeCharts()
    plain, drawn = await ask(charts, tool), await ask(charts, tool, chart=True)
    assert len(charts.drawn) == 1
    alt = charts.drawn[0].alt
    assert drawn.structured_content == plain.structured_content
    assert text_of(drawn) == f'{text_of(plain)}\nChart, shown: "{alt}"'
    _, image = drawn.content
    assert isinstance(image, ImageContent)
    assert (image.mime_type, base64.b64decode(image.data)) == ("image/png", b"\x89PNG")
    assert image.meta == {"zava/alt": alt}
    assert drawn.meta is not None
    assert drawn.meta["zava/chart"] == {"description": alt}


@EVERY_TOOL
@pytest.mark.parametrize("others", [{}, {"chart": False}])
async def test_nothing_is_drawn_unless_asked_for(tool: str, others: dict[str, bool]) -> None:
    charts = FakeCharts()
    result = await ask(charts, tool, **others)
    assert charts.drawn == []
    assert [block.type for block in result.content] == ["text"]
    assert "zava/chart" not in (result.meta or {})


@EVERY_TOOL
async def test_where_nothing_draws_the_answer_stands_with_a_sentence(tool: str) -> None:
    missing = FakeCharts(failure=ChartError("vl_convert is not installed"))
    plain, drawn = await ask(missing, tool), await ask(missing, tool, chart=True)
    assert not drawn.is_error
    assert drawn.structured_content == plain.structured_content
    assert text_of(drawn) == f"{text_of(plain)}\nNo chart: vl_convert is not installed."
    assert len(drawn.content) == 1


async def test_an_answer_that_is_no_chart_says_what_to_ask_instead() -> None:
    result = await ask(FakeCharts(), "analyze_sales", group_by=["day"], period="all_time", limit=1, chart=True)
    assert not result.is_error
    assert "would mislead; ask again with limit" in text_of(result)


async def test_a_chart_is_true_or_false() -> None:
    result = await ask(FakeCharts(), "analyze_sales", chart="bars")
    assert result.is_error
    assert text_of(result).startswith("VALIDATION_ERROR: Validation failed for chart:")


async def test_other_tools_take_no_chart() -> None:
    async with Client(server_for()) as client:
        tools = await client.list_tools()
    assert [tool.name for tool in tools if "chart" in tool.input_schema["properties"]] == list(QUESTIONS)


@EVERY_TOOL
async def test_who_asks_for_the_result_alone_may_leave_the_chart_in_the_question(tool: str) -> None:
    charts = FakeCharts()
    (spec,) = [spec for spec in retail_tools(charts).specs() if spec.name == tool]
    person = tiny_shop.HEAD_OFFICE.principal
    questions = [spec.check(QUESTIONS[tool] | {"chart": chart}) for chart in (True, False)]
    drawn, plain = [await spec.result(person, question) for question in questions]
    assert drawn == plain
    assert charts.drawn == []
