"""Whom the server knows, by subject and by token: asked as its own login, while an administrator changes it."""

from collections.abc import AsyncIterator

import pytest

from tests import tiny_shop
from tests.contract.conftest import KEY, Pool, TestDatabase, new_pool
from zava.adapters.postgres.principals import PostgresPrincipalDirectory
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.core.model import KnownPrincipal
from zava.core.people import SCOPES


@pytest.fixture
async def pool(tiny_copy: TestDatabase) -> AsyncIterator[Pool]:
    async with new_pool(tiny_copy) as pool:
        yield pool


@pytest.fixture
def directory(pool: Pool) -> PostgresPrincipalDirectory:
    return PostgresPrincipalDirectory(PrincipalSessions(pool, lambda: KEY))


async def test_whom_an_administrator_entered_is_known_by_subject(directory: PostgresPrincipalDirectory) -> None:
    for person in (tiny_shop.SEATTLE, tiny_shop.HEAD_OFFICE, tiny_shop.STORELESS):
        assert await directory.by_subject(person.name) == KnownPrincipal(person.principal, SCOPES)


@pytest.mark.parametrize(
    "subject",
    ["", "Stranger", tiny_shop.DISABLED.name, "seattle manager", "Seattle manager ", "%", "x\0", "\ud800", "x" * 10_000],
)
async def test_nobody_else_is(directory: PostgresPrincipalDirectory, subject: str) -> None:
    assert await directory.by_subject(subject) is None
