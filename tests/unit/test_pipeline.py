"""The one way into every tool: each step with small functions in place of the real tools."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from pydantic import Field

from tests.callers import always
from zava.adapters.mcp.identity import Caller
from zava.adapters.mcp.pipeline import Answer, Failure, Pipeline, ToolSpec
from zava.core import errors
from zava.core.model import Principal
from zava.core.observations import FAILURES, Call, CallUnderWay, Coverage, call_under_way

ADA = Principal(UUID(int=1), "Ada")
ADA_ID = ADA.principal_id
SECRET = "SELECT card FROM customers; password=hunter2"


@dataclass(frozen=True)
class Echo:
    """What was said."""

    by: str
    words: str


async def echo(
    principal: Principal,
    word: Annotated[str, Field(max_length=5, description="What to say")],
    times: Annotated[int, Field(ge=1)] = 1,
    more: list[Annotated[str, Field(max_length=5)]] | None = None,
) -> Echo:
    """Says it again.

    Example: {"word": "hello"}
    """
    return Echo(principal.name, " ".join([word] * times + (more or [])))


def spec_of(function: Callable[..., Awaitable[Any]] = echo, text: Callable[[Any], str] = str) -> ToolSpec[Any]:
    return ToolSpec(function, title="Echo", text=text)


def failing(error: BaseException) -> ToolSpec[Any]:
    """A tool that always fails like this."""

    async def ask(principal: Principal) -> Echo:  # noqa: ARG001
        raise error

    return spec_of(ask)


async def call(spec: ToolSpec[Any], *, seconds: float = 5.0, **arguments: object) -> Answer[Any] | Failure:
    return await Pipeline(always(ADA), timeout=seconds).call(spec, arguments)


async def failure(spec: ToolSpec[Any], *, seconds: float = 5.0, **arguments: object) -> Failure:
    outcome = await call(spec, seconds=seconds, **arguments)
    assert isinstance(outcome, Failure)
    return outcome


def test_a_tool_is_named_and_described_by_its_function() -> None:
    spec = spec_of()
    assert (spec.name, spec.title) == ("echo", "Echo")
    assert spec.description == 'Says it again.\n\nExample: {"word": "hello"}'


def test_the_arguments_of_a_tool_are_those_of_its_function_without_the_principal() -> None:
    parameters = spec_of().parameters
    assert list(parameters["properties"]) == ["word", "times", "more"]
    assert parameters["required"] == ["word"]
    assert parameters["additionalProperties"] is False
    assert parameters["properties"]["word"] == {
        "type": "string",
        "maxLength": 5,
        "description": "What to say",
    }
    assert parameters["properties"]["times"]["default"] == 1


def test_the_output_of_a_tool_is_what_its_function_returns() -> None:
    schema = spec_of().output_schema
    assert schema["properties"] == {"by": {"type": "string"}, "words": {"type": "string"}}


async def test_an_answer_has_text_for_the_model_and_structure_for_programs() -> None:
    answer = await call(spec_of(text=lambda result: f"{result.by} said {result.words}"), word="hello", times=2)
    assert answer == Answer("Ada said hello hello", Echo("Ada", "hello hello"))
    assert answer.structured == {"by": "Ada", "words": "hello hello"}


async def test_a_call_of_nobody_is_refused_before_anything_else() -> None:
    called = []

    async def ask(principal: Principal) -> Echo:
        called.append(principal)
        return Echo("nobody", "")

    outcome = await Pipeline(always(None), timeout=5).call(spec_of(ask), {"wrong": "arguments"})
    assert outcome == Failure("AUTHORIZATION_ERROR", "Nobody is asking: a token is needed.", retryable=False)
    assert called == []


@pytest.mark.parametrize(
    ("arguments", "field", "constraint"),
    [
        ({}, "word", "Field required"),
        ({"word": "too long"}, "word", "at most 5 characters"),
        ({"word": 5}, "word", "valid string"),
        ({"word": None}, "word", "valid string"),
        ({"word": ["a"]}, "word", "valid string"),
        ({"word": "a", "times": 0}, "times", "greater than or equal to 1"),
        ({"word": "a", "times": "many"}, "times", "valid integer"),
        ({"word": "a", "times": 1.5}, "times", "valid integer"),
        ({"word": "a", "more": "text"}, "more", "valid list"),
        ({"word": "a", "more": ["b", "too long"]}, "more.1", "at most 5 characters"),
        ({"word": "a", "store_id": "mine"}, "store_id", "Extra inputs are not permitted"),
        ({"word": "a", "principal": "head office"}, "principal", "Extra inputs are not permitted"),
    ],
)
async def test_arguments_that_are_not_well_formed_name_their_field(
    arguments: dict[str, object], field: str, constraint: str
) -> None:
    outcome = await Pipeline(always(ADA), timeout=5).call(spec_of(), arguments)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.retryable) == ("VALIDATION_ERROR", False)
    assert outcome.message.startswith(f"Validation failed for {field}: ")
    assert constraint in outcome.message


async def test_a_refused_value_is_not_said_back() -> None:
    assert "hunter2" not in (await failure(spec_of(), word="hunter2")).message


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (errors.ValidationError("period", "x", "write a period"), "VALIDATION_ERROR", False),
        (errors.AuthorizationError("Not yours."), "AUTHORIZATION_ERROR", False),
        (errors.NotFoundError("Not there."), "NOT_FOUND", False),
        (errors.DatabaseError("Refused."), "DATABASE_ERROR", False),
        (errors.QueryTimeoutError("Too slow."), "QUERY_TIMEOUT", False),
        (errors.QueryStoppedError("Stopped."), "QUERY_STOPPED", False),
        (errors.BusyError("Later."), "BUSY", True),
        (errors.UnavailableError("Later."), "UNAVAILABLE", True),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_an_error_of_the_core_keeps_its_code_and_its_words(
    error: errors.ZavaError,
    code: str,
    retryable: bool,  # noqa: FBT001
) -> None:
    outcome = await failure(failing(error))
    assert outcome == Failure(code, error.message, retryable, error.details)
    assert outcome.text == f"{code}: {error.message}"


def test_no_two_errors_of_the_core_share_a_code() -> None:
    codes = [
        error.code for error in vars(errors).values() if isinstance(error, type) and issubclass(error, errors.ZavaError)
    ]
    assert len(set(codes)) == len(codes) == 14


@pytest.mark.parametrize("error", [RuntimeError(SECRET), KeyError(SECRET), errors.SetupError(SECRET)])
async def test_an_unknown_error_is_masked_and_logged_under_its_reference(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = await failure(failing(error))
    (record,) = caplog.records
    reference = outcome.message.removeprefix("Internal server error in ask, reference ")
    assert (outcome.code, outcome.retryable) == ("INTERNAL_ERROR", False)
    assert len(bytes.fromhex(reference)) == 16
    assert record.levelno == logging.ERROR
    assert record.getMessage() == f"Internal server error in ask for {ADA_ID}, reference {reference}"
    assert type(error).__name__ in caplog.text
    assert "raise error" in caplog.text
    assert "hunter2" not in outcome.text + caplog.text


async def test_an_error_while_the_answer_is_written_is_masked_too(caplog: pytest.LogCaptureFixture) -> None:
    def text(result: Echo) -> str:
        raise ValueError(f"{SECRET} {result}")

    outcome = await failure(spec_of(text=text), word="hello")
    assert outcome.code == "INTERNAL_ERROR"
    assert "hunter2" not in outcome.text + caplog.text
    assert "ValueError" in caplog.text


async def test_an_error_while_finding_out_who_asks_is_masked_too(caplog: pytest.LogCaptureFixture) -> None:
    async def identify() -> Caller:
        raise LookupError(SECRET)

    outcome = await Pipeline(identify, timeout=5).call(spec_of(), {"word": "hello"})
    assert isinstance(outcome, Failure)
    assert outcome.code == "INTERNAL_ERROR"
    assert "hunter2" not in outcome.text
    assert "LookupError" in caplog.text


async def test_every_unknown_error_has_a_reference_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    spec = failing(RuntimeError())
    assert (await failure(spec)).message != (await failure(spec)).message
    assert len(caplog.records) == 2


async def test_within_a_trace_the_reference_is_the_trace(caplog: pytest.LogCaptureFixture) -> None:
    trace_id = 0x4BF92F3577B34DA6A3CE929D0E0E4736
    span = NonRecordingSpan(SpanContext(trace_id, 1, is_remote=False, trace_flags=TraceFlags(1)))
    with trace.use_span(span):
        outcome = await failure(failing(RuntimeError()))
    assert outcome.message.endswith(" reference 4bf92f3577b34da6a3ce929d0e0e4736")
    assert "4bf92f3577b34da6a3ce929d0e0e4736" in caplog.text


async def test_a_call_that_takes_too_long_is_given_up() -> None:
    stopped = []

    async def ask(principal: Principal) -> Echo:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.append(principal)
            raise
        return Echo("late", "")

    async with asyncio.timeout(1):
        outcome = await failure(spec_of(ask), seconds=0.01)
    assert outcome == Failure(
        "QUERY_TIMEOUT", "The answer took longer than 0.01 seconds. Ask for less.", retryable=False
    )
    assert stopped == [ADA]


async def test_a_timeout_of_the_tools_own_is_a_fault_like_any_other(caplog: pytest.LogCaptureFixture) -> None:
    outcome = await failure(failing(TimeoutError("connect to 10.0.0.7")))
    assert outcome.code == "INTERNAL_ERROR"
    assert "TimeoutError" in caplog.text


@pytest.mark.parametrize(
    ("error", "level", "line"),
    [
        (errors.ValidationError("word", SECRET, SECRET), logging.WARNING, f"VALIDATION_ERROR in ask for {ADA_ID}"),
        (errors.AuthorizationError(SECRET), logging.WARNING, f"AUTHORIZATION_ERROR in ask for {ADA_ID}"),
        (errors.BusyError("Later."), logging.WARNING, f"BUSY in ask for {ADA_ID}, retry_after 1"),
        (
            errors.InvalidQueryError(SECRET, query=SECRET, position=8, sqlstate="22P02"),
            logging.WARNING,
            f"INVALID_QUERY in ask for {ADA_ID}, position 8, sqlstate 22P02",
        ),
        (errors.DatabaseError("Down."), logging.ERROR, f"DATABASE_ERROR in ask for {ADA_ID}: Down."),
        (errors.QueryTimeoutError("Slow."), logging.ERROR, f"QUERY_TIMEOUT in ask for {ADA_ID}: Slow."),
        (errors.UnavailableError("Gone."), logging.ERROR, f"UNAVAILABLE in ask for {ADA_ID}: Gone."),
        (errors.EmbeddingError("Mute."), logging.ERROR, f"EMBEDDING_ERROR in ask for {ADA_ID}: Mute."),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_was_refused_is_a_warning_without_words_and_what_failed_is_an_error_without_its_stack(
    error: errors.ZavaError, level: int, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    await failure(failing(error))
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (level, line)
    assert record.exc_info is None


async def test_the_log_says_that_nobody_asked(caplog: pytest.LogCaptureFixture) -> None:
    await Pipeline(always(None), timeout=5).call(spec_of(), {"word": "hello"})
    assert caplog.messages == ["AUTHORIZATION_ERROR in echo for nobody"]


async def test_while_a_call_is_under_way_its_tool_and_principal_are_known_and_afterwards_they_are_not() -> None:
    known: list[CallUnderWay | None] = []

    async def ask(principal: Principal) -> Echo:
        known.append(call_under_way.get())
        return Echo(principal.name, "")

    await call(spec_of(ask))
    (under_way,) = known
    assert under_way
    assert (under_way.tool, under_way.principal) == ("ask", ADA)
    assert call_under_way.get() is None


async def test_the_work_of_a_call_is_done_within_what_surrounds_it() -> None:
    steps: list[str] = []

    @contextmanager
    def within(tool: str) -> Iterator[None]:
        steps.append(f"before {tool}")
        yield
        steps.append(f"after {tool}")

    async def ask(principal: Principal) -> Echo:
        steps.append("at work")
        return Echo(principal.name, "")

    await Pipeline(always(ADA), timeout=5, within=within).call(spec_of(ask), {})
    assert steps == ["before ask", "at work", "after ask"]


async def test_an_argument_that_the_caller_invented_is_named_in_short_and_on_one_line() -> None:
    outcome = await Pipeline(always(ADA), timeout=5).call(spec_of(), {"word": "hello", "x\n" * 5000: 1})
    assert isinstance(outcome, Failure)
    assert len(outcome.message) < 200
    assert "\n" not in outcome.message


async def test_a_call_that_is_cancelled_stops_and_answers_nothing() -> None:
    started = asyncio.Event()

    async def ask(principal: Principal) -> Echo:
        started.set()
        await asyncio.sleep(60)
        return Echo(principal.name, "")

    task = asyncio.create_task(call(spec_of(ask)))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("outcome", "name"),
    [(Failure("BUSY", "Later.", retryable=True), "code"), (Answer("text", Echo("Ada", "hello")), "text")],
)
def test_an_outcome_cannot_be_changed(outcome: object, name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(outcome, name, "other")


def test_the_schemas_of_a_tool_are_json() -> None:
    spec = spec_of()
    assert json.loads(json.dumps([spec.parameters, spec.output_schema])) == [spec.parameters, spec.output_schema]


async def observed_call(spec: ToolSpec[Any], arguments: dict[str, Any], principal: Principal | None = ADA) -> Call:
    """A call as its observers are told of it."""
    told: list[Call] = []
    pipeline = Pipeline(
        always(principal),
        timeout=5,
        client=lambda: "Inspector 2.0",
        cover=lambda result: Coverage((result.by,), len(result.words)),
        observers=[told.append],
    )
    await pipeline.call(spec, arguments)
    (only,) = told
    return only


async def test_observers_are_told_who_asked_what_with_which_client_and_what_was_answered() -> None:
    told = await observed_call(spec_of(text=lambda _: "hällo"), {"word": "hello"})

    assert (told.principal, told.client, told.tool) == (ADA, "Inspector 2.0", "echo")
    assert (told.decision, told.code, told.coverage, told.text_bytes) == ("allowed", None, Coverage(("Ada",), 5), 6)
    assert 0 <= told.seconds < 5
    assert told.query is None


@pytest.mark.parametrize(
    ("error", "code", "decision"),
    [
        (errors.AuthorizationError("Not yours."), "AUTHORIZATION_ERROR", "refused"),
        (errors.BusyError("Too many."), "BUSY", "refused"),
        (errors.UnavailableError("Gone."), "UNAVAILABLE", "failed"),
        (RuntimeError(SECRET), "INTERNAL_ERROR", "failed"),
        (TimeoutError(), "INTERNAL_ERROR", "failed"),
    ],
)
async def test_observers_are_told_of_what_was_refused_and_of_what_failed(
    error: BaseException, code: str, decision: str
) -> None:
    told = await observed_call(failing(error), {})

    assert (told.code, told.decision, told.coverage) == (code, decision, Coverage())


async def test_observers_are_told_that_nobody_asked() -> None:
    told = await observed_call(spec_of(), {"word": "hello"}, None)

    assert (told.principal, told.decision) == (None, "refused")


async def test_observers_are_told_the_free_sql_of_a_call_even_when_its_arguments_are_wrong() -> None:
    spec = ToolSpec(echo, title="Echo", text=str, sql="word")

    assert (await observed_call(spec, {"word": "SELECT 1, 2, 3"})).query == "SELECT 1, 2, 3"
    assert (await observed_call(spec, {"word": 1})).query is None


async def test_observers_are_told_of_a_call_that_was_cancelled() -> None:
    told: list[Call] = []

    async def sleep(principal: Principal) -> Echo:  # noqa: ARG001
        await asyncio.sleep(60)
        raise AssertionError("it was to be cancelled")

    task = asyncio.create_task(Pipeline(always(ADA), timeout=60, observers=[told.append]).call(spec_of(sleep), {}))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert [(call.code, call.decision) for call in told] == [("CANCELLED", "failed")]


async def test_what_cannot_be_written_down_is_not_answered() -> None:
    told: list[Call] = []

    async def full(_: Call) -> None:
        raise errors.UnavailableError("The audit trail is full.")

    pipeline = Pipeline(always(ADA), timeout=5, audit=full, observers=[told.append])
    outcome = await pipeline.call(spec_of(), {"word": "hello"})

    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.message) == ("UNAVAILABLE", "The audit trail is full.")
    assert [call.code for call in told] == ["UNAVAILABLE"]


def test_every_failure_is_a_code_that_exists() -> None:
    codes = {
        value.code for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.ZavaError)
    }

    assert codes | {"INTERNAL_ERROR", "CANCELLED"} >= FAILURES
