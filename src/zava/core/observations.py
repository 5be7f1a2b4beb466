"""What has happened: calls of tools and queries to the database, as those are told who watch, count and keep books."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from zava.core.model import Principal

Decision: TypeAlias = Literal["allowed", "refused", "failed"]

# What is nobody's fault but the server's, or its database's; every other error refuses what was asked.
FAILURES = frozenset(
    (
        "INTERNAL_ERROR",
        "DATABASE_ERROR",
        "QUERY_TIMEOUT",
        "QUERY_STOPPED",
        "UNAVAILABLE",
        "EMBEDDING_ERROR",
        "CANCELLED",
    )
)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an answer is about.

    Attributes:
        stores: by name; None for all that the principal sees.
        rows: of the answer; None for an answer that is no list.
    """

    stores: tuple[str, ...] | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool, a resource, a prompt or a completion, as it ended.

    Attributes:
        started_at: when it came.
        principal: who asked; None for nobody.
        client: name and version of the client, by its own account; None when it gave none.
        tool: its name.
        query: free SQL, as it was written; None for what asks otherwise.
        code: of the error; None for an answer.
        coverage: of the answer.
        text_bytes: of the text that the model reads, in UTF-8.
        seconds: that it took.
        trace_id: 32 hexadecimal digits; None without a trace.
    """

    started_at: datetime
    principal: Principal | None
    client: str | None
    tool: str
    query: str | None
    code: str | None
    coverage: Coverage
    text_bytes: int
    seconds: float
    trace_id: str | None

    @property
    def decision(self) -> Decision:
        if self.code is None:
            return "allowed"
        return "failed" if self.code in FAILURES else "refused"


@dataclass(frozen=True, slots=True)
class QueryRun:
    """What was asked of the database in one transaction, as it ended.

    Attributes:
        name: of the questions, as in "stores_of, business_settings"; "execute_sales_query" for free SQL.
        queries: their SQL, with placeholders; of free SQL, the statement as it was written.
        parameters: what the placeholders stand for.
        rows: of all answers; None when there is none.
        error: SQLSTATE, or the name of what failed; None for an answer.
        seconds: that it took, waiting for a connection included.
    """

    principal: Principal
    name: str
    queries: tuple[str, ...]
    parameters: object
    rows: int | None
    error: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class AuditedCall:
    """A call as the audit trail remembers it.

    Attributes:
        principal_name: who asked; None for nobody.
        fingerprint: of free SQL, the same for queries that differ in their literals alone.
        query: free SQL without its literals.
        query_text: free SQL as it was written, where that is kept and who reads may see it.
        stores: that the answer tells of, by name; None where that could not be found out.
        row_count: of the answer; None for one that is no list.
    """

    called_at: datetime
    principal_name: str | None
    client: str | None
    tool: str
    fingerprint: str | None
    query: str | None
    query_text: str | None
    stores: Sequence[str] | None
    row_count: int | None
    text_bytes: int
    decision: Decision
    code: str | None
    seconds: float
    trace_id: str | None


@dataclass(slots=True)
class CallUnderWay:
    """A call that has come, and who asks as soon as that is known.

    Attributes:
        tool: its name.
        started_at: when it came.
        started: the same on a clock that only grows, in seconds.
    """

    tool: str
    started_at: datetime
    started: float
    principal: Principal | None = None

    @property
    def who(self) -> str:
        """As the log names them."""
        return str(self.principal.principal_id) if self.principal else "nobody"


# For what is logged meanwhile. None outside of calls.
call_under_way: ContextVar[CallUnderWay | None] = ContextVar("call_under_way", default=None)

CallObserver: TypeAlias = Callable[[Call], None]
QueryObserver: TypeAlias = Callable[[QueryRun], None]
