"""Whatever is asked, both ways answer in the same bytes, and leave the same behind: by FastMCP, and directly."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.testclient import TestClient
from starlette.types import Message

from tests.fakes import FakeShopVersions
from tests.tiny_shop import HEAD_OFFICE, SEATTLE
from tests.unit.test_remembered_answers import DatedAnswers
from tests.unit.test_tools import NOW, QUESTIONS, retail_tools
from zava.adapters.cache.memory import InMemoryCache
from zava.adapters.mcp.client import client_of_call, is_direct
from zava.adapters.mcp.coverage import coverage
from zava.adapters.mcp.csv_files import CsvFiles
from zava.adapters.mcp.direct_calls import DirectTools
from zava.adapters.mcp.identity import Caller, Callers
from zava.adapters.mcp.pipeline import Pipeline, Remember, ToolSpec, unremembered
from zava.adapters.mcp.prompts import prompt_specs
from zava.adapters.mcp.questions import SignedQuestions
from zava.adapters.mcp.server import NAME, build_server
from zava.adapters.mcp.server_spans import ServerSpans
from zava.adapters.mcp.tools import CurrentDate
from zava.commands.http_server import http_app
from zava.core.answer_cache import AnswerCache, KeptAnswers
from zava.core.errors import UnavailableError
from zava.core.fairness import Fairness, Rate, Requests
from zava.core.model import Principal
from zava.core.observations import Call
from zava.core.scopes import SALES_READ, SCOPES
from zava.settings import HttpSettings

MODERN = "2026-07-28"
DIRECT_VERSIONS = (MODERN, "2025-11-25", "2025-06-18")
OLDER_VERSIONS = ("2025-03-26", "2024-11-05", None)
TOKEN = "zava_everything"
CALLERS = {
    TOKEN: Caller(HEAD_OFFICE.principal, SCOPES),
    "zava_seattle": Caller(SEATTLE.principal, SCOPES),
    "zava_nothing": Caller(SEATTLE.principal, frozenset()),
    "zava_withheld": Caller(SEATTLE.principal, frozenset(), frozenset((SALES_READ,))),
}
BURST = 1_000_000
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
# What is another one in every answer: the reference of a failure, and how long a query took.
UNIQUE = re.compile(rb"(?<=reference )[0-9a-f]{32}|(?<=\"seconds\":)[0-9.e-]+|(?<=; )[0-9.]+(?= s\")")


class Tokens(Callers):
    async def caller_of(self, token: str) -> Caller | None:
        return CALLERS.get(token)


async def fail(principal: Principal) -> CurrentDate:  # noqa: ARG001
    """Fails."""
    raise RuntimeError("a secret")


async def take_long(principal: Principal) -> CurrentDate:  # noqa: ARG001
    """Takes longer than a call may."""
    await asyncio.sleep(60)
    return CurrentDate(date.min)


async def be_odd(principal: Principal, text: str = "", number: float = 0) -> dict[str, Any]:  # noqa: ARG001
    """Answers in what JSON is written differently for."""
    return {"text": text, "number": number, "nothing": None, "Grüße": ["\N{SNOWMAN}", "\x7f", "\u2028", "</script>"]}


ODD = (fail, take_long, be_odd)


class Everything(KeptAnswers):
    """All answers are kept."""

    def keeps(self, question: str, arguments: Mapping[str, Any]) -> bool:  # noqa: ARG002
        return True


def remembering() -> DatedAnswers:
    """Answers again what was answered before, whatever it is."""
    versions = FakeShopVersions(as_of=NOW)
    cache = AnswerCache(
        InMemoryCache(),
        rights=InMemoryCache(),
        versions=versions,
        policy=Everything("1.2.3", 300),
        now=lambda: NOW,
        clock=lambda: 0,
    )
    asyncio.run(cache.look())
    return DatedAnswers(cache, versions)


@dataclass
class Way:
    """One server, and what its calls leave behind."""

    is_direct: bool
    calls: list[Call] = field(default_factory=list, repr=False)
    ways: list[bool] = field(default_factory=list, repr=False)
    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter, repr=False)
    measured: list[tuple[str | None, ...]] = field(default_factory=list, repr=False)
    is_watched: bool = True
    refuses_audit: bool = False
    timeout: float = 30
    remember: Remember = field(default=unremembered, repr=False)

    def __post_init__(self) -> None:
        tools, identity = retail_tools(), Tokens()
        odd = [ToolSpec(one, title=one.__name__, text=str) for one in ODD]
        specs = [*tools.specs(), *odd]
        files = CsvFiles(tools.specs(), SignedQuestions(b"of the tests", lambda: NOW))
        self.rate = Rate(1e-9, BURST, clock=lambda: 0)
        pipeline = Pipeline(
            identity.caller,
            timeout=self.timeout,
            link=files.link,
            client=self.client_of_call,
            cover=coverage,
            fairness=Fairness(self.rate, {}),
            remember=self.remember,
            audit=self.audit,
        )
        spans = self.spans() if self.is_watched else None
        server = build_server(
            specs,
            pipeline,
            prompts=prompt_specs(),
            files=files.spec(),
            auth=identity,
            version="1.2.3",
            spans=cast("Any", spans),
        )
        direct = DirectTools(specs, pipeline, spans, {"name": NAME, "version": "1.2.3"})
        requests = Requests(Rate(1_000_000, BURST), 1_000)
        self.app = http_app(server, identity, HttpSettings(direct=self.is_direct), requests, direct)

    def spans(self) -> ServerSpans:
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(self.exporter))

        def observe(_: float, *values: str | None) -> None:
            self.measured.append(values)

        return ServerSpans(tracers.get_tracer("test"), observe, [*QUESTIONS, "fail"], [])

    def client_of_call(self) -> str | None:
        self.ways.append(is_direct())
        return client_of_call()

    async def audit(self, call: Call) -> None:
        self.calls.append(call)
        if self.refuses_audit:
            raise UnavailableError("No room.")

    def left_behind(self) -> Any:  # noqa: ANN401
        """What the last request has left behind: rows, spans, measurements, and tokens taken of the rate."""
        rows = [replace(call, started_at=NOW, seconds=0, trace_id=None) for call in self.calls]
        traced = [call.trace_id and (call.trace_id == "a" * 32 or "own") for call in self.calls]
        spans = [told(span) for span in self.exporter.get_finished_spans()]
        self.calls.clear()
        self.exporter.clear()
        measured = self.measured[:]
        self.measured.clear()
        return rows, traced, spans, measured, dict(self.rate._full)  # noqa: SLF001 - what was taken


def told(span: ReadableSpan) -> tuple[object, ...]:
    parent = span.parent and (span.parent.trace_id, span.parent.span_id)
    return span.name, span.kind, dict(span.attributes or {}), span.status.status_code, span.status.description, parent


@dataclass
class Both:
    """Both ways, and clients of them."""

    ways: tuple[Way, Way] = field(repr=False)
    clients: tuple[TestClient, TestClient] = field(repr=False)

    def replay(self, content: bytes, headers: list[tuple[bytes, bytes]]) -> tuple[int, bytes, bool | None]:
        """Asks both, and returns the status and body of the answer, and whether the second answered directly."""
        answers = []
        for client in self.clients:
            answer = client.post("http://127.0.0.1/mcp", content=content, headers=headers)
            body = UNIQUE.sub(b"", answer.content)
            sent = [(name, b"" if name == b"content-length" else value) for name, value in answer.headers.raw]
            answers.append((answer.status_code, sent, body))
        left = [way.left_behind() for way in self.ways]
        taken = [way.ways[:] for way in self.ways]
        for way in self.ways:
            way.ways.clear()
        by_fastmcp, directly = answers
        assert directly == by_fastmcp
        assert left[1] == left[0]
        assert not any(taken[0])
        assert len(taken[1]) == len(taken[0])
        return directly[0], directly[2], taken[1][0] if taken[1] else None


def both_ways(way: Callable[[bool], Way]) -> Iterator[Both]:
    ways = (way(False), way(True))  # noqa: FBT003
    with ExitStack() as stack:
        clients = [stack.enter_context(TestClient(way.app, raise_server_exceptions=False)) for way in ways]
        yield Both(ways, (clients[0], clients[1]))


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    yield from both_ways(Way)


@pytest.fixture(scope="module")
def unwatched() -> Iterator[Both]:
    yield from both_ways(lambda is_direct: Way(is_direct, is_watched=False))


@pytest.fixture(scope="module")
def hasty() -> Iterator[Both]:
    yield from both_ways(lambda is_direct: Way(is_direct, timeout=0.05))


@pytest.fixture(scope="module")
def kept() -> Iterator[Both]:
    yield from both_ways(lambda is_direct: Way(is_direct, remember=remembering()))


@pytest.fixture(scope="module")
def unaudited() -> Iterator[Both]:
    yield from both_ways(lambda is_direct: Way(is_direct, refuses_audit=True))


def call(
    tool: str = "get_current_utc_date",
    arguments: Any = None,  # noqa: ANN401 - any JSON
    version: str | None = MODERN,
    meta: Mapping[str, Any] | None = None,
    **others: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """A call as a client of this version makes it."""
    said: dict[str, Any] = {}
    if version == MODERN:
        said = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    said |= meta or {}
    parameters = {"name": tool, "arguments": {} if arguments is None else arguments, **others}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": parameters | ({"_meta": said} if said else {})}


def headers_of(
    tool: str = "get_current_utc_date", version: str | None = MODERN, others: Mapping[str, str | None] | None = None
) -> list[tuple[bytes, bytes]]:
    """The headers of such a call, and others; None takes one away."""
    headers: dict[str, str | None] = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "authorization": f"Bearer {TOKEN}",
        "mcp-protocol-version": version,
        "user-agent": "of the tests/1",
    }
    if version == MODERN:
        headers |= {"mcp-method": "tools/call", "mcp-name": tool}
    headers |= others or {}
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items() if value is not None]


def encoded(message: object) -> bytes:
    return json.dumps(message).encode()


@pytest.mark.parametrize("version", [*DIRECT_VERSIONS, *OLDER_VERSIONS])
@pytest.mark.parametrize("tool", QUESTIONS)
def test_every_tool_answers_the_same(both: Both, tool: str, version: str | None) -> None:
    message = call(tool, QUESTIONS[tool], version)
    status, body, directly = both.replay(encoded(message), headers_of(tool, version))
    assert status == 200
    assert b'"isError":false' in body
    assert directly is (version in DIRECT_VERSIONS)


@pytest.mark.parametrize("version", DIRECT_VERSIONS)
@pytest.mark.parametrize("tool", [*QUESTIONS, "be_odd"])
def test_what_was_answered_before_is_the_same(kept: Both, tool: str, version: str) -> None:
    arguments = QUESTIONS.get(
        tool, {"text": "Gr\N{LATIN SMALL LETTER U WITH DIAERESIS}\N{SNOWMAN}\0</script>", "number": 1e-7}
    )
    message = encoded(call(tool, arguments, version))
    # By an older protocol it may have been asked before.
    kept.replay(message, headers_of(tool, version))
    status, body, directly = kept.replay(message, headers_of(tool, version))
    assert (status, directly) == (200, True)
    assert b'"cached":true' in body


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a wrong argument": ("find_order", {"order_number": "x"}, TOKEN),
    "an unknown argument": ("find_order", {"order_number": 2, "Grüße\n": 2}, TOKEN),
    "no argument": ("find_order", {}, TOKEN),
    "two of them": ("find_order", {"order_number": 2, "store": "Seattle", "shop": "Seattle"}, TOKEN),
    "somebody else's store": ("find_order", {"order_number": 2, "store": "Tacoma"}, "zava_seattle"),
    "a wrong period": ("get_store_performance", {"period": "whenever"}, TOKEN),
    "a query that is none": ("execute_sales_query", {"postgresql_query": "DROP TABLE \N{SNOWMAN}"}, TOKEN),
    "no scope": ("find_order", {"order_number": 2}, "zava_nothing"),
    "no scope for a query": ("execute_sales_query", {"postgresql_query": "SELECT 1"}, "zava_nothing"),
    "a scope that the token leaves out": ("find_order", {"order_number": 2}, "zava_withheld"),
    "a failure": ("fail", {}, TOKEN),
}


@pytest.mark.parametrize("version", DIRECT_VERSIONS)
@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
def test_every_refusal_is_the_same(both: Both, refused: tuple[str, dict[str, Any], str], version: str) -> None:
    tool, arguments, token = refused
    headers = headers_of(tool, version, {"authorization": f"Bearer {token}"})
    status, body, directly = both.replay(encoded(call(tool, arguments, version)), headers)
    assert status == (403 if token == "zava_withheld" else 200)
    assert b'"isError":true' in body
    assert b"a secret" not in body
    assert directly is True


@pytest.mark.parametrize("version", DIRECT_VERSIONS)
def test_nobody_is_refused_as_ever(both: Both, version: str) -> None:
    for token in (None, "Bearer zava_nobody", "Basic abc"):
        status, _, directly = both.replay(
            encoded(call(version=version)), headers_of(version=version, others={"authorization": token})
        )
        assert (status, directly) == (401, None)


@pytest.mark.parametrize("version", DIRECT_VERSIONS)
def test_a_call_that_takes_too_long_ends_the_same(hasty: Both, version: str) -> None:
    _, body, directly = hasty.replay(encoded(call("take_long", version=version)), headers_of("take_long", version))
    assert b'"code":"QUERY_TIMEOUT"' in body
    assert directly is True


@pytest.mark.parametrize("version", DIRECT_VERSIONS)
def test_a_call_that_cannot_be_audited_is_refused_the_same(unaudited: Both, version: str) -> None:
    _, body, directly = unaudited.replay(encoded(call(version=version)), headers_of(version=version))
    assert b'"code":"UNAVAILABLE"' in body
    assert directly is True


@pytest.mark.parametrize("version", DIRECT_VERSIONS)
def test_what_json_is_written_differently_for_is_the_same(both: Both, version: str) -> None:
    for number in (0.1, 1e16, 1e-7, 123456789012345680.0, -0.0, 1e300, 5e-324, 2.0):
        message = call("be_odd", {"text": '\N{PILE OF POO} \\ " \u2028 é', "number": number}, version)
        content = json.dumps(message, ensure_ascii=False).encode()
        _, _, directly = both.replay(content, headers_of("be_odd", version))
        assert directly is True


@pytest.mark.parametrize("version", DIRECT_VERSIONS)
@pytest.mark.parametrize("is_direct", [True, False])
async def test_a_client_that_goes_away_has_its_call_cancelled(version: str, *, is_direct: bool) -> None:
    way = Way(is_direct)
    body = encoded(call("take_long", version=version))
    headers = [(b"host", b"127.0.0.1"), *headers_of("take_long", version)]
    scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"", "headers": headers}
    messages: Iterator[Message] = iter([{"type": "http.request", "body": body}, {"type": "http.disconnect"}])

    async def receive() -> Message:
        return next(messages)

    async def send(_: Message) -> None:
        pass

    async with way.app.router.lifespan_context(way.app), asyncio.timeout(10):
        await way.app(scope, receive, send)
    (cancelled,) = way.calls
    assert cancelled.code == "CANCELLED"
    assert way.ways == [is_direct]


ENVELOPE = "io.modelcontextprotocol/"
# What is said beside the arguments, and whether a call that says so is answered directly.
MODERN_META: dict[str, tuple[dict[str, Any], bool]] = {
    "another client": ({f"{ENVELOPE}clientInfo": {"name": "Grüße \N{SNOWMAN}\n", "version": "9" * 300}}, True),
    "a client with more to it": (
        {f"{ENVELOPE}clientInfo": {"name": "x", "version": "1", "title": "X", "websiteUrl": "https://x.example"}},
        True,
    ),
    "a client with something of its own": ({f"{ENVELOPE}clientInfo": {"name": "x", "version": "1", "y": {}}}, True),
    "no client": ({f"{ENVELOPE}clientInfo": None}, True),
    "a client without a version": ({f"{ENVELOPE}clientInfo": {"name": "x"}}, False),
    "a client that is none": ({f"{ENVELOPE}clientInfo": "x"}, False),
    "a client of numbers": ({f"{ENVELOPE}clientInfo": {"name": 1, "version": 2}}, False),
    "capabilities": ({f"{ENVELOPE}clientCapabilities": {"sampling": {}, "elicitation": {"form": {}}}}, True),
    "capabilities of its own": ({f"{ENVELOPE}clientCapabilities": {"extensions": {"a/b": {}}, "x": 1}}, True),
    "capabilities that are none": ({f"{ENVELOPE}clientCapabilities": []}, False),
    "another version": ({f"{ENVELOPE}protocolVersion": "2025-11-25"}, False),
    "a version that is none": ({f"{ENVELOPE}protocolVersion": 7}, False),
    "a log level": ({f"{ENVELOPE}logLevel": "debug"}, False),
}
META: dict[str, tuple[dict[str, Any], bool]] = {
    "a trace": ({"traceparent": TRACE}, True),
    "a trace with a state": ({"traceparent": TRACE, "tracestate": "a=b"}, True),
    "a trace that is none": ({"traceparent": "nonsense"}, True),
    "a trace that is no text": ({"traceparent": 7}, False),
    "baggage": ({"traceparent": TRACE, "baggage": "a=b"}, False),
    "a version of the tool": ({"fastmcp": {"version": "1"}}, False),
    "something of somebody's": ({"example.com/x": 1}, False),
    "a token for progress that is none": ({"progressToken": None}, False),
    "a related task": ({"io.modelcontextprotocol/related-task": {"taskId": "x"}}, False),
}


@pytest.mark.parametrize(("said", "is_direct"), MODERN_META.values(), ids=MODERN_META)
def test_what_clients_of_2026_say_of_themselves(both: Both, said: dict[str, Any], *, is_direct: bool) -> None:
    _, _, directly = both.replay(encoded(call(meta=said)), headers_of())
    assert bool(directly) is is_direct


@pytest.mark.parametrize("version", DIRECT_VERSIONS)
@pytest.mark.parametrize(("said", "is_direct"), META.values(), ids=META)
def test_what_is_said_beside_the_arguments(both: Both, said: dict[str, Any], version: str, *, is_direct: bool) -> None:
    _, _, directly = both.replay(encoded(call(version=version, meta=said)), headers_of(version=version))
    assert bool(directly) is is_direct


@pytest.mark.parametrize("version", DIRECT_VERSIONS)
def test_whoever_asks_for_progress_is_answered_by_fastmcp(both: Both, version: str) -> None:
    # Without text/event-stream there is nothing to tell it in.
    for accept in ("application/json", "application/json, text/event-stream"):
        message = encoded(call(version=version, meta={"progressToken": 1}))
        _, _, directly = both.replay(message, headers_of(version=version, others={"accept": accept}))
        assert directly is False


@pytest.mark.parametrize("version", DIRECT_VERSIONS)
def test_a_trace_without_spans_of_our_own_is_fastmcps(unwatched: Both, version: str) -> None:
    message = call(version=version, meta={"traceparent": TRACE})
    _, _, directly = unwatched.replay(encoded(message), headers_of(version=version))
    assert directly is False
    _, _, directly = unwatched.replay(
        encoded(call(version=version)), headers_of(version=version, others={"traceparent": TRACE})
    )
    assert directly is True


# Headers in place of the usual ones, and whether a call with them is answered directly.
HEADERS: dict[str, tuple[dict[str, str | None], bool]] = {
    "json alone": ({"accept": "application/json"}, True),
    "anything": ({"accept": "*/*"}, True),
    "anything of an application": ({"accept": "application/*;q=0.5"}, True),
    "events first": ({"accept": "text/event-stream, application/json"}, True),
    "another case": ({"accept": "APPLICATION/JSON"}, True),
    "no json": ({"accept": "text/event-stream"}, False),
    "not quite json": ({"accept": "application/jsonx"}, False),
    "no accept": ({"accept": ""}, False),
    "a charset": ({"content-type": "application/json; charset=utf-8"}, True),
    "another charset": ({"content-type": "application/json; charset=latin-1"}, False),
    "a type in capitals": ({"content-type": "Application/JSON"}, False),
    "not quite the type": ({"content-type": "application/jsonx"}, False),
    "two types": ({"content-type": "application/json, text/plain"}, False),
    "another type": ({"content-type": "text/plain"}, False),
    "no type": ({"content-type": None}, False),
    "no agent": ({"user-agent": ""}, True),
    "an odd agent": ({"user-agent": "x" * 300 + "\x7fÿ"}, True),
    "a trace": ({"traceparent": TRACE, "tracestate": "a=b"}, True),
    "a trace that is none": ({"traceparent": "\xff"}, True),
    "a session": ({"mcp-session-id": "x"}, False),
    "an argument": ({"mcp-param-x": "x"}, False),
    "the last event": ({"last-event-id": "x"}, True),
    "an unknown version": ({"mcp-protocol-version": "2099-01-01"}, False),
    "a version with a blank": ({"mcp-protocol-version": " 2025-11-25"}, False),
    "a method": ({"mcp-method": "tools/list"}, False),
    "no method": ({"mcp-method": None}, False),
    "a name": ({"mcp-name": "find_order"}, False),
    "no name": ({"mcp-name": None}, False),
    "an encoded name": ({"mcp-name": "=?base64?Z2V0X2N1cnJlbnRfdXRjX2RhdGU=?="}, False),
    "another host": ({"host": "attacker.example.com"}, False),
    "another origin": ({"origin": "https://attacker.example.com"}, False),
    "its own origin": ({"origin": "http://127.0.0.1"}, True),
    "compressed": ({"content-encoding": "gzip"}, True),
    "a method of another": ({"x-http-method-override": "DELETE"}, True),
}
# These are read by the protocol of 2026 alone.
NAMES_OF_2026 = frozenset(("mcp-method", "mcp-name"))


@pytest.mark.parametrize("version", DIRECT_VERSIONS)
@pytest.mark.parametrize(("others", "is_direct"), HEADERS.values(), ids=HEADERS)
def test_headers(both: Both, others: dict[str, str | None], version: str, *, is_direct: bool) -> None:
    _, _, directly = both.replay(encoded(call(version=version)), headers_of(version=version, others=others))
    assert bool(directly) is (is_direct or (version != MODERN and others.keys() <= NAMES_OF_2026))


@pytest.mark.parametrize("version", DIRECT_VERSIONS)
@pytest.mark.parametrize("name", ["accept", "content-type", "mcp-protocol-version", "mcp-method", "user-agent"])
def test_a_header_that_comes_twice_is_fastmcps_to_judge(both: Both, name: str, version: str) -> None:
    headers = headers_of(version=version)
    twice = dict(headers).get(name.encode(), b"tools/call")
    for second in (twice, b"x"):
        _, _, directly = both.replay(encoded(call(version=version)), [*headers, (name.encode(), second)])
        # The first of a name that this version does not have is none that comes twice.
        assert bool(directly) is (name == "mcp-method" and version != MODERN)


USUAL = call(version=None)
DEEP = 300
MESSAGES: dict[str, bytes] = {
    "a text for an id": encoded({**USUAL, "id": "1"}),
    "an id that is no number": encoded({**USUAL, "id": "abc"}),
    "an empty id": encoded({**USUAL, "id": ""}),
    "a negative id": encoded({**USUAL, "id": -1}),
    "a great id": encoded({**USUAL, "id": 10**30}),
    "an id of a fraction": encoded({**USUAL, "id": 1.5}),
    "an id of a whole fraction": encoded({**USUAL, "id": 1.0}),
    "an id of other letters": encoded({**USUAL, "id": "\N{SNOWMAN}"}),
    "half a letter for an id": encoded({**USUAL, "id": "\ud800"}),
    "true for an id": encoded({**USUAL, "id": True}),
    "null for an id": encoded({**USUAL, "id": None}),
    "a list for an id": encoded({**USUAL, "id": []}),
    "no id": encoded({name: value for name, value in USUAL.items() if name != "id"}),
    "another key": encoded({**USUAL, "x": 1}),
    "another version of JSON-RPC": encoded({**USUAL, "jsonrpc": "1.0"}),
    "another method": encoded({**USUAL, "method": "tools/list"}),
    "an unknown method": encoded({**USUAL, "method": "x"}),
    "no parameters": encoded({**USUAL, "params": None}),
    "a list of parameters": encoded({**USUAL, "params": []}),
    "a batch": encoded([USUAL]),
    "an unknown tool": encoded(call("drop_table", version=None)),
    "a number for a tool": encoded({**USUAL, "params": {"name": 1, "arguments": {}}}),
    "no tool": encoded({**USUAL, "params": {"arguments": {}}}),
    "a prompt": encoded(call("weekly_review", version=None)),
    "no arguments": encoded({**USUAL, "params": {"name": "get_current_utc_date"}}),
    "null for arguments": encoded({**USUAL, "params": {"name": "get_current_utc_date", "arguments": None}}),
    "a list of arguments": encoded(call(arguments=[], version=None)),
    "a text for arguments": encoded(call(arguments="x", version=None)),
    "null beside the arguments": encoded({**USUAL, "params": {"name": "get_current_utc_date", "_meta": None}}),
    "a list beside the arguments": encoded({**USUAL, "params": {"name": "get_current_utc_date", "_meta": []}}),
    "a task": encoded(call(version=None, task={"ttl": 1})),
    "an answer to a question": encoded(call(version=None, inputResponses={})),
    "a state": encoded(call(version=None, requestState="x")),
    "a deep argument": b"[" * DEEP + b"]" * DEEP,
    "a pretty message": json.dumps(USUAL, indent=2).encode(),
    "blanks around": b" \n" + encoded(USUAL) + b"\n ",
    "a mark of its order": "\ufeff".encode() + encoded(USUAL),
    "UTF-16": json.dumps(USUAL).encode("utf-16"),
    "UTF-32": json.dumps(USUAL).encode("utf-32-be"),
    "latin-1": b'{"jsonrpc":"2.0","id":"\xe9","method":"tools/call","params":{"name":"get_current_utc_date"}}',
    "a key twice": encoded(USUAL)[:-1] + b', "id": 2}',
    "something after it": encoded(USUAL) + b"x",
    "half of it": encoded(USUAL)[:-5],
    "nothing": b"",
    "a number": b"1",
    "not a number": encoded(USUAL).replace(b'"arguments": {}', b'"arguments": {"x": NaN}'),
    "an infinite one": encoded(USUAL).replace(b'"arguments": {}', b'"arguments": {"x": -Infinity}'),
    "a great fraction": encoded(USUAL).replace(b'"arguments": {}', b'"arguments": {"x": 1e999}'),
    "a number of 5,000 digits": encoded(USUAL).replace(
        b'"arguments": {}', b'"arguments": {"x": ' + b"9" * 5_000 + b"}"
    ),
    "half a letter": encoded(USUAL).replace(b'"arguments": {}', b'"arguments": {"x": "\\ud800"}'),
    "half a letter for a name": encoded(USUAL).replace(b'"arguments": {}', b'"arguments": {"\\uDFFF": 1}'),
    "half a letter as it is": encoded(USUAL).replace(b'"arguments": {}', b'"arguments": {"x": "\xed\xa0\x80"}'),
    "a letter of two halves": encoded(USUAL).replace(b'"arguments": {}', b'"arguments": {"x": "\\ud83d\\udca9"}'),
    "an empty name": encoded(USUAL).replace(b'"arguments": {}', b'"arguments": {"": 1}'),
    "a NUL": encoded(USUAL).replace(b'"arguments": {}', b'"arguments": {"x": "\\u0000"}'),
    "a picture": encoded(call("get_store_performance", {"period": "2026-03", "chart": True}, None)),
    "no picture": encoded(call("get_store_performance", {"period": "2026-03", "chart": False}, None)),
    "a long message": encoded(call("be_odd", {"text": "x" * 100_000}, None)),
    "too long a message": encoded(call("be_odd", {"text": "x" * 300_000}, None)),
}
DIRECT_MESSAGES = frozenset(
    (
        "a text for an id",
        "an id that is no number",
        "an empty id",
        "a negative id",
        "a great id",
        "no arguments",
        "a pretty message",
        "blanks around",
        "a key twice",
        "not a number",
        "an infinite one",
        "a great fraction",
        "an empty name",
        "a NUL",
        "no picture",
        "a long message",
    )
)


@pytest.mark.parametrize("version", DIRECT_VERSIONS)
@pytest.mark.parametrize("name", MESSAGES)
def test_messages(both: Both, name: str, version: str) -> None:
    content = MESSAGES[name]
    tool = "get_current_utc_date"
    if version == MODERN:
        said = json.dumps(call()["params"]["_meta"])
        content = content.replace(b'"params": {', f'"params": {{"_meta": {said}, '.encode())
        tool = next((one for one in (*QUESTIONS, "be_odd") if f'"{one}"'.encode() in content), tool)
    _, _, directly = both.replay(content, headers_of(tool, version))
    assert bool(directly) is (name in DIRECT_MESSAGES)


def test_other_methods_and_paths_are_fastmcps(both: Both) -> None:
    for method, path in (("GET", "/mcp"), ("DELETE", "/mcp"), ("POST", "/mcp/"), ("POST", "/mcq"), ("POST", "/%6dcp")):
        url = f"http://127.0.0.1{path}"
        answers = [
            client.request(method, url, headers=headers_of(), content=encoded(call())) for client in both.clients
        ]
        assert answers[0].status_code == answers[1].status_code
        assert answers[0].content == answers[1].content


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=10), parts, max_size=3),
    max_leaves=6,
)


SPECS = {spec.name: spec for spec in retail_tools().specs()}


@st.composite
def asked(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A tool, and arguments of it: some right ones, some changed, some invented."""
    tool = draw(st.sampled_from([*QUESTIONS, "be_odd"]))
    arguments = dict(QUESTIONS.get(tool, {}))
    for name in draw(st.lists(st.sampled_from(sorted(arguments) or ["x"]), unique=True)):
        arguments.pop(name, None)
    known = sorted(SPECS[tool].parameters["properties"]) if tool in SPECS else ["text", "number"]
    names = st.sampled_from(known or ["x"]) | st.text(max_size=10)
    return tool, arguments | draw(st.dictionaries(names, VALUES, max_size=3))


@pytest.mark.parametrize("version", DIRECT_VERSIONS)
@settings(max_examples=150)
@given(asked=asked(), is_ascii=st.booleans())
def test_any_arguments(both: Both, version: str, asked: tuple[str, dict[str, Any]], *, is_ascii: bool) -> None:
    tool, arguments = asked
    content = json.dumps(call(tool, arguments, version), ensure_ascii=is_ascii).encode(errors="surrogatepass")
    both.replay(content, headers_of(tool, version))
