"""A version of the shop stands for one state of it, whatever transactions overlap and in whatever order they commit."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests import tiny_shop
from tests.contract.conftest import KEY, TestDatabase, new_pool
from tests.tiny_shop import identify
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.adapters.postgres.shop_versions import PostgresShopVersions

Connection = psycopg.Connection[Any]


@contextmanager
def writing(database: TestDatabase) -> Iterator[Connection]:
    with psycopg.connect(database.admin_dsn) as connection:
        yield connection
        connection.rollback()


def version(connection: Connection) -> str:
    row = connection.execute("SELECT data_version FROM access.shop_version()").fetchone()
    assert row
    return str(row[0])


def change(connection: Connection, store: str, product: str) -> None:
    connection.execute(
        "UPDATE retail.inventory SET stock_level = stock_level + 1 WHERE store_id = %s AND product_id = %s",
        [identify(store), identify(product)],
    )


@pytest.fixture
async def versions(tiny_copy: TestDatabase) -> AsyncIterator[PostgresShopVersions]:
    async with new_pool(tiny_copy) as pool:
        versions = PostgresShopVersions(tiny_copy.app_dsn, PrincipalSessions(pool, lambda: KEY), "zava-tests")
        yield versions
        await versions.close()


async def test_the_version_is_told(versions: PostgresShopVersions) -> None:
    first = await versions.latest()
    assert first == await versions.latest()
    assert first.data_version
    assert first.policy_version
    assert first.time_zone == "America/Los_Angeles"
    seen = await versions.seen_by(tiny_shop.PEOPLE[0].principal)
    assert (seen.data_version, seen.policy_version) == (first.data_version, first.policy_version)
