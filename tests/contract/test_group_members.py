"""Those whom nobody has entered, by their groups: what PostgreSQL lets in, whatever the server above it says."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import scalar_row

from tests import tiny_shop
from tests.contract.conftest import KEY, Pool, TestDatabase, new_pool
from tests.tiny_shop import identify
from zava.adapters.mcp.json_web_tokens import MOST_GROUPS
from zava.adapters.postgres.context import ContextKey
from zava.adapters.postgres.principal_registry import PostgresPrincipalRegistry, open_registry
from zava.adapters.postgres.principals import PostgresPrincipalDirectory
from zava.adapters.postgres.sandbox import PostgresSandbox, SandboxLimits
from zava.adapters.postgres.schema_catalog import PostgresSchemaCatalog
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.adapters.postgres.store_directory import PostgresStoreDirectory
from zava.core.errors import AuthorizationError
from zava.core.model import KnownPrincipal, Membership, Principal
from zava.core.people import LONGEST_SUBJECT, TOOL_SCOPES, GroupRole, Person

ISSUER = "https://login.example.com"
SEATTLE = GroupRole("seattle", "store_manager", frozenset({"Seattle"}), frozenset({"sales:read"}))
TACOMA = GroupRole("tacoma", "store_manager", frozenset({"Tacoma"}), frozenset({"sales:query"}))
CHIEFS = GroupRole("chiefs", "head_office")
# All that might end a field, a text, an array or a line where it is written down.
STRANGE = GroupRole("a|b}{\",'\\ ;--|seal|ö", "store_manager", frozenset({"Bellevue"}), frozenset({"sales:read"}))
NEW = UUID("a2b9c0de-0000-5000-8000-000000000001")
ALL = {store.name for store in tiny_shop.STORES}


@contextmanager
def registry(database: TestDatabase) -> Iterator[PostgresPrincipalRegistry]:
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection, open_registry(connection) as registry:
        yield registry


@pytest.fixture
def database(tiny_copy: TestDatabase) -> Iterator[TestDatabase]:
    """Four groups are given something; whoever is entered besides the usual people is forgotten again."""
    with registry(tiny_copy) as entered:
        for group in (SEATTLE, TACOMA, CHIEFS, STRANGE):
            entered.enter_group(group)
    yield tiny_copy
    with psycopg.connect(tiny_copy.admin_dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM access.principals WHERE subject LIKE 'idp|%'")
        connection.execute("DELETE FROM access.group_roles")


@pytest.fixture
async def pool(database: TestDatabase) -> AsyncIterator[Pool]:
    async with new_pool(database) as pool:
        yield pool


@pytest.fixture
def sessions(pool: Pool) -> PrincipalSessions:
    return PrincipalSessions(pool, lambda: KEY)


@pytest.fixture
def directory(sessions: PrincipalSessions) -> PostgresPrincipalDirectory:
    return PostgresPrincipalDirectory(sessions, ISSUER)


async def member(directory: PostgresPrincipalDirectory, *groups: str, subject: str = "idp|ann") -> KnownPrincipal:
    known = await directory.by_subject(subject, frozenset(groups))
    assert known
    return known


async def seen(sessions: PrincipalSessions, principal: Principal) -> set[str]:
    return {store.name for store in (await PostgresStoreDirectory(sessions).stores_of(principal)).stores}


def signed(*fields: object, key: ContextKey = KEY) -> str:
    """A token of these fields that nobody but the server can make, and which the server might not make."""
    body = "|".join(map(str, (key.key_id, *fields)))
    return f"{body}|{hmac.new(key.secret, body.encode(), hashlib.sha256).hexdigest()}"


def membership(subject: object, *groups: str) -> str:
    return base64.b64encode(json.dumps({"subject": subject, "groups": groups}).encode()).decode()


def soon() -> int:
    return int(time.time()) + 60


def stores_by(database: TestDatabase, token: str) -> set[str]:
    """The stores that a context of this token shows. Raises as PostgreSQL does."""
    with psycopg.connect(database.app_dsn, autocommit=True) as connection, connection.transaction(force_rollback=True):
        connection.execute("SELECT access.seal_context(%s)", [token])
        connection.execute("SET LOCAL ROLE zava_reader")
        return set(connection.cursor(row_factory=scalar_row).execute("SELECT name FROM retail.stores").fetchall())


def refusal(database: TestDatabase, token: str) -> str | None:
    with pytest.raises(psycopg.Error) as refused:
        stores_by(database, token)
    return refused.value.sqlstate


# Who is let in


@pytest.mark.parametrize(
    ("groups", "stores", "scopes"),
    [
        (("seattle",), {"Seattle"}, {"sales:read"}),
        (("seattle", "nobody maps it"), {"Seattle"}, {"sales:read"}),
        (("seattle", "tacoma"), {"Seattle", "Tacoma"}, {"sales:read", "sales:query"}),
        (("chiefs",), ALL, TOOL_SCOPES),
        (("tacoma", "chiefs"), ALL, TOOL_SCOPES),
        ((STRANGE.name,), {"Bellevue"}, {"sales:read"}),
    ],
)
async def test_groups_give_somebody_their_stores_and_scopes(
    directory: PostgresPrincipalDirectory,
    sessions: PrincipalSessions,
    groups: tuple[str, ...],
    stores: set[str],
    scopes: set[str],
) -> None:
    known = await member(directory, *groups)
    assert known.scopes == scopes
    assert known.principal.name == "idp|ann"
    assert known.principal.membership == Membership("idp|ann", frozenset(groups) - {"nobody maps it"})
    found = await PostgresStoreDirectory(sessions).stores_of(known.principal)
    assert {store.name for store in found.stores} == stores
    assert found.sees_all_stores is ("chiefs" in groups)
    assert found.reads_audit is False


@pytest.mark.parametrize("groups", [("seattle",), ("seattle", "tacoma"), ("chiefs",)])
async def test_free_sql_shows_them_their_own_rows_and_customers_masked(
    directory: PostgresPrincipalDirectory, sessions: PrincipalSessions, groups: tuple[str, ...]
) -> None:
    principal = (await member(directory, *groups)).principal
    sandbox = PostgresSandbox(sessions, PostgresSchemaCatalog(sessions), SandboxLimits())
    stores = ALL if "chiefs" in groups else set(groups)
    query = "SELECT DISTINCT s.name FROM retail.orders AS o JOIN retail.stores AS s ON o.store_id = s.store_id"
    answer = await sandbox.execute_sales_query(principal, query)
    assert {str(name).lower() for (name,) in answer.rows} == {name.lower() for name in stores}
    people = await sandbox.execute_sales_query(principal, "SELECT DISTINCT substr(email, 2) FROM retail.customers")
    assert people.rows == (("***@***",),)


async def test_somebody_has_one_id_whatever_their_groups_and_nobody_elses(
    directory: PostgresPrincipalDirectory, sessions: PrincipalSessions
) -> None:
    of_another = PostgresPrincipalDirectory(sessions, f"{ISSUER}/other")
    ann = (await member(directory, "seattle")).principal.principal_id
    assert (await member(directory, "chiefs")).principal.principal_id == ann
    others = [
        (await member(directory, "seattle", subject="idp|bo")).principal.principal_id,
        (await member(of_another, "seattle")).principal.principal_id,
    ]
    assert len({ann, *others}) == 3
    # Those of entered people are random, which is version 4.
    assert {one.version for one in (ann, *others)} == {5}


async def test_without_a_group_that_is_given_something_one_is_nobody(
    database: TestDatabase, directory: PostgresPrincipalDirectory
) -> None:
    for groups in ((), ("nobody maps it",), ("Seattle",), ("seattle ",), ("seattle|chiefs",), ("{seattle}",), ("%",)):
        assert await directory.by_subject("idp|ann", frozenset(groups)) is None
        assert refusal(database, signed(NEW, soon(), membership("idp|ann", *groups))) == "ZV001"
    assert stores_by(database, signed(NEW, soon(), membership("idp|ann", "seattle"))) == {"Seattle"}


@pytest.mark.parametrize("subject", ["", " ann", "x\0", "\ud800", "x" * (LONGEST_SUBJECT + 1)])
async def test_who_could_not_be_entered_and_disabled_is_not_let_in(
    directory: PostgresPrincipalDirectory, subject: str
) -> None:
    assert await directory.by_subject(subject, frozenset({"chiefs"})) is None


async def test_as_many_and_as_long_groups_as_may_be_are_no_matter(
    database: TestDatabase, directory: PostgresPrincipalDirectory, sessions: PrincipalSessions
) -> None:
    names = [f"{number:03}{'ö' * (LONGEST_SUBJECT - 3)}" for number in range(MOST_GROUPS)]
    with registry(database) as entered:
        for name in names:
            entered.enter_group(GroupRole(name, "store_manager", frozenset({"Tacoma"})))
    known = await member(directory, *names)
    assert known.principal.membership
    assert len(known.principal.membership.groups) == MOST_GROUPS
    assert await seen(sessions, known.principal) == {"Tacoma"}


# Whom an administrator has entered


async def test_who_was_entered_is_governed_by_that_alone(
    database: TestDatabase, directory: PostgresPrincipalDirectory, sessions: PrincipalSessions
) -> None:
    with registry(database) as entered:
        entered.enter(Person("idp|ann", "Ann", "store_manager", frozenset({"Tacoma"}), scopes=frozenset()))
    known = await member(directory, "seattle", "chiefs")
    assert (known.principal.name, known.principal.membership, known.scopes) == ("Ann", None, frozenset())
    assert await seen(sessions, known.principal) == {"Tacoma"}
    # Not even by a token that the server had signed.
    for principal_id in (known.principal.principal_id, NEW):
        assert refusal(database, signed(principal_id, soon(), membership("idp|ann", "chiefs"))) == "ZV001"
    another = signed(known.principal.principal_id, soon(), membership("idp|bo", "chiefs"))
    assert refusal(database, another) == "ZV001", "nobody goes by the id of somebody who was entered"


async def test_who_is_disabled_is_let_in_by_no_group(
    database: TestDatabase, directory: PostgresPrincipalDirectory
) -> None:
    name = tiny_shop.DISABLED.name
    assert await directory.by_subject(name, frozenset({"seattle", "chiefs"})) is None
    for principal_id in (identify(name), NEW):
        assert refusal(database, signed(principal_id, soon(), membership(name, "chiefs"))) == "ZV001"


async def test_who_is_entered_and_disabled_meanwhile_is_out_on_the_next_question(
    database: TestDatabase, directory: PostgresPrincipalDirectory, sessions: PrincipalSessions
) -> None:
    known = await member(directory, "chiefs")
    assert await seen(sessions, known.principal) == ALL
    with registry(database) as entered:
        entered.enter(Person("idp|ann", "Ann", "head_office"))
        entered.disable("idp|ann", disabled=True)
    with pytest.raises(AuthorizationError):
        await seen(sessions, known.principal)
    assert await directory.by_subject("idp|ann", frozenset({"chiefs"})) is None


# What is taken from a group


async def test_a_group_that_is_given_nothing_any_more_lets_nobody_in(
    database: TestDatabase, directory: PostgresPrincipalDirectory, sessions: PrincipalSessions
) -> None:
    one, two = await member(directory, "seattle"), await member(directory, "seattle", "chiefs")
    assert await seen(sessions, one.principal) == {"Seattle"}
    assert await seen(sessions, two.principal) == ALL
    with registry(database) as entered:
        entered.remove_group("chiefs")
    assert await seen(sessions, two.principal) == {"Seattle"}
    with registry(database) as entered:
        entered.remove_group("seattle")
    for known in (one, two):
        with pytest.raises(AuthorizationError):
            await seen(sessions, known.principal)
    assert await directory.by_subject("idp|ann", frozenset({"seattle", "chiefs"})) is None


async def test_a_group_that_is_given_other_stores_has_those(
    database: TestDatabase, directory: PostgresPrincipalDirectory, sessions: PrincipalSessions
) -> None:
    principal = (await member(directory, "seattle")).principal
    with registry(database) as entered:
        entered.enter_group(GroupRole("seattle", "store_manager", frozenset({"Bellevue"})))
    assert await seen(sessions, principal) == {"Bellevue"}


# Forgeries


def test_a_token_with_any_part_changed_opens_nothing(database: TestDatabase) -> None:
    genuine = KEY.token(Principal(NEW, "idp|ann", Membership("idp|ann", frozenset({"seattle"}))), now=time.time())
    assert stores_by(database, genuine) == {"Seattle"}
    key_id, principal_id, expiry, said, mac = genuine.split("|")
    entered = tiny_shop.HEAD_OFFICE.principal.principal_id
    chiefs = membership("idp|ann", "chiefs")
    for forgery in (
        f"{key_id}|{principal_id}|{expiry}|{chiefs}|{mac}",
        f"{key_id}|{principal_id}|{expiry}|{membership('idp|bo', 'seattle')}|{mac}",
        f"{key_id}|{entered}|{expiry}|{said}|{mac}",
        f"{key_id}|{entered}|{expiry}|{mac}",
        f"{key_id}|{principal_id}|{int(expiry) + 1}|{said}|{mac}",
        f"{key_id}|{principal_id}|{expiry}|{said}|{chiefs}|{mac}",
        f"{key_id}|{principal_id}|{expiry}||{mac}",
        f"{genuine}|",
        f"{genuine} ",
        genuine[:-1],
        genuine.upper(),
        signed(principal_id, expiry, chiefs, key=ContextKey(b"another key, of somebody who guesses")),
        signed(principal_id, expiry, chiefs).replace(key_id, "seal"),
    ):
        assert refusal(database, forgery) in ("28000", "ZV002"), forgery


def test_the_token_of_somebody_who_was_entered_takes_no_groups(database: TestDatabase) -> None:
    genuine = KEY.token(tiny_shop.TACOMA.principal, now=time.time())
    head, _, mac = genuine.rpartition("|")
    assert stores_by(database, genuine) == {"Tacoma"}
    assert refusal(database, f"{head}|{membership('idp|ann', 'chiefs')}|{mac}") == "28000"


def test_a_token_has_four_parts_or_five_even_signed(database: TestDatabase) -> None:
    chiefs = membership("idp|ann", "chiefs")
    for fields in ((), (NEW,), (NEW, soon(), chiefs, ""), (NEW, soon(), chiefs, chiefs), (NEW, soon(), "", chiefs)):
        assert refusal(database, signed(*fields)) == "28000"


def test_a_membership_expires_as_every_token_does(database: TestDatabase) -> None:
    assert refusal(database, signed(NEW, int(time.time()) - 1, membership("idp|ann", "chiefs"))) == "28000"


@pytest.mark.parametrize(
    "said", ["", "e30=", "W10=", "bnVsbA==", "!", membership(None, "chiefs"), membership("", "chiefs"), "eyJncm91cHMi"]
)
def test_a_membership_of_nobody_opens_nothing_even_signed(database: TestDatabase, said: str) -> None:
    assert refusal(database, signed(NEW, soon(), said))


# Rights


@pytest.mark.parametrize(
    "role", ["zava_app", "zava_reader", "zava_sandbox", "zava_sandbox_one", "zava_writer", "zava_owner"]
)
def test_nobody_may_ask_what_groups_are_given(database: TestDatabase, role: LiteralString) -> None:
    asked: list[LiteralString] = ["SELECT access.role_of_groups('{chiefs}')", "TABLE access.group_roles"]
    if role != "zava_app":
        asked.append("SELECT access.principal_by_subject('idp|ann', '{chiefs}')")
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        connection.execute("SET ROLE " + role)
        for query in asked:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(query)


def test_what_groups_are_given_is_told_by_functions_of_the_schema_alone(database: TestDatabase) -> None:
    may_execute: LiteralString = """
        SELECT rolname
        FROM pg_roles
        WHERE NOT rolsuper AND has_function_privilege(oid, 'access.role_of_groups(text[])', 'EXECUTE')
    """
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        assert connection.execute(may_execute).fetchall() == [("zava_access",)]


def test_the_context_of_a_member_says_nothing_of_their_groups(database: TestDatabase) -> None:
    token = signed(NEW, soon(), membership("idp|ann", "seattle", "tacoma"))
    with psycopg.connect(database.app_dsn, autocommit=True) as connection, connection.transaction(force_rollback=True):
        connection.execute("SELECT access.seal_context(%s)", [token])
        context: Any = connection.execute("SELECT current_setting('zava.context')").fetchone()
    principal_id, role, stores, grants, *_ = context[0].split("|")
    assert (principal_id, role, grants) == (str(NEW), "regional_manager", "{}")
    assert set(stores.strip("{}").split(",")) == {str(identify("Seattle")), str(identify("Tacoma"))}
