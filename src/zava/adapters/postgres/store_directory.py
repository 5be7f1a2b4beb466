"""Which stores a principal sees, from PostgreSQL."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from cachetools import TTLCache

from zava.adapters.postgres.sessions import PrincipalSessions, Question
from zava.core.model import BusinessSettings, Directory, Principal, Store
from zava.core.ports import StoreDirectory


@dataclass(frozen=True, slots=True)
class Sight(BusinessSettings):
    """The business, and how much of it is in sight."""

    sees_all_stores: bool
    reads_audit: bool


# For so many seconds who saw a store is taken to see it still.
REMEMBERED_SECONDS = 10
MOST_REMEMBERED = 10_000

STORES = Question.load("stores_of", Store)
BUSINESS = Question.load("business_settings", Sight)


@dataclass(frozen=True)
class PostgresStoreDirectory(StoreDirectory):
    """Reads retail.stores under the row policies."""

    sessions: PrincipalSessions

    async def stores_of(self, principal: Principal) -> Directory:
        answers = await self.sessions.ask(principal, {}, STORES, BUSINESS)
        (sight,) = answers[BUSINESS]
        return Directory(
            stores=tuple(answers[STORES]),
            sees_all_stores=sight.sees_all_stores,
            reads_audit=sight.reads_audit,
            business=BusinessSettings(
                time_zone=sight.time_zone,
                week_starts_on=sight.week_starts_on,
                fiscal_year_starts_in=sight.fiscal_year_starts_in,
                currency=sight.currency,
            ),
        )


class SeenStores(StoreDirectory):
    """Remembers for a moment which stores each principal was told of, so that nobody has to ask again."""

    def __init__(self, directory: StoreDirectory, clock: Callable[[], float] = monotonic) -> None:
        """Stands in front of a directory.

        Args:
            directory: is asked.
            clock: in seconds.
        """
        self._directory = directory
        self._seen: TTLCache[UUID, tuple[str, ...]] = TTLCache(MOST_REMEMBERED, REMEMBERED_SECONDS, clock)

    async def stores_of(self, principal: Principal) -> Directory:
        directory = await self._directory.stores_of(principal)
        self._seen[principal.principal_id] = tuple(store.name for store in directory.stores)
        return directory

    async def names(self, principal: Principal) -> tuple[str, ...]:
        """The stores that this principal sees, as they were told in the last seconds."""
        seen = self._seen.get(principal.principal_id)
        if seen is None:
            await self.stores_of(principal)
            seen = self._seen[principal.principal_id]
        return seen
