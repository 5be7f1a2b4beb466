"""Whether the client is still there: with a server and applications that do as they are told."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from dataclasses import dataclass, field
from uuid import UUID

import anyio
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.callers import always
from zava.adapters.mcp.disconnect import (
    WATCH_AFTER_SECONDS,
    DisconnectedError,
    DisconnectMiddleware,
    cancelled_on_disconnect,
    cancelled_once,
)
from zava.adapters.mcp.pipeline import CANCELLED, Answer, Failure, Pipeline, ToolSpec
from zava.core.model import Principal

REQUEST: Message = {"type": "http.request", "body": b"question", "more_body": False}
DISCONNECT: Message = {"type": "http.disconnect"}
ANSWER: list[Message] = [
    {"type": "http.response.start", "status": 200},
    {"type": "http.response.body", "body": b"half an ", "more_body": True},
    {"type": "http.response.body", "body": b"answer"},
]
WATCHED = 3 * WATCH_AFTER_SECONDS
FOREVER = 60


@dataclass
class FakeServer:
    """An ASGI server for one request. Nothing comes from the client but what the test says."""

    heard: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    sent: list[Message] = field(default_factory=list)
    reads: int = 0
    readers: int = 0
    most_readers: int = 0

    def hear(self, *messages: Message) -> None:
        for message in messages:
            self.heard.put_nowait(message)

    async def receive(self) -> Message:
        self.reads += 1
        self.readers += 1
        self.most_readers = max(self.readers, self.most_readers)
        try:
            return await self.heard.get()
        finally:
            self.readers -= 1

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if message == ANSWER[-1]:
            self.hear(DISCONNECT)  # as servers say after a whole answer, too

    async def run(self, app: ASGIApp, kind: str = "http") -> None:
        """Has the application handle the request; it leaves nothing behind."""
        before, context = asyncio.all_tasks(), dict(copy_context())
        try:
            await DisconnectMiddleware(app)({"type": kind}, self.receive, self.send)
        finally:
            await asyncio.sleep(0)
            assert asyncio.all_tasks() <= before
            assert dict(copy_context()) == context


@dataclass
class Work:
    """Something that takes its time, and some more to clear up."""

    seconds: float
    clearing_up: float = 0
    started: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    story: list[str] = field(default_factory=list)

    async def __call__(self) -> str:
        self.started.set()
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.story.append("stopped")
            self.stopped.set()
            await asyncio.sleep(self.clearing_up)
            self.story.append("cleared up")
            raise
        self.story.append("done")
        return "result"


def answering(work: Work) -> Callable[[Scope, Receive, Send], Coroutine[None, None, None]]:
    """Reads the question, works, and answers, unless the client has left."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        assert await receive() == REQUEST
        try:
            with cancelled_on_disconnect():
                await work()
        except DisconnectedError:
            work.story.append("client gone")
            return
        for message in ANSWER:
            await send(message)

    return app


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.mark.parametrize("after", [0, WATCHED], ids=["at once", "later"])
async def test_the_work_stops_when_the_client_leaves(server: FakeServer, after: float) -> None:
    work = Work(FOREVER)
    server.hear(REQUEST)
    running = asyncio.create_task(server.run(answering(work)))
    await work.started.wait()
    await asyncio.sleep(after)
    server.hear(DISCONNECT)
    await running
    assert work.story == ["stopped", "cleared up", "client gone"]
    assert server.sent == []


@pytest.mark.parametrize("seconds", [0, WATCHED], ids=["quick", "slow"])
async def test_a_client_that_stays_gets_its_answer(server: FakeServer, seconds: float) -> None:
    work = Work(seconds)
    server.hear(REQUEST)
    await server.run(answering(work))
    assert work.story == ["done"]
    assert server.sent == ANSWER


async def test_a_quick_call_is_not_watched(server: FakeServer) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        await receive()
        with cancelled_on_disconnect():
            for _ in range(5):
                await asyncio.sleep(0)
        await asyncio.sleep(WATCHED)

    server.hear(REQUEST)
    await server.run(app)
    assert server.reads == 1


async def test_an_application_that_fails_leaves_nobody_reading(server: FakeServer) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        await receive()
        with cancelled_on_disconnect():
            await asyncio.sleep(WATCHED)
            raise ZeroDivisionError

    server.hear(REQUEST)
    with pytest.raises(ZeroDivisionError):
        await server.run(app)
    assert (server.reads, server.readers) == (2, 0)


async def test_a_body_is_read_by_the_application_alone_and_as_fast_as_it_likes(server: FakeServer) -> None:
    parts: list[Message] = [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "body": b"b", "more_body": True},
        {"type": "http.request", "body": b"c"},
    ]
    reads = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        with cancelled_on_disconnect():
            for part in parts:
                await asyncio.sleep(WATCHED)
                reads.append(server.reads)
                assert await receive() == part

    server.hear(*parts)
    await server.run(app)
    assert reads == [0, 1, 2]


async def test_a_client_that_leaves_in_the_middle_of_its_question_is_the_applications_affair(
    server: FakeServer,
) -> None:
    heard = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        heard.extend([await receive(), await receive(), await receive()])

    server.hear({"type": "http.request", "body": b"a", "more_body": True}, DISCONNECT, DISCONNECT)
    await server.run(app)
    assert heard[1:] == [DISCONNECT, DISCONNECT]


async def test_an_application_that_listens_itself_hears_of_the_same_disconnect(server: FakeServer) -> None:
    work = Work(FOREVER)
    heard = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            heard.append(await receive())

        async with asyncio.TaskGroup() as group:
            group.create_task(answering(work)(scope, receive, send))
            await work.started.wait()
            with anyio.move_on_after(0.01):
                await listen()  # one that gives up takes nothing from the others
            group.create_task(listen())
            group.create_task(listen())
            await asyncio.sleep(WATCHED)
            server.hear(DISCONNECT)

    server.hear(REQUEST)
    await server.run(app)
    assert heard == [DISCONNECT, DISCONNECT]
    assert work.story[-1] == "client gone"
    assert server.most_readers == 1


async def test_work_that_goes_on_after_the_answer_is_left_alone(server: FakeServer) -> None:
    work = Work(WATCHED)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        await receive()
        with cancelled_on_disconnect():
            for message in ANSWER:
                await send(message)
            await work()
            assert await receive() == DISCONNECT
        with cancelled_on_disconnect():
            await work()

    server.hear(REQUEST)
    await server.run(app)
    assert work.story == ["done", "done"]


async def test_an_application_that_ends_without_an_answer_stops_who_still_works_for_it(server: FakeServer) -> None:
    work = Work(FOREVER)
    working = None

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal working
        working = asyncio.create_task(answering(work)(scope, receive, send))
        await work.started.wait()

    server.hear(REQUEST)
    await DisconnectMiddleware(app)({"type": "http"}, server.receive, server.send)
    assert working
    await working
    assert work.story == ["stopped", "cleared up", "client gone"]


async def test_without_http_nobody_leaves(server: FakeServer) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert (scope, receive, send) == ({"type": "lifespan"}, server.receive, server.send)
        with cancelled_on_disconnect():
            await asyncio.sleep(WATCHED)

    server.hear(DISCONNECT)
    await server.run(app, "lifespan")
    assert server.reads == 0


async def test_a_cancellation_from_elsewhere_is_one(server: FakeServer) -> None:
    work = Work(FOREVER)
    server.hear(REQUEST)
    running = asyncio.create_task(server.run(answering(work)))
    await work.started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert work.story == ["stopped", "cleared up"]


async def test_a_client_that_leaves_while_the_work_is_being_stopped_disturbs_nothing(server: FakeServer) -> None:
    work = Work(FOREVER, clearing_up=2 * WATCHED)
    server.hear(REQUEST)
    running = asyncio.create_task(server.run(answering(work)))
    await work.started.wait()
    running.cancel()
    server.hear(DISCONNECT)
    with pytest.raises(asyncio.CancelledError):
        await running
    assert work.story == ["stopped", "cleared up"]


async def test_a_cancellation_from_elsewhere_counts_although_the_client_has_left(server: FakeServer) -> None:
    work = Work(FOREVER, clearing_up=FOREVER)
    server.hear(REQUEST, DISCONNECT)
    running = asyncio.create_task(server.run(answering(work)))
    await work.stopped.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert work.story == ["stopped"]


async def test_work_cancelled_once_is_cancelled_once_in_all(server: FakeServer) -> None:
    work = Work(FOREVER, clearing_up=0.01)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        await receive()
        async with anyio.create_task_group() as group:
            group.start_soon(cancelled_once, watched(work()))
            await work.stopped.wait()
            group.cancel_scope.cancel()

    server.hear(REQUEST, DISCONNECT)
    await server.run(app)
    assert work.story == ["stopped", "cleared up"]


async def fail_when_cancelled() -> None:
    try:
        await asyncio.sleep(FOREVER)
    finally:
        raise ZeroDivisionError


async def watched(work: Coroutine[None, None, object]) -> None:
    with cancelled_on_disconnect():
        await work


async def test_work_that_fails_while_it_is_being_stopped_fails(server: FakeServer) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        await receive()
        with pytest.raises(ZeroDivisionError):
            await watched(fail_when_cancelled())
        task = asyncio.current_task()
        assert task
        assert task.cancelling() == 0

    server.hear(REQUEST, DISCONNECT)
    await server.run(app)


async def test_anyio_cancels_again_and_again_and_work_cancelled_once_does_not_notice() -> None:
    plain, calm = Work(FOREVER, clearing_up=0.01), Work(FOREVER, clearing_up=0.01)
    for call in (plain(), cancelled_once(calm())):
        with anyio.move_on_after(0.01):
            await call
    assert plain.story == ["stopped"]
    assert calm.story == ["stopped", "cleared up"]


async def test_work_that_is_not_cancelled_returns_or_fails() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    assert await cancelled_once(Work(0)()) == "result"
    with pytest.raises(ZeroDivisionError):
        await cancelled_once(fail())


async def test_work_that_fails_while_it_is_being_cancelled_was_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    with anyio.move_on_after(0.01) as scope:
        await cancelled_once(fail_when_cancelled())
    assert scope.cancelled_caught
    assert caplog.records == []


def call_of(work: Work) -> Coroutine[None, None, Answer[object] | Failure]:
    """A call of a tool that does this work."""

    async def ask(principal: Principal) -> dict[str, str]:
        return {principal.name: await work()}

    pipeline = Pipeline(always(Principal(UUID(int=1), "Ada")), timeout=FOREVER)
    return pipeline.call(ToolSpec(ask, title="Ask", text=str), {})


async def test_a_call_of_a_client_that_left_is_logged_in_one_line(
    server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    work = Work(FOREVER)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        await receive()
        assert await call_of(work) == CANCELLED

    server.hear(REQUEST, DISCONNECT)
    await server.run(app)
    assert_one_line(caplog)


async def test_a_call_that_is_cancelled_is_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with anyio.move_on_after(0.01):
        await cancelled_once(call_of(Work(FOREVER)))
    assert_one_line(caplog)


def assert_one_line(caplog: pytest.LogCaptureFixture) -> None:
    [record] = caplog.records
    assert record.getMessage().startswith("ask was cancelled after 0.")
    assert record.exc_info is None
