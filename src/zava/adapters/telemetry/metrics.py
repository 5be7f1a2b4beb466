"""Every instrument, and what is written to it when a call or a query has ended."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.util.types import AttributeValue

from zava.adapters.telemetry import names
from zava.adapters.telemetry.durations import Durations
from zava.core.observations import Call, QueryRun

Attributes: TypeAlias = Mapping[str, AttributeValue]
Pool: TypeAlias = Callable[[], Mapping[str, int]]

# Of the semantic conventions.
REQUEST_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
QUERY_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
MODEL_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = tuple(4**power for power in range(14))

DATABASE_SYSTEM = "postgresql"

# Whose fault an error is, by its code; any other is unexpected.
FAULTS = {
    "VALIDATION_ERROR": "validation",
    "NOT_FOUND": "validation",
    "INVALID_QUERY": "validation",
    "QUERY_REFUSED": "validation",
    "AUTHORIZATION_ERROR": "authorization",
    "DATABASE_ERROR": "database",
    "QUERY_TIMEOUT": "database",
    "QUERY_STOPPED": "database",
    "QUERY_TOO_LARGE": "database",
    "UNAVAILABLE": "database",
    "BUSY": "database",
}
# What was exhausted.
LIMITS = {"BUSY": "concurrency", "QUERY_TIMEOUT": "time", "QUERY_TOO_LARGE": "memory"}
# The client has gone away: neither a success nor an error.
CANCELLED = "CANCELLED"


class Tally:
    """Sums by attributes, which the SDK is told when metrics are sent.

    A counter of the SDK's own takes twenty times as long for each addition.
    """

    def __init__(self, meter: Meter, name: str, unit: str, description: str, *attributes: str) -> None:
        """Begins at nothing.

        Args:
            meter: makes the instrument.
            name: of the metric.
            unit: of what is added.
            description: for people.
            attributes: by which sums are kept apart.
        """
        self._attributes = attributes
        self._sums: defaultdict[tuple[object, ...], float] = defaultdict(int)
        meter.create_observable_counter(name, [self._observe], unit, description)

    def add(self, amount: float, *values: object) -> None:
        """Adds to the sum of these values of the attributes, which are told as texts."""
        self._sums[values] += amount

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        # A copy, since the thread that asks is another.
        for values, total in list(self._sums.items()):
            yield Observation(total, dict(zip(self._attributes, map(str, values), strict=True)))


class Metrics:
    """Writes down how often, how long and how it ended. Attributes have few values, and none is a caller's own."""

    def __init__(self, meter: Meter, durations: Durations, clock: Callable[[], float] = time.monotonic) -> None:
        """Creates the instruments.

        Args:
            meter: makes those of the SDK.
            durations: makes those that every call is written to.
            clock: seconds that only grow.
        """
        self._clock = clock
        self._rolled_up_at: float | None = None
        self._pools: dict[str, Pool] = {}
        self._audit: Pool = dict

        self._request_duration = durations.new(
            "mcp.server.operation.duration",
            "Requests of MCP clients",
            REQUEST_SECONDS,
            names.MCP_METHOD,
            names.GEN_AI_TOOL,
            names.GEN_AI_PROMPT,
            names.ERROR_TYPE,
        )
        self._db_duration = durations.new(
            "db.client.operation.duration",
            "Transactions of queries, waiting for a connection included",
            QUERY_SECONDS,
            names.DB_SYSTEM_NAME,
            names.DB_NAMESPACE,
            names.DB_OPERATION_NAME,
            names.DB_QUERY_SUMMARY,
            names.ERROR_TYPE,
        )
        self._query_duration = durations.new(
            "query_duration", "Transactions of queries, by what they ask", QUERY_SECONDS, "type"
        )
        self._operation_duration = durations.new(
            "operation_duration", "Calls of tools, resources, prompts and completions", REQUEST_SECONDS, "operation"
        )
        self._model_duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "Calls of embedding models",
            explicit_bucket_boundaries_advisory=list(MODEL_SECONDS),
        )

        tally = partial(Tally, meter)
        self._query_total = tally(
            "query_total", "{query}", "Transactions of queries, by what they ask: success or error", "type", "status"
        )
        self._success = tally(
            "operation_success", "{call}", "Calls that were answered, by tool, resource or prompt", "operation"
        )
        self._error = tally(
            "operation_error",
            "{call}",
            "Calls that were not answered: validation, authorization, database or unexpected",
            "operation",
            "type",
        )
        self._refusals = tally("zava.refusals", "{call}", "Calls that were refused", "code", "tool")
        self._limits = tally(
            "zava.limits.hit", "{call}", "Calls that met a limit: of concurrency, time or memory", "limit"
        )
        self._calls = tally("zava.principal.calls", "{call}", "Calls of a principal", names.PRINCIPAL_ID)
        self._seconds = tally("zava.principal.duration", "s", "Seconds spent for a principal", names.PRINCIPAL_ID)
        self._cache = tally(
            "zava.cache.requests",
            "{request}",
            "What caches were asked: hit or miss",
            names.CACHE_NAME,
            names.CACHE_RESULT,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Tokens that embedding models have read",
            explicit_bucket_boundaries_advisory=list(TOKENS),
        )
        meter.create_observable_up_down_counter(
            "db.client.connection.count", [self._connections], "{connection}", "Connections: used or idle"
        )
        meter.create_observable_up_down_counter(
            "db.client.connection.max", [self._most], "{connection}", "Connections at most"
        )
        meter.create_observable_up_down_counter(
            "db.client.connection.pending_requests",
            [self._waiting],
            "{request}",
            "Questions that wait for a connection",
        )
        meter.create_observable_gauge(
            "zava.rollup.age", [self._rollup_age], "s", "Since every day's sales were last known to be summed"
        )
        meter.create_observable_gauge(
            "zava.audit.spooled",
            [self._audited("waiting")],
            "{row}",
            "Rows of the audit trail that wait for the database",
        )
        meter.create_observable_counter(
            "zava.audit.written", [self._audited("written")], "{row}", "Rows that were brought to the database"
        )
        meter.create_observable_counter(
            "zava.audit.refused", [self._audited("refused")], "{call}", "Calls refused, since they could not be audited"
        )

    def request(self, seconds: float, method: str, tool: str | None, prompt: str | None, error: str | None) -> None:
        self._request_duration.record(seconds, method, tool, prompt, error)

    def call(self, call: Call) -> None:
        self._operation_duration.record(call.seconds, call.tool)
        if call.code is None:
            self._success.add(1, call.tool)
        elif call.code != CANCELLED:
            self._error.add(1, call.tool, FAULTS.get(call.code, "unexpected"))
        if call.code is not None and call.decision == "refused":
            self._refusals.add(1, call.code, call.tool)
        if limit := LIMITS.get(call.code or ""):
            self._limits.add(1, limit)
        if call.principal:
            self._calls.add(1, call.principal.principal_id)
            self._seconds.add(call.seconds, call.principal.principal_id)

    def query(self, run: QueryRun, namespace: str, operation: str) -> None:
        self._db_duration.record(run.seconds, DATABASE_SYSTEM, namespace, operation, run.name, run.error)
        self._query_duration.record(run.seconds, run.name)
        self._query_total.add(1, run.name, "error" if run.error else "success")

    def cache_request(self, name: str, *, is_hit: bool) -> None:
        self._cache.add(1, name, "hit" if is_hit else "miss")

    def model_call(self, seconds: float, attributes: Attributes) -> None:
        self._model_duration.record(seconds, attributes)

    def tokens(self, tokens: int, attributes: Attributes) -> None:
        self._tokens.record(tokens, {**attributes, names.GEN_AI_TOKEN_TYPE: "input"})

    @contextmanager
    def watching_pool(self, name: str, read: Pool) -> Iterator[None]:
        """Reads the figures of a pool whenever metrics are sent."""
        self._pools = {**self._pools, name: read}
        try:
            yield
        finally:
            self._pools = {other: figures for other, figures in self._pools.items() if other != name}

    @contextmanager
    def watching_audit(self, read: Pool) -> Iterator[None]:
        """Reads the figures of the audit trail whenever metrics are sent."""
        self._audit = read
        try:
            yield
        finally:
            self._audit = dict

    def rolled_up(self) -> None:
        self._rolled_up_at = self._clock()

    def _connections(self, _: CallbackOptions) -> Iterable[Observation]:
        for name, read in self._pools.items():
            figures = read()
            idle = figures.get("pool_available", 0)
            used = figures.get("pool_size", 0) - idle
            yield Observation(idle, {names.DB_POOL_NAME: name, names.DB_POOL_STATE: "idle"})
            yield Observation(used, {names.DB_POOL_NAME: name, names.DB_POOL_STATE: "used"})

    def _most(self, _: CallbackOptions) -> Iterable[Observation]:
        for name, read in self._pools.items():
            yield Observation(read().get("pool_max", 0), {names.DB_POOL_NAME: name})

    def _waiting(self, _: CallbackOptions) -> Iterable[Observation]:
        for name, read in self._pools.items():
            yield Observation(read().get("requests_waiting", 0), {names.DB_POOL_NAME: name})

    def _audited(self, figure: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda _: [Observation(amount) for name, amount in self._audit().items() if name == figure]

    def _rollup_age(self, _: CallbackOptions) -> Iterable[Observation]:
        if self._rolled_up_at is not None:
            yield Observation(self._clock() - self._rolled_up_at)
