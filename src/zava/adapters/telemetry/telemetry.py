"""What Zava tells of itself to those who operate it: to nobody, unless told where to."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from opentelemetry.trace import Tracer

from zava.core.observations import Call, QueryRun
from zava.core.ports import Cache, EmbeddingProvider


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """Where the shop is.

    Attributes:
        namespace: the name of the database.
        address: its host, or the folder of its socket.
        port: None for a socket.
    """

    namespace: str
    address: str
    port: int | None = None


class Telemetry:
    """Tells nobody, and costs nothing. A subclass tells more.

    Attributes:
        tracer: makes the spans of requests; None where there are none.
    """

    tracer: Tracer | None = None

    def within(self, tool: str) -> AbstractContextManager[object]:  # noqa: ARG002
        """What surrounds the work for a tool."""
        return nullcontext()

    def observe_request(
        self, seconds: float, method: str, tool: str | None, prompt: str | None, error: str | None
    ) -> None:
        """Takes note of a request that has ended, by the tool or the prompt that it named, and its kind of error."""

    def observe_call(self, call: Call) -> None:
        """Takes note of a call that has ended."""

    def observe_query(self, run: QueryRun) -> None:
        """Takes note of a query that has ended."""

    def observe_tokens(self, provider: str, model: str, tokens: int) -> None:
        """Takes note of the tokens that a provider's model has read to embed texts."""

    def cache(self, cache: Cache, name: str) -> Cache:  # noqa: ARG002
        """The cache, with note taken of what is asked of it."""
        return cache

    def embeddings(self, provider: EmbeddingProvider, name: str) -> EmbeddingProvider:  # noqa: ARG002
        """The provider of this name, with note taken of what is asked of it."""
        return provider

    def watching_pool(self, name: str, read: Callable[[], Mapping[str, int]]) -> AbstractContextManager[object]:  # noqa: ARG002
        """Looks at a pool of connections from time to time.

        Args:
            name: of the pool.
            read: its figures, as psycopg_pool names them.
        """
        return nullcontext()

    def watching_audit(self, read: Callable[[], Mapping[str, int]]) -> AbstractContextManager[object]:  # noqa: ARG002
        """Looks at the audit trail from time to time.

        Args:
            read: how many rows are "waiting" and "written", and how many calls were "refused".
        """
        return nullcontext()

    def rolled_up(self) -> None:
        """Takes note that every day's sales are summed, as of now."""
