"""What an administrator enters is what is there, says the fake as PostgreSQL does; nothing of it is left afterwards."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.rows import tuple_row

from tests.contract.conftest import SERVERS, TestDatabase
from tests.fakes import FakePrincipalRegistry
from tests.tiny_shop import identify
from zava.adapters.postgres.principal_registry import open_registry
from zava.core.people import EnteredPerson, GroupRole, Person, TokenOrder
from zava.core.ports import PrincipalRegistry

ANN = Person("idp|ann", "Ann", "regional_manager", frozenset({"Seattle", "Tacoma"}), frozenset({"personal"}))
BO = Person("bo", "Bo", "head_office", grants=frozenset({"audit:read"}), scopes=frozenset({"sales:read"}))
TOMORROW = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture(params=["fake", *SERVERS])
def registry(
    request: pytest.FixtureRequest, open_tiny_shop: Callable[[str], TestDatabase]
) -> Iterator[PrincipalRegistry]:
    """Nobody is entered yet."""
    if request.param == "fake":
        yield FakePrincipalRegistry()
        return
    with (
        psycopg.connect(open_tiny_shop(request.param).admin_dsn, autocommit=True) as connection,
        connection.transaction(force_rollback=True),
    ):
        connection.execute("DELETE FROM access.principals")
        with open_registry(connection) as registry:
            yield registry


def test_the_stores_are_those_of_the_shop(registry: PrincipalRegistry) -> None:
    assert registry.stores() == ["Bellevue", "Seattle", "Tacoma"]


def test_everybody_who_was_entered_is_there_by_name(registry: PrincipalRegistry) -> None:
    assert list(registry.people()) == []
    for person in (BO, ANN):
        registry.enter(person)
    assert list(registry.people()) == [EnteredPerson(person, disabled=False, tokens=0) for person in (ANN, BO)]


@pytest.mark.parametrize(
    "after",
    [
        replace(ANN, name="Ann A."),
        replace(ANN, role="store_manager", stores=frozenset({"Bellevue"})),
        replace(ANN, role="head_office", stores=frozenset(), grants=frozenset({"audit:read"})),
        replace(ANN, grants=frozenset(), scopes=frozenset()),
    ],
)
def test_who_is_entered_again_is_as_they_were_entered_last(registry: PrincipalRegistry, after: Person) -> None:
    for person in (ANN, BO, after, after):
        registry.enter(person)
    assert {one.person for one in registry.people()} == {after, BO}


def test_who_is_disabled_stays_so_until_they_are_enabled(registry: PrincipalRegistry) -> None:
    registry.enter(ANN)
    registry.disable(ANN.subject, disabled=True)
    registry.enter(replace(ANN, name="Ann A."))
    assert [one.disabled for one in registry.people()] == [True]
    registry.disable(ANN.subject, disabled=False)
    assert [one.disabled for one in registry.people()] == [False]


def test_tokens_are_listed_by_what_anybody_may_see_of_them(registry: PrincipalRegistry) -> None:
    for person in (ANN, BO):
        registry.enter(person)
    first, token = registry.issue(TokenOrder(ANN.subject, "till", frozenset({"sales:read", "products:read"}), TOMORROW))
    second, _ = registry.issue(TokenOrder(BO.subject, "", None, TOMORROW))
    one, other = registry.tokens()
    assert (one.token_id, one.subject, one.principal, one.name) == (first, ANN.subject, "Ann", "till")
    assert (one.last_four, one.scopes, one.expires_at) == (token[-4:], ["products:read", "sales:read"], TOMORROW)
    assert (other.token_id, other.scopes, other.name) == (second, None, "")
    assert one.created_at < TOMORROW
    assert first < second
    assert [one.tokens for one in registry.people()] == [1, 1]


def test_a_token_is_good_until_it_is_revoked_or_its_principal_disabled(registry: PrincipalRegistry) -> None:
    registry.enter(ANN)
    numbers = [registry.issue(TokenOrder(ANN.subject, "", None, TOMORROW))[0] for _ in range(2)]
    assert [token.state for token in registry.tokens()] == ["good", "good"]
    registry.revoke(numbers[0])
    assert [token.state for token in registry.tokens()] == ["revoked", "good"]
    registry.disable(ANN.subject, disabled=True)
    assert [token.state for token in registry.tokens()] == ["revoked", "disabled"]
    assert [one.tokens for one in registry.people()] == [1]


def test_a_group_is_given_what_it_was_given_last_until_that_is_taken(registry: PrincipalRegistry) -> None:
    chiefs = GroupRole("chiefs", "head_office")
    managers = GroupRole("a/managers", "regional_manager", frozenset({"Seattle", "Tacoma"}), frozenset({"sales:read"}))
    less = replace(managers, role="store_manager", stores=frozenset({"Bellevue"}), scopes=frozenset())
    for group in (chiefs, managers):
        registry.enter_group(group)
    assert registry.groups() == [managers, chiefs]
    registry.enter_group(less)
    assert registry.groups() == [less, chiefs]
    registry.remove_group(chiefs.name)
    assert registry.groups() == [less]


GROUPS = (
    GroupRole("seattle", "store_manager", frozenset({"Seattle"}), frozenset({"sales:read"})),
    GroupRole("tacoma", "store_manager", frozenset({"Tacoma"}), frozenset({"sales:read", "sales:query"})),
    GroupRole("sound", "regional_manager", frozenset({"Seattle"}), frozenset()),
    GroupRole("chiefs", "head_office", frozenset(), frozenset({"products:read"})),
)


@pytest.mark.parametrize(
    ("asked", "role", "stores", "scopes"),
    [
        (["seattle"], "store_manager", {"Seattle"}, ["sales:read"]),
        (["seattle", "nobody knows it"], "store_manager", {"Seattle"}, ["sales:read"]),
        (["seattle", "seattle", "tacoma"], "regional_manager", {"Seattle", "Tacoma"}, ["sales:query", "sales:read"]),
        (["sound"], "regional_manager", {"Seattle"}, []),
        (["sound", "seattle"], "regional_manager", {"Seattle"}, ["sales:read"]),
        (["chiefs", "tacoma"], "head_office", {"Tacoma"}, ["products:read", "sales:query", "sales:read"]),
    ],
)
def test_of_several_groups_the_widest_role_counts_and_all_stores_and_scopes(
    tiny_database: TestDatabase, asked: list[str], role: str, stores: set[str], scopes: list[str]
) -> None:
    with (
        psycopg.connect(tiny_database.admin_dsn, autocommit=True, row_factory=tuple_row) as connection,
        connection.transaction(force_rollback=True),
        open_registry(connection) as registry,
    ):
        for group in GROUPS:
            registry.enter_group(group)
        resolve = "SELECT role, stores, scopes FROM access.role_of_groups(%s)"
        assert connection.execute(resolve, [asked]).fetchall() == [(role, sorted(map(identify, stores)), scopes)]
        for unknown in ([], ["nobody knows it"], None):
            assert connection.execute(resolve, [unknown]).fetchall() == []
