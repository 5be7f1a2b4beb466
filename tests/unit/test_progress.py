"""Whoever asked to be told is told that the work goes on, and nobody is told anything untrue."""

import asyncio
import gc
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import pytest
from fastmcp import Client, FastMCP
from fastmcp.exceptions import ToolError
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from tests.callers import always
from zava.adapters.mcp.pipeline import Answer, Failure, Pipeline, ToolSpec
from zava.adapters.mcp.progress import REPORT_EVERY
from zava.adapters.mcp.progress_streams import MOST_BYTES, ProgressStreams
from zava.adapters.mcp.server import build_server
from zava.core.model import Principal

ADA = Principal(UUID(int=1), "Ada")
# In place of two seconds.
EVERY = 0.05


@dataclass(frozen=True)
class Nap:
    """How long it took."""

    seconds: float


async def nap(principal: Principal, seconds: float) -> Nap:  # noqa: ARG001
    """Sleeps."""
    await asyncio.sleep(seconds)
    return Nap(seconds)


async def short_nap(principal: Principal) -> str:  # noqa: ARG001
    """Sleeps for a moment."""
    await asyncio.sleep(0.4)
    return "slept"


NAP = ToolSpec(nap, title="Nap", text=str)
SHORT_NAP = ToolSpec(short_nap, title="Short nap", text=str)
TOKEN = {"progressToken": "mine"}


class Reports:
    """What was reported."""

    def __init__(self, *, failing: bool = False, slow: bool = False) -> None:
        self.heard: list[tuple[float, str]] = []
        self.failing = failing
        self.slow = slow
        self.first = asyncio.Event()

    async def __call__(self, seconds: float, message: str) -> None:
        self.heard.append((seconds, message))
        self.first.set()
        if self.failing:
            raise ConnectionError("the client has gone away")
        if self.slow:
            await asyncio.sleep(60)


def server(*, every: float = EVERY, timeout: float = 5) -> FastMCP:
    return build_server(
        [NAP],
        Pipeline(always(ADA), timeout=timeout, report_every=every),
        resources={"zava://nap": SHORT_NAP},
        prompts=[SHORT_NAP],
        auth=None,
        version="0.0.0",
    )


async def call(reports: Reports, seconds: float, *, timeout: float = 5) -> Answer[Nap] | Failure:  # noqa: ASYNC109
    pipeline = Pipeline(always(ADA), timeout=timeout, report=reports, report_every=EVERY)
    outcome = await pipeline.call(NAP, {"seconds": seconds})
    told = len(reports.heard)
    await asyncio.sleep(2 * EVERY)
    assert len(reports.heard) == told, "after the answer there is nothing to report"
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    return outcome


def test_the_first_word_comes_after_two_seconds() -> None:
    assert REPORT_EVERY == 2


async def test_a_quick_call_reports_nothing() -> None:
    reports = Reports()
    assert isinstance(await call(reports, 0), Answer)
    assert reports.heard == []


async def test_a_slow_call_reports_again_and_again_for_how_long_it_has_been_at_work() -> None:
    reports = Reports()
    assert isinstance(await call(reports, 1.2), Answer)
    seconds = [seconds for seconds, _ in reports.heard]
    assert len(seconds) >= 3
    assert seconds == sorted(seconds)
    assert seconds[-1] <= 1.3
    assert reports.heard[-1][1] == f"still working, {seconds[-1]:.0f} s"


async def test_a_call_that_fails_has_reported_until_then() -> None:
    reports = Reports()
    outcome = await call(reports, 60, timeout=0.3)
    assert isinstance(outcome, Failure)
    assert outcome.code == "QUERY_TIMEOUT"
    assert reports.heard


async def test_a_call_that_is_cancelled_reports_no_more() -> None:
    reports = Reports()
    task = asyncio.create_task(call(reports, 60))
    await reports.first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    told = len(reports.heard)
    await asyncio.sleep(2 * EVERY)
    assert len(reports.heard) == told


async def test_a_report_that_fails_does_not_fail_the_call(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reports = Reports(failing=True)
    assert isinstance(await call(reports, 0.3), Answer)
    assert len(reports.heard) == 1
    # asyncio speaks of an error that nobody has looked at when its task is thrown away.
    gc.collect()
    assert caplog.records == []


async def test_a_report_that_nobody_takes_does_not_delay_the_answer() -> None:
    reports = Reports(slow=True)
    async with asyncio.timeout(3):
        assert isinstance(await call(reports, 0.3), Answer)
    assert len(reports.heard) == 1


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_that_asks_hears_of_a_slow_call(mode: str) -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with Client(server(), mode=mode, progress_handler=hear) as client:
        await client.call_tool("nap", {"seconds": 0})
        assert heard == []
        await client.call_tool("nap", {"seconds": 0.4})
    assert len(heard) >= 2
    # Nobody knows how much is left.
    assert {total for _, total, _ in heard} == {None}
    assert all(message == f"still working, {progress:.0f} s" for progress, _, message in heard)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_that_asks_hears_of_a_call_that_fails_too(mode: str) -> None:
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001
        heard.append(progress)

    async with Client(server(timeout=0.4), mode=mode, progress_handler=hear) as client:
        with pytest.raises(ToolError, match="QUERY_TIMEOUT"):
            await client.call_tool("nap", {"seconds": 60})
    assert heard


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize(
    ("method", "parameters"), [("resources/read", {"uri": "zava://nap"}), ("prompts/get", {"name": "short_nap"})]
)
def test_resources_and_prompts_report_as_tools_do(method: str, parameters: dict[str, str], era: str) -> None:
    about = {
        "io.modelcontextprotocol/protocolVersion": era,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**parameters, "_meta": about | TOKEN}}
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": era,
        "Mcp-Method": method,
        "Mcp-Name": next(iter(parameters.values())),
    }
    app = server().http_app(json_response=False, stateless_http=True)
    with TestClient(app, base_url="http://127.0.0.1:8000") as http:
        text = http.post("/mcp", json=message, headers=headers).text
    assert text.count("notifications/progress") >= 2
    assert "slept" in text


class Request:
    """A request that comes in pieces, and which application took it."""

    def __init__(self, *pieces: bytes, leaves: bool = False) -> None:
        self.messages: list[Message] = [
            {"type": "http.request", "body": piece, "more_body": leaves or number < len(pieces)}
            for number, piece in enumerate(pieces, 1)
        ]
        self.messages.append({"type": "http.disconnect"})
        self.sent = list(self.messages)
        self.taken: list[tuple[str, list[Message], int]] = []

    def app(self, name: str) -> "Taker":
        return Taker(name, self)

    async def receive(self) -> Message:
        return self.messages.pop(0)

    async def send(self, message: Message) -> None:
        raise AssertionError(message)

    async def lead(self, scope: Scope | None = None) -> tuple[str, int]:
        """Who took it, and how many of its messages had been read by then. Whoever it is gets all of them."""
        application = ProgressStreams(self.app("JSON"), self.app("stream"))
        await application(scope_of() if scope is None else scope, self.receive, self.send)
        ((name, messages, read),) = self.taken
        assert messages == self.sent
        return name, read


@dataclass(frozen=True)
class Taker:
    """An application that reads its request, and answers nothing."""

    name: str
    request: Request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        read = len(self.request.sent) - len(self.request.messages)
        messages = [await receive()]
        while messages[-1]["type"] != "http.disconnect":
            messages.append(await receive())
        self.request.taken.append((self.name, messages, read))


@dataclass(frozen=True)
class User:
    is_authenticated: bool


def scope_of(
    *, method: str = "POST", known: bool = True, accept: Sequence[str] = ("application/json, text/event-stream",)
) -> Scope:
    return {
        "type": "http",
        "method": method,
        "user": User(is_authenticated=known),
        "headers": [(b"accept", one.encode()) for one in accept],
    }


ASKING = b'{"method": "tools/call", "params": {"_meta": {"progressToken": 1}}}'


async def test_who_asks_for_progress_is_answered_by_a_stream() -> None:
    assert await Request(ASKING).lead() == ("stream", 1)
    assert await Request(ASKING[:50], ASKING[50:]).lead() == ("stream", 2)


async def test_who_does_not_ask_is_answered_in_json() -> None:
    assert await Request(b'{"method": "tools/call"}').lead() == ("JSON", 1)
    assert await Request(rb'{"sql": "SELECT \"progressToken\""}').lead() == ("JSON", 1)
    assert await Request(b"").lead() == ("JSON", 1)


@pytest.mark.parametrize("accept", [(), ("application/json",), ("*/*",)])
async def test_who_takes_no_stream_gets_none(accept: Sequence[str]) -> None:
    assert await Request(ASKING).lead(scope_of(accept=accept)) == ("JSON", 0)


async def test_nothing_is_read_of_what_nobody_known_sends() -> None:
    assert await Request(ASKING).lead(scope_of(known=False)) == ("JSON", 0)


async def test_what_is_no_call_passes_through() -> None:
    assert await Request(ASKING).lead(scope_of(method="GET")) == ("JSON", 0)
    assert await Request(ASKING).lead({"type": "lifespan"}) == ("JSON", 0)


async def test_a_long_request_is_not_kept() -> None:
    many = [b" " * (MOST_BYTES // 4)] * 8
    assert await Request(*many, ASKING).lead() == ("JSON", 4)


async def test_a_client_that_leaves_in_the_midst_of_its_request_is_noticed() -> None:
    assert await Request(b"{", leaves=True).lead() == ("JSON", 2)
