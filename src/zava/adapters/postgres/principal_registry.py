"""Who is entered, in PostgreSQL, for an administrator to change."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row, scalar_row

from zava.adapters.postgres.api_tokens import hash_of, new_token
from zava.adapters.postgres.migrate import as_owners
from zava.adapters.postgres.sql import load
from zava.core.people import EnteredPerson, GroupRole, IssuedToken, Person, TokenOrder
from zava.core.ports import PrincipalRegistry

STORES = load("store_names")
PEOPLE = load("entered_people")
ENTER = load("enter_person")
DISABLE = load("disable_person")
GROUPS = load("group_roles")
ENTER_GROUP = load("enter_group")
REMOVE_GROUP = load("remove_group")
TOKENS = load("issued_tokens")
ISSUE = load("issue_token")
REVOKE = load("revoke_token")


@dataclass(frozen=True, slots=True)
class PersonRow:
    subject: str
    name: str
    role: str
    stores: Sequence[str]
    grants: Sequence[str]
    scopes: Sequence[str]
    disabled: bool
    tokens: int

    def entered(self) -> EnteredPerson:
        sets = (frozenset(names) for names in (self.stores, self.grants, self.scopes))
        return EnteredPerson(Person(self.subject, self.name, self.role, *sets), self.disabled, self.tokens)


@dataclass(frozen=True, slots=True)
class GroupRow:
    name: str
    role: str
    stores: Sequence[str]
    scopes: Sequence[str]

    def given(self) -> GroupRole:
        return GroupRole(self.name, self.role, frozenset(self.stores), frozenset(self.scopes))


@dataclass(frozen=True)
class PostgresPrincipalRegistry(PrincipalRegistry):
    """Within one transaction, as zava_access."""

    connection: psycopg.Connection[Any]

    def stores(self) -> Sequence[str]:
        return self.connection.cursor(row_factory=scalar_row).execute(STORES).fetchall()

    def people(self) -> Sequence[EnteredPerson]:
        cursor = self.connection.cursor(row_factory=class_row(PersonRow))
        return [row.entered() for row in cursor.execute(PEOPLE)]

    def enter(self, person: Person) -> None:
        self.connection.execute(
            ENTER,
            {
                "subject": person.subject,
                "name": person.name,
                "role": person.role,
                "stores": sorted(person.stores),
                "grants": sorted(person.grants),
                "scopes": sorted(person.scopes),
            },
        )

    def disable(self, subject: str, *, disabled: bool) -> None:
        self.connection.execute(DISABLE, {"subject": subject, "disabled": disabled})

    def groups(self) -> Sequence[GroupRole]:
        cursor = self.connection.cursor(row_factory=class_row(GroupRow))
        return [row.given() for row in cursor.execute(GROUPS)]

    def enter_group(self, group: GroupRole) -> None:
        self.connection.execute(
            ENTER_GROUP,
            {"name": group.name, "role": group.role, "stores": sorted(group.stores), "scopes": sorted(group.scopes)},
        )

    def remove_group(self, name: str) -> None:
        self.connection.execute(REMOVE_GROUP, {"name": name})

    def tokens(self) -> Sequence[IssuedToken]:
        return self.connection.cursor(row_factory=class_row(IssuedToken)).execute(TOKENS).fetchall()

    def issue(self, order: TokenOrder) -> tuple[int, str]:
        token = new_token()
        parameters = {
            "subject": order.subject,
            "name": order.name,
            "sha256": hash_of(token),
            "last_four": token[-4:],
            "scopes": None if order.scopes is None else sorted(order.scopes),
            "expires_at": order.expires_at,
        }
        cursor = self.connection.cursor(row_factory=scalar_row).execute(ISSUE, parameters)
        (token_id,) = cursor.fetchall()
        return token_id, token

    def revoke(self, token_id: int) -> None:
        self.connection.execute(REVOKE, {"token_id": token_id})


@contextmanager
def open_registry(connection: psycopg.Connection[Any]) -> Iterator[PostgresPrincipalRegistry]:
    """The registry, for one transaction. Who comes second waits; questions go on meanwhile.

    Args:
        connection: an administrator's, in autocommit mode.
    """
    with as_owners(connection), connection.transaction():
        connection.execute("SET LOCAL ROLE zava_access")
        connection.execute("SET LOCAL lock_timeout = '10s'")
        connection.execute("LOCK TABLE access.principals IN SHARE ROW EXCLUSIVE MODE")
        yield PostgresPrincipalRegistry(connection)
