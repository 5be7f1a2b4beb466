"""The one way into every tool, resource and prompt: who asks, is it well formed, in time, and what if it fails."""

import asyncio
import inspect
import logging
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Generic, TypeAlias, TypeVar, cast, get_type_hints

import pydantic
import pydantic_core
from opentelemetry import trace
from pydantic import ConfigDict, Field, create_model

from zava.adapters.mcp.disconnect import DisconnectedError, cancelled_on_disconnect
from zava.adapters.mcp.identity import Caller
from zava.adapters.mcp.progress import REPORT_EVERY, Report, report_progress, reported
from zava.adapters.mcp.schemas import ShortSchema, schema_of, to_json, written
from zava.adapters.mcp.scoped import check_scope
from zava.adapters.mcp.texts import picture_text
from zava.core.charts import Picture
from zava.core.errors import (
    AuthorizationError,
    BusyError,
    ChartError,
    QueryTimeoutError,
    ValidationError,
    ZavaError,
)
from zava.core.fairness import Fairness, Rate, Work
from zava.core.masking import masked
from zava.core.model import Principal
from zava.core.observations import FAILURES, Call, CallObserver, CallUnderWay, Coverage, call_under_way

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

LONGEST_FIELD = 100
# The argument of tools that can draw their answers; it is no affair of the function that finds them.
CHART = "chart"


@dataclass(frozen=True)
class Link:
    """Where more of an answer is to be had."""

    uri: str
    name: str
    description: str
    mime_type: str


@dataclass(frozen=True)
class Answer(Generic[Result]):
    """What a tool found: text for the model, structure for programs, perhaps a picture and a link for people.

    Attributes:
        json: the structure, where it has been written already.
    """

    text: str
    result: Result
    picture: Picture | None = None
    link: Link | None = None
    json: bytes | None = None

    @property
    def structured(self) -> dict[str, Any]:
        """The structured content: of a tool it is an object."""
        return cast("dict[str, Any]", to_json(self.result) if self.json is None else pydantic_core.from_json(self.json))

    @property
    def structured_json(self) -> bytes:
        """The same as JSON in UTF-8."""
        return written(self.result) if self.json is None else self.json


@dataclass(frozen=True)
class Failure:
    """Why there is no answer. All of it is safe to show."""

    code: str
    message: str
    retryable: bool
    details: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return f"{self.code}: {self.message}"

    @property
    def error(self) -> dict[str, str | int]:
        """The same for programs, without the words."""
        return {"code": self.code, "retryable": self.retryable, **self.details}


@dataclass(frozen=True, slots=True)
class Remembered:
    """A result that was found for an earlier call, of which the answer alone is left.

    Attributes:
        coverage: what it is about.
        is_table: whether there is more of it in a file.
    """

    coverage: Coverage
    is_table: bool


# Nobody reads it.
CANCELLED = Failure("CANCELLED", "The client has gone away.", retryable=True)


class ToolSpec(Generic[Result]):
    """A tool: an async function of a principal and annotated arguments, and how its result reads.

    Its name is the function's, its description the docstring, its schemas come from the annotations. Resources,
    prompts and the completion of arguments are described and called as tools are.
    """

    def __init__(  # noqa: PLR0913 - all that there is to say of a tool
        self,
        function: Callable[..., Awaitable[Result]],
        *,
        title: str,
        text: Callable[[Result], str],
        scope: str | None = None,
        scope_of: Callable[[Principal, Mapping[str, Any]], str | None] | None = None,
        view: str | None = None,
        draw: Callable[[Result], Awaitable[Picture]] | None = None,
        sql: str | Callable[[Principal, Mapping[str, Any]], str | None] | None = None,
        work: Work = Work.QUESTION,
    ) -> None:
        """A tool.

        Args:
            function: of a principal and annotated arguments.
            title: for people.
            text: what the model reads of a result.
            scope: that callers need; None when everybody may use it.
            scope_of: the scope that a call needs, where its arguments decide.
            view: URI of the resource that shows results to people; None where there is only the text.
            draw: the result as a picture. With it the tool takes one more argument, "chart".
            sql: the argument that is free SQL, or how it is found among the arguments of a principal's.
            work: the kind of it, for which callers take turns.
        """
        hints = get_type_hints(function, include_extras=True)
        fields: dict[str, Any] = {
            name: (hints[name], ... if parameter.default is parameter.empty else parameter.default)
            for name, parameter in inspect.signature(function).parameters.items()
            if name != "principal"
        }
        if draw:
            fields[CHART] = (Annotated[bool, Field(description="Add a picture")], False)
        self.name = function.__name__
        self.title = title
        self.scope = scope
        self._scope_of = scope_of
        self.view = view
        self.description = inspect.cleandoc(function.__doc__ or "")
        self._function = function
        self._text = text
        self._draw = draw
        self._sql = sql
        self._work = work
        self._arguments = create_model(self.name, __config__=ConfigDict(extra="forbid"), **fields)
        self.parameters = self._arguments.model_json_schema(schema_generator=ShortSchema)
        self.output_schema = schema_of(hints["return"])

    def scope_of(self, principal: Principal, arguments: Mapping[str, Any]) -> str | None:
        """The scope that this call needs, of arguments that were checked."""
        return self._scope_of(principal, arguments) if self._scope_of else self.scope

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the function takes them.

        Raises:
            ValidationError: the first thing that is wrong with them.
        """
        try:
            checked = self._arguments.model_validate(arguments)
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            # The name may be the caller's own invention, of any length and with anything in it.
            field = repr(".".join(map(str, first["loc"])) or "arguments")[1 : LONGEST_FIELD + 1].rstrip("'")
            raise ValidationError(field, None, first["msg"]) from error
        return {name: getattr(checked, name) for name in self._arguments.model_fields}

    def query(self, principal: Principal | None, arguments: Mapping[str, Any]) -> str | None:
        """The free SQL among the arguments as they came, which nobody has checked yet."""
        if callable(self._sql):
            return self._sql(principal, arguments) if principal else None
        text = arguments.get(self._sql) if self._sql else None
        return text if isinstance(text, str) else None

    async def answer(self, principal: Principal, arguments: Mapping[str, Any], fairness: Fairness) -> Answer[Result]:
        async with fairness.turn(principal, self._work):
            result = await self.result(principal, arguments)
        text = self._text(result)
        if self._draw is None or not arguments[CHART]:
            return Answer(text, result)
        try:
            async with fairness.turn(principal, Work.CHART):
                picture = await self._draw(result)
        except ChartError as error:
            return Answer(f"{text}\nNo chart: {error.message}.", result)
        except BusyError:
            return Answer(f"{text}\nNo chart: too many are being drawn; ask again later.", result)
        return Answer(f"{text}\n{picture_text(picture)}", result, picture)

    async def result(self, principal: Principal, arguments: Mapping[str, Any]) -> Result:
        return await self._function(
            principal, **{name: value for name, value in arguments.items() if self._draw is None or name != CHART}
        )


Audit: TypeAlias = Callable[[Call], Awaitable[None]]
WorkOut: TypeAlias = Callable[[], Awaitable[Answer[Any]]]
# The answer to a call that was admitted, with checked arguments: worked out, or remembered.
Remember: TypeAlias = Callable[[Caller, ToolSpec[Any], Mapping[str, Any], WorkOut], Awaitable[Answer[Any]]]
# Where there is nobody to be fair to.
UNBOUNDED = Fairness(Rate(math.inf, 1), {})


async def unaudited(_: Call) -> None:
    """Nothing is written down."""


async def unremembered(
    _caller: Caller, _spec: ToolSpec[Any], _arguments: Mapping[str, Any], work_out: WorkOut
) -> Answer[Any]:
    """Every answer is worked out anew."""
    return await work_out()


class Pipeline:
    """Takes every call through the same steps. A new concern is a new step here, and nowhere else."""

    def __init__(  # noqa: PLR0913 - each is a step
        self,
        identify: Callable[[], Awaitable[Caller | None]],
        *,
        timeout: float,
        link: Callable[[Principal, str, Mapping[str, Any], Any], Link | None] = lambda *_: None,
        report: Report = report_progress,
        report_every: float = REPORT_EVERY,
        client: Callable[[], str | None] = lambda: None,
        cover: Callable[[Any], Coverage] = lambda _: Coverage(),
        within: Callable[[str], AbstractContextManager[object]] = lambda _: nullcontext(),
        fairness: Fairness = UNBOUNDED,
        remember: Remember = unremembered,
        audit: Audit = unaudited,
        observers: Sequence[CallObserver] = (),
    ) -> None:
        """A pipeline.

        Args:
            identify: who makes the call that is being handled, or None for nobody.
            timeout: seconds after which a call is given up, whatever it waits for.
            link: where the result of a tool, by name and arguments, is to be had once more.
            report: tells the client how long its call has taken so far.
            report_every: seconds between two reports, and before the first.
            client: name and version of the client of this call, by its own account.
            cover: what a result is about.
            within: what surrounds the work for the tool of this name.
            fairness: what the calls of a principal may take.
            remember: answers again what was answered before, or has it worked out.
            audit: writes down what happened; when it raises a ZavaError, there is no answer.
            observers: are told what happened, in the end.
        """
        self.identify = identify
        self._timeout = timeout
        self._link = link
        self._report = report
        self._report_every = report_every
        self._client = client
        self._cover = cover
        self._within = within
        self._fairness = fairness
        self._remember = remember
        self._audit = audit
        self._observers = observers

    async def call(self, spec: ToolSpec[Any], arguments: Mapping[str, Any]) -> Answer[Any] | Failure:
        asking = CallUnderWay(spec.name, datetime.now(UTC), time.monotonic())
        token = call_under_way.set(asking)
        try:
            return await self._answer_and_write_down(spec, arguments, asking)
        finally:
            call_under_way.reset(token)

    async def _answer_and_write_down(
        self, spec: ToolSpec[Any], arguments: Mapping[str, Any], asking: CallUnderWay
    ) -> Answer[Any] | Failure:
        try:
            outcome = await self._answer(spec, arguments, asking)
        except asyncio.CancelledError:
            await self._write_down(spec, arguments, asking, CANCELLED)
            raise
        return await self._write_down(spec, arguments, asking, outcome)

    async def _answer(
        self, spec: ToolSpec[Any], arguments: Mapping[str, Any], asking: CallUnderWay
    ) -> Answer[Any] | Failure:
        try:
            caller = await self._caller()
            principal = asking.principal = caller.principal
            self._fairness.rate.take(principal)
            checked = spec.check(arguments)
            check_scope(caller, spec.name, spec.scope_of(principal, checked))
            answer = await self._in_time(spec, caller, checked)
            link = self._link(principal, spec.name, arguments, answer.result)
            return replace(answer, link=link) if link else answer
        except asyncio.CancelledError:
            _log_cancelled(spec, asking)
            raise
        except DisconnectedError:
            _log_cancelled(spec, asking)
            return CANCELLED
        except ZavaError as error:
            return _failure(spec, error, asking)
        except Exception as error:
            reference = _reference()
            # Its words may be the caller's, or a customer's.
            logger.error(  # noqa: TRY400
                "Internal server error in %s for %s, reference %s",
                spec.name,
                asking.who,
                reference,
                exc_info=masked(error),
            )
            return Failure(
                "INTERNAL_ERROR",
                f"Internal server error in {spec.name}, reference {reference}",
                retryable=False,
            )

    async def _write_down(
        self,
        spec: ToolSpec[Any],
        arguments: Mapping[str, Any],
        asking: CallUnderWay,
        outcome: Answer[Any] | Failure,
    ) -> Answer[Any] | Failure:
        call = Call(
            started_at=asking.started_at,
            principal=asking.principal,
            client=self._client(),
            tool=spec.name,
            query=spec.query(asking.principal, arguments),
            code=outcome.code if isinstance(outcome, Failure) else None,
            coverage=self._cover(outcome.result) if isinstance(outcome, Answer) else Coverage(),
            text_bytes=len(outcome.text.encode()),
            seconds=time.monotonic() - asking.started,
            trace_id=_trace_id(),
        )
        try:
            await self._audit(call)
        except ZavaError as error:
            outcome = _failure(spec, error, asking)
            call = replace(call, code=outcome.code, coverage=Coverage(), text_bytes=len(outcome.text.encode()))
        for observe in self._observers:
            observe(call)
        return outcome

    async def _in_time(self, spec: ToolSpec[Any], caller: Caller, arguments: Mapping[str, Any]) -> Answer[Any]:
        """The backstop of every call. A TimeoutError of the tool's own is a fault like any other."""
        limit = asyncio.timeout(self._timeout)
        try:
            async with limit:
                with cancelled_on_disconnect(), reported(self._report, self._report_every), self._within(spec.name):
                    work_out = partial(spec.answer, caller.principal, arguments, self._fairness)
                    return await self._remember(caller, spec, arguments, work_out)
        except TimeoutError:
            if not limit.expired():
                raise
            raise QueryTimeoutError(f"The answer took longer than {self._timeout:g} seconds. Ask for less.") from None

    async def _caller(self) -> Caller:
        caller = await self.identify()
        if caller is None:
            raise AuthorizationError("Nobody is asking: a token is needed.")
        return caller


def _failure(spec: ToolSpec[Any], error: ZavaError, asking: CallUnderWay) -> Failure:
    if error.code in FAILURES:
        logger.error("%s in %s for %s: %s", error.code, spec.name, asking.who, error.message)
    else:
        # The message of a refusal may repeat the caller's words, or a customer's.
        details = "".join(f", {name} {value}" for name, value in error.details.items())
        logger.warning("%s in %s for %s%s", error.code, spec.name, asking.who, details)
    return Failure(error.code, error.message, error.retryable, error.details)


def _log_cancelled(spec: ToolSpec[Any], asking: CallUnderWay) -> None:
    logger.info("%s was cancelled after %.3f seconds, for %s", spec.name, time.monotonic() - asking.started, asking.who)


def _trace_id() -> str | None:
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None


def _reference() -> str:
    """What the caller can tell an operator to find the log line: the trace, when there is one."""
    return _trace_id() or secrets.token_hex(16)
