"""A new context key, or a new password, in place of the old one, while questions are asked."""

import asyncio
import os
import stat
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import scalar_row
from pydantic import SecretStr

from tests import tiny_shop
from tests.contract.conftest import APP_PASSWORD, KEY, Pool, TestDatabase, new_pool
from zava.adapters.postgres.context import ContextKey, ContextKeyError
from zava.adapters.postgres.key_rotation import rotate_context_key
from zava.adapters.postgres.migrate import register_context_key
from zava.adapters.postgres.sandbox import PostgresSandbox, SandboxLimits
from zava.adapters.postgres.schema_catalog import PostgresSchemaCatalog
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.adapters.postgres.store_directory import PostgresStoreDirectory
from zava.commands.db import rotate_key
from zava.core.errors import ZavaError
from zava.settings import DatabaseSettings, Settings

pytestmark = pytest.mark.operations

ROTATIONS = 40
ASKING = 4


@pytest.fixture
def key_file(tiny_copy: TestDatabase, tmp_path: Path) -> Iterator[Path]:
    """The key that the database knows, which will know it again afterwards."""
    path = tmp_path / "context-key"
    path.write_bytes(KEY.secret)
    path.chmod(0o600)
    yield path
    with psycopg.connect(tiny_copy.admin_dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM access.keys WHERE key_id <> 'seal'")
        register_context_key(connection, KEY)


@pytest.fixture
def administrator(tiny_copy: TestDatabase) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(tiny_copy.admin_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def pool(tiny_copy: TestDatabase) -> AsyncIterator[Pool]:
    async with new_pool(tiny_copy) as pool:
        yield pool


@pytest.fixture
async def sandbox_pool(tiny_copy: TestDatabase) -> AsyncIterator[Pool]:
    async with new_pool(tiny_copy) as pool:
        yield pool


def known_keys(connection: psycopg.Connection[Any]) -> set[str]:
    cursor = connection.cursor(row_factory=scalar_row)
    return set(cursor.execute("SELECT key_id FROM access.keys WHERE key_id <> 'seal'").fetchall())


async def test_no_call_is_refused_while_the_key_is_changed_again_and_again(
    pool: Pool, sandbox_pool: Pool, key_file: Path, administrator: psycopg.Connection[Any]
) -> None:
    """Each server has read its file at some other time, and asks in its own way."""
    read_key = partial(ContextKey.read, key_file)
    servers = [PrincipalSessions(pool, read_key) for _ in range(ASKING)]
    sandbox = PostgresSandbox(
        PrincipalSessions(sandbox_pool, read_key, attempts=2), PostgresSchemaCatalog(servers[0]), SandboxLimits()
    )
    done = asyncio.Event()
    answered = [0] * (ASKING + 1)

    async def ask(number: int, sessions: PrincipalSessions) -> None:
        directory = PostgresStoreDirectory(sessions)
        while not done.is_set():
            found = await directory.stores_of(tiny_shop.SEATTLE.principal)
            assert [store.name for store in found.stores] == ["Seattle"]
            answered[number] += 1

    async def ask_free_sql() -> None:
        while not done.is_set():
            table = await sandbox.execute_sales_query(tiny_shop.SEATTLE.principal, "SELECT name FROM stores")
            assert table.rows == (("Seattle",),)
            answered[ASKING] += 1

    async with asyncio.TaskGroup() as tasks:
        for number, sessions in enumerate(servers):
            tasks.create_task(ask(number, sessions))
        tasks.create_task(ask_free_sql())
        used = {KEY.key_id}
        for _ in range(ROTATIONS):
            key = await asyncio.to_thread(rotate_context_key, administrator, key_file)
            used.add(key.key_id)
        done.set()
    assert len(used) == ROTATIONS + 1
    assert min(answered) > ROTATIONS / 2
    assert len(known_keys(administrator)) == 2


async def test_the_key_before_is_good_until_the_next_rotation(
    pool: Pool, key_file: Path, administrator: psycopg.Connection[Any]
) -> None:
    """A server on another machine has a copy of the file, which nobody has brought up to date yet."""
    elsewhere = PostgresStoreDirectory(PrincipalSessions(pool, lambda: KEY))
    first = rotate_context_key(administrator, key_file)
    assert known_keys(administrator) == {KEY.key_id, first.key_id}
    assert (await elsewhere.stores_of(tiny_shop.SEATTLE.principal)).stores
    second = rotate_context_key(administrator, key_file)
    assert known_keys(administrator) == {first.key_id, second.key_id}
    with pytest.raises(psycopg.Error, match="unknown key"):
        await elsewhere.stores_of(tiny_shop.SEATTLE.principal)


def test_a_clock_that_was_set_back_costs_nobody_the_new_key(
    key_file: Path, administrator: psycopg.Connection[Any]
) -> None:
    administrator.execute("UPDATE access.keys SET created_at = now() + interval '1 hour' WHERE key_id <> 'seal'")
    rotate_context_key(administrator, key_file)
    assert rotate_context_key(administrator, key_file).key_id in known_keys(administrator)


def test_the_file_keeps_its_owner_and_is_for_nobody_else(
    key_file: Path, administrator: psycopg.Connection[Any]
) -> None:
    owner = (65_534, 65_534) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(key_file, *owner)
    rotate_context_key(administrator, key_file)
    after = key_file.stat()
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (*owner, 0o600)


def test_the_old_key_stays_beside_the_new_one_by_its_name_and_nothing_else_does(
    key_file: Path, administrator: psycopg.Connection[Any]
) -> None:
    """What was signed with keys that it led to can be verified with nothing else."""
    former = key_file.with_name(f"{key_file.name}.{KEY.key_id}")
    former.hardlink_to(key_file)  # as one leaves it that is interrupted
    rotate_context_key(administrator, key_file)
    assert set(key_file.parent.iterdir()) == {key_file, former}
    assert ContextKey.read(former) == KEY


def test_a_file_that_cannot_be_replaced_leaves_everything_as_it_was(
    key_file: Path, administrator: psycopg.Connection[Any], tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(key_file)
    with pytest.raises(ContextKeyError, match="is a link"):
        rotate_context_key(administrator, link)
    key_file.chmod(0o640)
    with pytest.raises(ContextKeyError, match="open to others than its owner: chmod 600"):
        rotate_context_key(administrator, key_file)
    with pytest.raises(ContextKeyError, match="cannot be read"):
        rotate_context_key(administrator, tmp_path / "missing")
    assert (known_keys(administrator), key_file.read_bytes()) == ({KEY.key_id}, KEY.secret)


def test_two_who_change_it_at_once_take_turns(tiny_copy: TestDatabase, key_file: Path) -> None:
    def rotate() -> None:
        with psycopg.connect(tiny_copy.admin_dsn, autocommit=True) as connection:
            rotate_context_key(connection, key_file)

    threads = [threading.Thread(target=rotate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    with psycopg.connect(tiny_copy.admin_dsn, autocommit=True) as connection:
        known = known_keys(connection)
    assert ContextKey.read(key_file).key_id in known
    assert len(known) == 2


def test_the_command_names_the_new_key_and_never_tells_it(
    tiny_copy: TestDatabase, key_file: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    rotate_key(
        Settings(
            database=DatabaseSettings(
                dsn=SecretStr(tiny_copy.app_dsn),
                admin_dsn=SecretStr(tiny_copy.admin_dsn),
                context_key_file=key_file,
            )
        )
    )
    key = ContextKey.read(key_file)
    assert key != KEY
    shown = capsys.readouterr()
    assert key.key_id in shown.out
    for secret in (key, KEY):
        assert secret.secret.decode() not in shown.out + shown.err + caplog.text


async def test_a_new_password_is_read_from_its_file_without_a_restart(
    tiny_copy: TestDatabase, administrator: psycopg.Connection[Any], tmp_path: Path
) -> None:
    """Connections stay; what is connected anew reads the file anew."""
    password_file = tmp_path / "passwords"
    parts = conninfo_to_dict(tiny_copy.app_dsn)
    del parts["password"]

    def set_password(password: str) -> None:
        verifier = administrator.pgconn.encrypt_password(password.encode(), b"zava_app", b"scram-sha-256").decode()
        administrator.execute(sql.SQL("ALTER ROLE zava_app PASSWORD {}").format(sql.Literal(verifier)))

    def write_password(password: str) -> None:
        password_file.write_text(f"*:*:*:zava_app:{password}\n", encoding="utf-8")
        password_file.chmod(0o600)

    def kill_connections() -> None:
        administrator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'zava_app'")

    write_password(APP_PASSWORD)
    dsn = make_conninfo("", **{**parts, "passfile": str(password_file)})
    async with AsyncExitStack() as stack:
        stack.callback(set_password, APP_PASSWORD)
        pool = await stack.enter_async_context(new_pool(TestDatabase("", dsn)))
        directory = PostgresStoreDirectory(PrincipalSessions(pool, lambda: KEY))
        assert (await directory.stores_of(tiny_shop.SEATTLE.principal)).stores
        set_password("another")
        assert (await directory.stores_of(tiny_shop.SEATTLE.principal)).stores, "who is connected stays"
        write_password("another")
        kill_connections()
        assert (await directory.stores_of(tiny_shop.SEATTLE.principal)).stores
        # The other way round: for a moment the file has a password that is not in force yet.
        write_password("a third")
        kill_connections()
        asked = asyncio.create_task(directory.stores_of(tiny_shop.SEATTLE.principal))
        await asyncio.sleep(0.3)
        set_password("a third")
        assert (await asked).stores
        set_password("nobody's")
        kill_connections()
        hopeless = TestDatabase("", make_conninfo(dsn, connect_timeout=2))
        async with new_pool(hopeless, timeout=1) as refused:
            with pytest.raises(ZavaError):
                await PostgresStoreDirectory(PrincipalSessions(refused, lambda: KEY)).stores_of(
                    tiny_shop.SEATTLE.principal
                )
