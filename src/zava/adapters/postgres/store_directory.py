"""Which stores a principal sees, from PostgreSQL."""

from dataclasses import dataclass

from zava.adapters.postgres.sessions import PrincipalSessions, Question
from zava.core.model import BusinessSettings, Directory, Principal, Store
from zava.core.ports import StoreDirectory


@dataclass(frozen=True, slots=True)
class Sight(BusinessSettings):
    """The business, and how much of it is in sight."""

    sees_all_stores: bool
    reads_audit: bool


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
