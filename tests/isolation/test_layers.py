"""Each layer holds by itself: PostgreSQL without the guard, and the guard where PostgreSQL's catalogs are open."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.contract.conftest import SERVERS, new_database, running_postgres
from tests.isolation.attacks import read_attacks
from tests.isolation.campaign import TIMEOUT, breaches, cut, groups
from tests.isolation.shops import admit_everything, installed_without_superuser, layered_shop

pytestmark = pytest.mark.timeout(TIMEOUT)

ATTACKERS = groups("store_manager", "regional_manager")
MOST_GUARDED = 24


def test_little_is_left_to_the_guard_alone() -> None:
    assert len([attack for attack in read_attacks() if attack.guarded]) <= MOST_GUARDED


@pytest.mark.parametrize("kinds", ATTACKERS, ids=" ".join)
async def test_postgresql_holds_without_the_guard(folder: Path, kinds: Sequence[str]) -> None:
    with running_postgres() as postgres, layered_shop(folder, new_database(postgres), admit_everything) as shop:
        attacks = [attack for attack in cut() if not attack.guarded]
        assert await breaches(shop, attacks, kinds) == []


@pytest.mark.parametrize("kinds", ATTACKERS, ids=" ".join)
@pytest.mark.parametrize("server", SERVERS)
async def test_the_guard_holds_where_catalogs_are_open(folder: Path, server: str, kinds: Sequence[str]) -> None:
    with (
        running_postgres(SERVERS[server]) as postgres,
        layered_shop(folder, installed_without_superuser(postgres), quiet=False) as shop,
    ):
        assert await breaches(shop, cut(), kinds) == []
