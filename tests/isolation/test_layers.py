"""Each layer holds by itself: PostgreSQL without the guard, and the guard where PostgreSQL's catalogs are open."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.contract.conftest import new_database, running_postgres
from tests.isolation.attacks import Attack, read_attacks
from tests.isolation.shops import Shop, admit_everything, installed_without_superuser, layered_shop
from tests.isolation.test_attacks import lanes, run

pytestmark = pytest.mark.timeout(600)

ATTACKERS = ("store_manager", "regional_manager")
# `make isolation` tries them all.
ONE_IN = 8
MOST_GUARDED = 23


def cut() -> list[Attack]:
    """All that is quick, and a part of what is slow."""
    attacks = [attack for attack in read_attacks() if attack.only_sql]
    return [attack for attack in attacks if not attack.slow] + [attack for attack in attacks if attack.slow][::ONE_IN]


async def breaches(shop: Shop, attacks: Sequence[Attack]) -> list[str]:
    with shop.field() as field:
        async with shop.attackers(field, *ATTACKERS) as attackers:
            return list(map(str, await run(attackers, lanes(attacks, len(ATTACKERS)))))


def test_little_is_left_to_the_guard_alone() -> None:
    assert len([attack for attack in read_attacks() if attack.guarded]) <= MOST_GUARDED


async def test_postgresql_holds_without_the_guard(folder: Path) -> None:
    with running_postgres() as postgres, layered_shop(folder, new_database(postgres), admit_everything) as shop:
        attacks = [attack for attack in cut() if not attack.guarded]
        assert await breaches(shop, attacks) == []


async def test_the_guard_holds_where_catalogs_are_open(folder: Path) -> None:
    with (
        running_postgres() as postgres,
        layered_shop(folder, installed_without_superuser(postgres), quiet=False) as shop,
    ):
        assert await breaches(shop, cut()) == []
