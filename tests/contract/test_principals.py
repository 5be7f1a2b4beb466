"""Whom the server knows, by subject and by token: asked as its own login, while an administrator changes it."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from pydantic import SecretStr

from tests import tiny_shop
from tests.contract.conftest import (
    KEY,
    SERVERS,
    Pool,
    TestDatabase,
    installed_by_no_superuser,
    new_pool,
    running_postgres,
)
from tests.postgres import load_tiny_shop
from zava.adapters.postgres.api_tokens import hash_of
from zava.adapters.postgres.principal_registry import PostgresPrincipalRegistry, open_registry
from zava.adapters.postgres.principals import PostgresPrincipalDirectory
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.adapters.postgres.store_directory import PostgresStoreDirectory
from zava.commands.principals import add_person, disable_person, import_people, list_people, registry_of, revoke_rights
from zava.commands.tokens import create_token, list_tokens, revoke_token
from zava.core.errors import AuthorizationError, SetupError
from zava.core.model import KnownPrincipal
from zava.core.people import TOOL_SCOPES, Person, TokenOrder
from zava.settings import DatabaseSettings, Settings

pytestmark = pytest.mark.operations

ANN = Person("idp|ann", "Ann", "store_manager", frozenset({"Seattle"}), frozenset({"personal"}))
ROBOT = Person("robot", "Robot", "head_office", grants=frozenset({"audit:read"}), scopes=frozenset({"sales:read"}))


@pytest.fixture
async def pool(tiny_copy: TestDatabase) -> AsyncIterator[Pool]:
    async with new_pool(tiny_copy) as pool:
        yield pool


@pytest.fixture
def sessions(pool: Pool) -> PrincipalSessions:
    return PrincipalSessions(pool, lambda: KEY)


@pytest.fixture
def directory(sessions: PrincipalSessions) -> PostgresPrincipalDirectory:
    return PostgresPrincipalDirectory(sessions)


@contextmanager
def registry(database: TestDatabase) -> Iterator[PostgresPrincipalRegistry]:
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection, open_registry(connection) as registry:
        yield registry


def enter(database: TestDatabase, *people: Person) -> None:
    with registry(database) as entered:
        for person in people:
            entered.enter(person)


def issue(
    database: TestDatabase, subject: str, scopes: frozenset[str] | None = None, seconds: float = 3600
) -> tuple[int, str]:
    with registry(database) as entered:
        return entered.issue(TokenOrder(subject, "a test", scopes, datetime.now(UTC) + timedelta(seconds=seconds)))


async def test_whom_an_administrator_entered_is_known_by_subject(directory: PostgresPrincipalDirectory) -> None:
    for person in (tiny_shop.SEATTLE, tiny_shop.HEAD_OFFICE, tiny_shop.STORELESS):
        scopes = TOOL_SCOPES | ({"audit:read"} & set(person.grants))
        assert await directory.by_subject(person.name) == KnownPrincipal(person.principal, scopes)


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "Stranger",
        tiny_shop.DISABLED.name,
        "seattle manager",
        "Seattle manager ",
        "%",
        "x\0",
        "\ud800",
        "x" * 10_000,
    ],
)
async def test_nobody_else_is(directory: PostgresPrincipalDirectory, subject: str) -> None:
    assert await directory.by_subject(subject) is None


async def test_the_grant_of_the_audit_trail_is_a_scope_and_others_are_not(
    tiny_copy: TestDatabase, directory: PostgresPrincipalDirectory
) -> None:
    enter(tiny_copy, ROBOT, ANN)
    robot, ann = await directory.by_subject(ROBOT.subject), await directory.by_subject(ANN.subject)
    assert robot
    assert ann
    assert robot.scopes == {"sales:read", "audit:read"}
    assert ann.scopes == TOOL_SCOPES


async def test_what_is_entered_is_what_is_listed_and_entering_it_again_changes_the_same_person(
    tiny_copy: TestDatabase, directory: PostgresPrincipalDirectory, sessions: PrincipalSessions
) -> None:
    enter(tiny_copy, ANN)
    before = await directory.by_subject(ANN.subject)
    moved = Person(ANN.subject, "Ann A.", "regional_manager", frozenset({"Tacoma", "Bellevue"}))
    enter(tiny_copy, moved)
    with registry(tiny_copy) as entered:
        (found,) = [one for one in entered.people() if one.person.subject == ANN.subject]
    assert (found.person, found.disabled, found.tokens) == (moved, False, 0)
    after = await directory.by_subject(ANN.subject)
    assert before
    assert after
    assert after.principal.principal_id == before.principal.principal_id
    seen = await PostgresStoreDirectory(sessions).stores_of(after.principal)
    assert {store.name for store in seen.stores} == moved.stores


async def test_a_token_is_good_for_its_principal_and_no_more_scopes_than_both_have(
    tiny_copy: TestDatabase, directory: PostgresPrincipalDirectory
) -> None:
    enter(tiny_copy, ROBOT)
    known = await directory.by_subject(ROBOT.subject)
    assert known
    for asked, got in (
        (None, known.scopes),
        (frozenset({"sales:read"}), {"sales:read"}),
        (frozenset({"audit:read", "sales:query"}), {"audit:read"}),
        (frozenset({"products:read"}), frozenset()),
    ):
        _, token = issue(tiny_copy, ROBOT.subject, asked)
        assert await directory.by_token(token) == KnownPrincipal(known.principal, frozenset(got))


async def test_what_resembles_a_token_is_nobodys(
    tiny_copy: TestDatabase, directory: PostgresPrincipalDirectory
) -> None:
    _, token = issue(tiny_copy, tiny_shop.SEATTLE.name)
    assert await directory.by_token(token)
    for other in ("", "zava_", token[:-1], f"{token}x", f"{token}\n", token.swapcase(), f"{token[:-1]}é", f"{token}\0"):
        assert await directory.by_token(other) is None
    sha256 = hash_of(token)
    assert sha256
    assert await directory.by_token(sha256.hex()) is None


async def test_no_token_is_kept_in_the_database(tiny_copy: TestDatabase) -> None:
    _, token = issue(tiny_copy, tiny_shop.SEATTLE.name)
    with psycopg.connect(tiny_copy.admin_dsn) as connection:
        rows = connection.execute("SELECT t::text, sha256 FROM access.tokens AS t").fetchall()
    assert hash_of(token) in [sha256 for _, sha256 in rows]
    assert not any(token in row or token.removeprefix("zava_")[:20] in row for row, _ in rows)


async def test_a_token_ends_when_it_expires(tiny_copy: TestDatabase, directory: PostgresPrincipalDirectory) -> None:
    _, token = issue(tiny_copy, tiny_shop.SEATTLE.name, seconds=1)
    assert await directory.by_token(token)
    time.sleep(1.1)  # noqa: ASYNC251 - nothing else waits
    assert await directory.by_token(token) is None


async def test_a_revoked_token_is_refused_on_the_next_call_and_others_are_not(
    tiny_copy: TestDatabase, directory: PostgresPrincipalDirectory
) -> None:
    (number, token), (_, other) = (issue(tiny_copy, tiny_shop.SEATTLE.name) for _ in range(2))
    assert await directory.by_token(token)
    with registry(tiny_copy) as entered:
        entered.revoke(number)
    assert await directory.by_token(token) is None
    assert await directory.by_token(other)
    with registry(tiny_copy) as entered:
        states = {one.token_id: one.state for one in entered.tokens()}
    assert states[number] == "revoked"


async def test_somebody_who_is_disabled_is_refused_everywhere_within_a_second(
    tiny_copy: TestDatabase, directory: PostgresPrincipalDirectory, sessions: PrincipalSessions
) -> None:
    """By subject, by token, and for those whose identity was verified before."""
    enter(tiny_copy, ANN)
    _, token = issue(tiny_copy, ANN.subject)
    known = await directory.by_subject(ANN.subject)
    assert known
    stores = PostgresStoreDirectory(sessions)
    assert (await stores.stores_of(known.principal)).stores
    started = time.monotonic()
    with registry(tiny_copy) as entered:
        entered.disable(ANN.subject, disabled=True)
    assert await directory.by_subject(ANN.subject) is None
    assert await directory.by_token(token) is None
    with pytest.raises(AuthorizationError):
        await stores.stores_of(known.principal)
    assert time.monotonic() - started < 1
    enter(tiny_copy, ANN)
    assert await directory.by_subject(ANN.subject) is None, "entering somebody again does not let them in"
    with registry(tiny_copy) as entered:
        entered.disable(ANN.subject, disabled=False)
    assert await directory.by_token(token) == known


@pytest.mark.parametrize("right", ["sales:query", "audit:read"])
async def test_a_right_that_was_taken_is_gone_on_the_next_call(
    tiny_copy: TestDatabase, directory: PostgresPrincipalDirectory, right: str, settings: Settings
) -> None:
    enter(tiny_copy, Person("idp|bo", "Bo", "head_office", grants=frozenset({"audit:read", "personal"})))
    _, token = issue(tiny_copy, "idp|bo")
    revoke_rights(settings, "idp|bo", [right])
    by_subject, by_token = await directory.by_subject("idp|bo"), await directory.by_token(token)
    assert by_subject == by_token
    assert by_subject
    assert by_subject.scopes == (TOOL_SCOPES | {"audit:read"}) - {right}


ASKED: tuple[LiteralString, ...] = ("principal_by_subject('Seattle manager', '{}')", "principal_by_token('\\x00')")


@pytest.mark.parametrize("function", [*ASKED, "scopes_of(NULL)"])
@pytest.mark.parametrize("role", ["zava_reader", "zava_sandbox", "zava_sandbox_one", "zava_writer", "zava_owner"])
def test_nobody_but_the_servers_login_may_ask_who_is_known(
    tiny_copy: TestDatabase, role: LiteralString, function: LiteralString
) -> None:
    with psycopg.connect(tiny_copy.admin_dsn, autocommit=True) as connection:
        connection.execute("SET ROLE " + role)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT access." + function)


def test_the_servers_login_reads_no_table_of_theirs(tiny_copy: TestDatabase) -> None:
    with psycopg.connect(tiny_copy.app_dsn, autocommit=True) as connection:
        for function in ASKED:
            connection.execute("SELECT access." + function)
        for query in ("TABLE access.tokens", "TABLE access.principals", "SELECT access.scopes_of(NULL)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(query)


def settings_of(database: TestDatabase, key_file: Path) -> Settings:
    connections = DatabaseSettings(
        dsn=SecretStr(database.app_dsn), admin_dsn=SecretStr(database.admin_dsn), context_key_file=key_file
    )
    return Settings(database=connections)


@pytest.fixture
def settings(tiny_copy: TestDatabase, tmp_path: Path) -> Settings:
    """The operator's, of the copy."""
    return settings_of(tiny_copy, tmp_path / "key")


def test_an_import_enters_everybody_or_nobody_and_changes_nothing_the_second_time(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "people.csv"
    file.write_text(
        "\ufeffsubject,name,role,stores,grants\n"
        'idp|1,"Lee, Kim",regional_manager,seattle;Tacoma,personal\n'
        "idp|2,Max,store_manager,Spokain,\n",
        encoding="utf-8",
    )
    with pytest.raises(SetupError, match=r"line 3: there is no store 'Spokain'"):
        import_people(settings, file)
    with registry_of(settings, "a test") as entered:
        assert not [one for one in entered.people() if one.person.subject.startswith("idp|1")]
    file.write_text(file.read_text(encoding="utf-8").replace("Spokain", "Bellevue"), encoding="utf-8")
    for said in ("Entered 2 people, changed 0, left 0", "Entered 0 people, changed 0, left 2"):
        import_people(settings, file)
        assert capsys.readouterr().out == f"{said} as they were.\n"
    list_people(settings)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("idp|1")]
    assert line.split("  ")[0].strip() == "idp|1"
    for part in ("Lee, Kim", "regional_manager", "Seattle, Tacoma", "personal", "active"):
        assert part in line


async def test_a_token_is_printed_once_and_alone(
    settings: Settings, directory: PostgresPrincipalDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    create_token(settings, tiny_shop.TACOMA.name, "till", "30d", ["sales:read"])
    shown = capsys.readouterr()
    token = shown.out.removesuffix("\n")
    known = await directory.by_token(token)
    assert known == KnownPrincipal(tiny_shop.TACOMA.principal, frozenset({"sales:read"}))
    assert token not in shown.err
    number = int(shown.err.split()[1])
    list_tokens(settings)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{number} ")]
    assert token not in line
    for part in (f"…{token[-4:]}", "till", tiny_shop.TACOMA.name, "sales:read", "good"):
        assert part in line
    revoke_token(settings, number)
    assert capsys.readouterr().out.startswith(f"Token {number} of Tacoma manager is revoked")
    assert await directory.by_token(token) is None


def test_a_token_for_nobody_is_refused_with_who_may_be_meant(settings: Settings) -> None:
    with pytest.raises(SetupError, match=r"Nobody is entered as 'Tacoma manger'\. Did you mean 'Tacoma manager'\?"):
        create_token(settings, "Tacoma manger", "", "30d", [])


def test_a_schema_that_is_too_old_is_told(settings: Settings, tiny_copy: TestDatabase) -> None:
    with psycopg.connect(tiny_copy.admin_dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE access.tokens RENAME TO tokens_to_come")
        try:
            with pytest.raises(SetupError, match="run `zava db migrate`"):
                list_people(settings)
        finally:
            connection.execute("ALTER TABLE access.tokens_to_come RENAME TO tokens")


@pytest.mark.parametrize("name", SERVERS)
def test_an_administrator_who_is_no_superuser_can_do_all_of_it(name: str, tmp_path: Path) -> None:
    with running_postgres(SERVERS[name]) as server:
        database = installed_by_no_superuser(server)
        with psycopg.connect(server.dsn(database="shop"), autocommit=True) as connection:
            load_tiny_shop(connection)
        settings = settings_of(database, tmp_path / "key")
        add_person(settings, ANN)
        create_token(settings, ANN.subject, "", "1d", [])
        disable_person(settings, ANN.subject, disabled=True)
        with registry_of(settings, "a test") as entered:
            assert [one.disabled for one in entered.people() if one.person == ANN] == [True]
            assert [one.state for one in entered.tokens()] == ["disabled"]
        with psycopg.connect(database.admin_dsn) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("TABLE access.tokens")
