"""Who is known, from PostgreSQL. Asked anew each time, so that a revocation acts on the next call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from zava.adapters.postgres.api_tokens import hash_of
from zava.adapters.postgres.sessions import PrincipalSessions, Question
from zava.core.model import KnownPrincipal, Principal
from zava.core.people import is_subject
from zava.core.ports import PrincipalDirectory


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody, as the functions of the schema access tell of them."""

    principal_id: UUID
    name: str
    scopes: Sequence[str]


BY_SUBJECT = Question.load("principal_by_subject", Known)
BY_TOKEN = Question.load("principal_by_token", Known)


@dataclass(frozen=True)
class PostgresPrincipalDirectory(PrincipalDirectory):
    """Asks functions of the schema access as the server's own login, since nobody is known to ask yet."""

    sessions: PrincipalSessions

    async def by_subject(self, subject: str) -> KnownPrincipal | None:
        return await self._known(BY_SUBJECT, {"subject": subject}) if is_subject(subject) else None

    async def by_token(self, token: str) -> KnownPrincipal | None:
        sha256 = hash_of(token)
        return await self._known(BY_TOKEN, {"sha256": sha256}) if sha256 else None

    async def _known(self, question: Question[Known], parameters: Mapping[str, object]) -> KnownPrincipal | None:
        for known in await self.sessions.ask_as_login(parameters, question):
            return KnownPrincipal(Principal(known.principal_id, known.name), frozenset(known.scopes))
        return None
