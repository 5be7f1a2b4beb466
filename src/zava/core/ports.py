"""The conversations the core holds with the world. Adapters implement them and inherit them by name."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from uuid import UUID

from zava.core.model import (
    Directory,
    Embedding,
    EmbeddingModel,
    PerformanceFigures,
    Principal,
    Table,
    TableSchema,
)
from zava.core.periods import Period


class StoreDirectory(Protocol):
    """Which stores are there?"""

    async def stores_of(self, principal: Principal) -> Directory:
        """The stores that this principal sees, by name.

        Raises:
            AuthorizationError: nobody active goes by this principal.
        """
        ...


class SalesRepository(Protocol):
    """What was sold?"""

    async def store_performance(
        self, principal: Principal, stores: Sequence[UUID], period: Period
    ) -> PerformanceFigures:
        """The figures of these stores together; a store the principal does not see adds nothing."""
        ...


class SchemaCatalog(Protocol):
    """Which tables may be asked, and what is in them?"""

    async def tables(self, principal: Principal) -> Sequence[TableSchema]:
        """Every table and view that questions may use, by name; values as this principal sees them."""
        ...


class Sandbox(Protocol):
    """What does this SELECT of the caller's own say?"""

    async def execute_sales_query(self, principal: Principal, query: str) -> Table:
        """The rows of any SELECT over the tables of SchemaCatalog, as far as the principal sees them.

        Raises:
            InvalidQueryError: it is wrong, and PostgreSQL says how.
            QueryRefusedError: it is not admitted here.
            QueryTimeoutError: it ran longer than it may.
            QueryStoppedError: an operator stopped it.
            QueryTooLargeError: it needed more memory or disk than it may.
        """
        ...


class EmbeddingProvider(Protocol):
    """What do these texts mean?"""

    @property
    def model(self) -> EmbeddingModel:
        """The model that answers."""
        ...

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        """One embedding a text, in their order, however many there are. A text too long for the model is cut short.

        Raises:
            EmbeddingError: the provider cannot, or will not.
        """
        ...


class Cache(Protocol):
    """Has this been worked out before?"""

    async def get_or_compute(
        self, key: str, compute: Callable[[], Awaitable[bytes]], ttl: float | None = None
    ) -> bytes:
        """The value of this key, computed when nobody has it.

        Who asks while it is being computed waits for the same one. A computation that fails is not remembered, and all
        who wait for it get its error.

        Args:
            key: holds everything that can change the value.
            compute: works it out.
            ttl: seconds for which a new value is kept; None for as long as the cache keeps others.
        """
        ...
