"""Who is known, from PostgreSQL. Asked anew each time, so that a revocation acts on the next call."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import NAMESPACE_URL, UUID, uuid5

from zava.adapters.postgres.api_tokens import hash_of
from zava.adapters.postgres.sessions import PrincipalSessions, Question
from zava.core.model import KnownPrincipal, Membership, Principal
from zava.core.people import is_subject
from zava.core.ports import PrincipalDirectory


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody who was entered, as the functions of the schema access tell of them."""

    principal_id: UUID
    name: str
    scopes: Sequence[str]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who signed in. They were entered, and have a principal_id; or else groups of theirs were."""

    principal_id: UUID | None
    name: str
    scopes: Sequence[str]
    groups: Sequence[str]


BY_SUBJECT = Question.load("principal_by_subject", SignedIn)
BY_TOKEN = Question.load("principal_by_token", Known)


@dataclass(frozen=True)
class PostgresPrincipalDirectory(PrincipalDirectory):
    """Asks functions of the schema access as the server's own login, since nobody is known to ask yet.

    Attributes:
        issuer: whose subjects they are.
    """

    sessions: PrincipalSessions
    issuer: str | None = None

    async def by_subject(self, subject: str, groups: frozenset[str] = frozenset()) -> KnownPrincipal | None:
        if not is_subject(subject):
            return None
        asked = {"subject": subject, "groups": sorted(groups)}
        for found in await self.sessions.ask_as_login(asked, BY_SUBJECT):
            if found.principal_id is None:
                membership = Membership(subject, frozenset(found.groups))
                principal = Principal(_member_id(self.issuer or "", subject), found.name, membership)
            else:
                principal = Principal(found.principal_id, found.name)
            return KnownPrincipal(principal, frozenset(found.scopes))
        return None

    async def by_token(self, token: str) -> KnownPrincipal | None:
        sha256 = hash_of(token)
        if sha256 is None:
            return None
        for known in await self.sessions.ask_as_login({"sha256": sha256}, BY_TOKEN):
            return KnownPrincipal(Principal(known.principal_id, known.name), frozenset(known.scopes))
        return None


def _member_id(issuer: str, subject: str) -> UUID:
    """The same each time, and nobody's who was entered: the database gives those a random one, of another version."""
    return uuid5(uuid5(NAMESPACE_URL, issuer), subject)
