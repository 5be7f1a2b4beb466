"""Clients that others wrote ask what the fastmcp client asks, and get the same answer."""

import json
from typing import Any

import pytest
from agents import Agent as OpenAIAgent
from agents import RunContextWrapper
from agents.mcp import MCPServerStreamableHttp, MCPUtil
from fastmcp import Client
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from tests.conformance.conftest import TOKEN, run
from tests.e2e.conftest import Server

TOOL = "get_store_performance"
ASKED = {"period": "last_month"}
WRONG = {"period": "sometime"}


def told(content: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """What an answer tells, whether it was kept or worked out."""
    return {name: value for name, value in content.items() if name not in {"cached", "as_of"}}


@pytest.fixture
async def expected(server: Server) -> dict[str, Any]:
    async with Client(server.url, auth=TOKEN) as client:
        return told((await client.call_tool(TOOL, ASKED)).structured_content)


def inspect(server: Server, *arguments: str) -> Any:  # noqa: ANN401 - JSON
    done = run(
        "mcp-inspector",
        *("--cli", server.url, "--transport", "http", "--header", f"Authorization: Bearer {TOKEN}", *arguments),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_the_inspector_gets_the_same_answer(server: Server, expected: dict[str, Any]) -> None:
    answer = inspect(server, "--method", "tools/call", "--tool-name", TOOL, "--tool-arg", "period=last_month")

    assert told(answer["structuredContent"]) == expected


def test_the_inspector_finds_nothing_wrong_with_the_schemas_of_the_tools(server: Server) -> None:
    tools = inspect(server, "--method", "tools/list", "--strict")["tools"]

    assert TOOL in {tool["name"] for tool in tools}


def test_the_typescript_sdk_gets_the_same_answer(server: Server, expected: dict[str, Any]) -> None:
    done = run("client.mjs", server.url, TOKEN)

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert TOOL in said["tools"]
    assert told(said["answer"]["structuredContent"]) == expected
    assert said["refused"]["isError"] is True
    assert said["refused"]["content"][0]["text"].startswith("VALIDATION_ERROR")


async def test_an_agent_of_pydantic_ai_gets_the_same_answer(server: Server, expected: dict[str, Any]) -> None:
    def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        assert TOOL in {tool.name for tool in info.function_tools}
        returned = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
        return ModelResponse([TextPart(json.dumps(returned[0].content)) if returned else ToolCallPart(TOOL, ASKED)])

    toolset = MCPToolset[None](server.url, headers={"Authorization": f"Bearer {TOKEN}"})
    async with Agent(FunctionModel(model), toolsets=[toolset]) as agent:
        said = json.loads((await agent.run("How was last month?")).output)

    assert told(said) == expected


async def test_an_agent_of_openai_gets_the_same_answer(server: Server, expected: dict[str, Any]) -> None:
    async with MCPServerStreamableHttp(
        {"url": server.url, "headers": {"Authorization": f"Bearer {TOKEN}"}}, client_session_timeout_seconds=60
    ) as session:
        offered = await MCPUtil.get_all_function_tools(
            [session],
            convert_schemas_to_strict=True,
            run_context=RunContextWrapper(None),
            agent=OpenAIAgent(name="analyst", mcp_servers=[session]),
        )
        answer = await session.call_tool(TOOL, ASKED)
        refused = await session.call_tool(TOOL, WRONG)

    assert TOOL in {tool.name for tool in offered}
    assert told(answer.structured_content) == expected
    assert refused.is_error is True


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_the_client_of_fastmcp_gets_the_same_answer_in_both_eras(
    server: Server,
    expected: dict[str, Any],
    era: Any,  # noqa: ANN401 - a word of fastmcp's
) -> None:
    async with Client(server.url, auth=TOKEN, mode=era) as client:
        assert told((await client.call_tool(TOOL, ASKED)).structured_content) == expected
