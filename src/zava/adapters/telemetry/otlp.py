"""Spans and metrics of calls, queries, caches and models, for OpenTelemetry."""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import trace
from opentelemetry.metrics import Meter
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from zava.adapters.telemetry import names
from zava.adapters.telemetry.durations import Durations
from zava.adapters.telemetry.metrics import DATABASE_SYSTEM, Metrics
from zava.adapters.telemetry.telemetry import DatabaseServer, Telemetry
from zava.core.errors import ZavaError
from zava.core.model import Embedding, EmbeddingModel
from zava.core.observations import Call, QueryRun
from zava.core.ports import Cache, EmbeddingProvider

NANOSECONDS = 1_000_000_000


class OpenTelemetry(Telemetry):
    """Tells a tracer and a meter. What callers say, and what customers are, is in nothing of it."""

    def __init__(
        self,
        tracer: Tracer,
        meter: Meter,
        durations: Durations,
        server: DatabaseServer,
        text_of: Callable[[QueryRun], str] | None = None,
    ) -> None:
        """Creates the instruments.

        Args:
            tracer: makes the spans.
            meter: makes the instruments of the SDK.
            durations: makes those that every call is written to.
            server: is asked by every query.
            text_of: the SQL of queries that their spans carry; None when they carry none.
        """
        self._namespace = server.namespace
        self._server: dict[str, AttributeValue] = {
            names.DB_SYSTEM_NAME: DATABASE_SYSTEM,
            names.DB_NAMESPACE: server.namespace,
            names.SERVER_ADDRESS: server.address,
        }
        if server.port is not None:
            self._server[names.SERVER_PORT] = server.port
        self._tracer = self.tracer = tracer
        self._metrics = Metrics(meter, durations)
        self._text_of = text_of

    def within(self, tool: str) -> AbstractContextManager[object]:
        """A span of the use case, which is named as the tool is."""
        if not trace.get_current_span().is_recording():
            return nullcontext()
        return self._span(tool.title().replace("_", ""), SpanKind.INTERNAL)

    def observe_request(
        self, seconds: float, method: str, tool: str | None, prompt: str | None, error: str | None
    ) -> None:
        self._metrics.request(seconds, method, tool, prompt, error)

    def observe_call(self, call: Call) -> None:
        self._metrics.call(call)

    def observe_query(self, run: QueryRun) -> None:
        operation = "SELECT" if len(run.queries) == 1 else "BATCH SELECT"
        self._metrics.query(run, self._namespace, operation)
        if trace.get_current_span().is_recording():
            attributes = {**self._server, names.DB_OPERATION_NAME: operation, names.DB_QUERY_SUMMARY: run.name}
            if run.error:
                attributes[names.ERROR_TYPE] = run.error
            self._keep_span(run, attributes)

    def _keep_span(self, run: QueryRun, attributes: Mapping[str, AttributeValue]) -> None:
        """The query is over and nothing happened within it, so that its span can be made now."""
        batch = len(run.queries)
        ended_at = time.time_ns()
        span = self._tracer.start_span(
            run.name, kind=SpanKind.CLIENT, attributes=attributes, start_time=ended_at - int(run.seconds * NANOSECONDS)
        )
        if batch > 1:
            span.set_attribute(names.DB_OPERATION_BATCH_SIZE, batch)
        if run.rows is not None:
            span.set_attribute(names.DB_RETURNED_ROWS, run.rows)
        if run.error:
            span.set_status(StatusCode.ERROR)
        if self._text_of:
            span.set_attribute(names.DB_QUERY_TEXT, self._text_of(run))
        span.end(ended_at)

    def observe_tokens(self, provider: str, model: str, tokens: int) -> None:
        self._metrics.tokens(tokens, _model_attributes(provider, model))
        trace.get_current_span().set_attribute("gen_ai.usage.input_tokens", tokens)

    def cache(self, cache: Cache, name: str) -> Cache:
        return _ObservedCache(cache, name, self)

    def embeddings(self, provider: EmbeddingProvider, name: str) -> EmbeddingProvider:
        return _ObservedEmbeddings(provider, name, self)

    def watching_pool(self, name: str, read: Callable[[], Mapping[str, int]]) -> AbstractContextManager[object]:
        return self._metrics.watching_pool(name, read)

    def watching_audit(self, read: Callable[[], Mapping[str, int]]) -> AbstractContextManager[object]:
        return self._metrics.watching_audit(read)

    def rolled_up(self) -> None:
        self._metrics.rolled_up()

    @contextmanager
    def asking_cache(self, name: str) -> Iterator[Callable[[], None]]:
        """A span of one question to a cache. What it yields is called when the answer has to be computed."""
        is_hit = True

        def compute() -> None:
            nonlocal is_hit
            is_hit = False

        with self._span(f"cache {name}", SpanKind.INTERNAL, {names.CACHE_NAME: name}) as span:
            try:
                yield compute
            finally:
                self._metrics.cache_request(name, is_hit=is_hit)
                span.set_attribute(names.CACHE_RESULT, "hit" if is_hit else "miss")

    @contextmanager
    def asking_model(self, provider: str, model: str) -> Iterator[None]:
        """A span of one call of a model of embeddings."""
        attributes = _model_attributes(provider, model)
        started = time.monotonic()
        error: BaseException | None = None
        try:
            with self._span(f"embeddings {model}", SpanKind.CLIENT, attributes):
                yield
        except BaseException as failure:
            error = failure
            raise
        finally:
            if error is not None:
                attributes[names.ERROR_TYPE] = error_type(error)
            self._metrics.model_call(time.monotonic() - started, attributes)

    def _span(
        self, name: str, kind: SpanKind, attributes: Mapping[str, AttributeValue] | None = None
    ) -> AbstractContextManager[Span]:
        """A part of the current span, when that is kept."""
        if not trace.get_current_span().is_recording():
            return nullcontext(trace.INVALID_SPAN)
        return self._kept_span(name, kind, attributes)

    @contextmanager
    def _kept_span(self, name: str, kind: SpanKind, attributes: Mapping[str, AttributeValue] | None) -> Iterator[Span]:
        """A span that tells what kind of error ended it, and none of its words."""
        with self._tracer.start_as_current_span(
            name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except BaseException as error:
                span.set_attribute(names.ERROR_TYPE, error_type(error))
                span.set_status(StatusCode.ERROR)
                raise


class _ObservedCache(Cache):
    def __init__(self, cache: Cache, name: str, telemetry: OpenTelemetry) -> None:
        self._cache = cache
        self._name = name
        self._telemetry = telemetry

    async def get_or_compute(
        self, key: str, compute: Callable[[], Awaitable[bytes]], ttl: float | None = None
    ) -> bytes:
        with self._telemetry.asking_cache(self._name) as missed:

            async def computed() -> bytes:
                missed()
                return await compute()

            return await self._cache.get_or_compute(key, computed, ttl)


class _ObservedEmbeddings(EmbeddingProvider):
    def __init__(self, provider: EmbeddingProvider, name: str, telemetry: OpenTelemetry) -> None:
        self._provider = provider
        self._name = name
        self._telemetry = telemetry

    @property
    def model(self) -> EmbeddingModel:
        return self._provider.model

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        with self._telemetry.asking_model(self._name, self.model.name):
            return await self._provider.embed(texts)


def error_type(error: BaseException) -> str:
    """The code of an error of ours, and the name of any other."""
    return error.code if isinstance(error, ZavaError) else type(error).__qualname__


def _model_attributes(provider: str, model: str) -> dict[str, AttributeValue]:
    return {names.GEN_AI_OPERATION: "embeddings", names.GEN_AI_PROVIDER: provider, names.GEN_AI_MODEL: model}
