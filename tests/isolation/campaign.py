"""Who tries what: in haste some share the attacks; by `make isolation-long` everybody tries everything."""

import asyncio
from collections.abc import Sequence

from tests.isolation.attacks import Attack, read_attacks
from tests.isolation.conftest import LONG
from tests.isolation.shops import KINDS, Shop

# Of one test.
TIMEOUT = 3600 if LONG else 600
# Of those attacks that run to the timeout.
ONE_IN = 8


def groups(*kinds: str) -> list[tuple[str, ...]]:
    """Those who attack at the same time, and share the attacks; when there is time, each alone with all of them."""
    return [(kind,) for kind in KINDS] if LONG else [kinds]


def cut() -> list[Attack]:
    """All that is quick, and a part of what is slow."""
    if LONG:
        return list(read_attacks())
    attacks = [attack for attack in read_attacks() if attack.only_sql]
    return [attack for attack in attacks if not attack.slow] + [attack for attack in attacks if attack.slow][::ONE_IN]


def shares(attacks: Sequence[Attack], kinds: Sequence[str]) -> list[list[Attack]]:
    """What each of them tries. Who has no store among others is given what needs no table."""
    shares: dict[str, list[Attack]] = {kind: [] for kind in kinds}
    for attack in attacks:
        able = [kind for kind in kinds if kind != "storeless" or "retail." not in str(attack.calls)]
        min((shares[kind] for kind in able or kinds), key=len).append(attack)
    return list(shares.values())


async def breaches(shop: Shop, attacks: Sequence[Attack], kinds: Sequence[str]) -> list[str]:
    """What came through of these attacks."""
    with shop.field() as field:
        async with shop.attackers(field, *kinds) as attackers:
            pairs = zip(attackers, shares(attacks, kinds), strict=True)
            found = await asyncio.gather(*(attacker.run(share) for attacker, share in pairs))
    return [str(finding) for findings in found for finding in findings]
