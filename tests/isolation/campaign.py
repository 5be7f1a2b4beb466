"""Who tries what: in haste, shares of the corpus; by `make isolation-long`, everybody everything."""

import asyncio
from collections.abc import Sequence

from tests.isolation.attacks import Attack, read_attacks
from tests.isolation.conftest import LONG
from tests.isolation.shops import KINDS, Shop

# Of one test.
TIMEOUT = 3600 if LONG else 600
# Of those attacks that run to the timeout.
ONE_IN = 8
# Against each layer alone.
ATTACKERS = tuple(KINDS) if LONG else ("store_manager", "regional_manager")


def cut() -> list[Attack]:
    """All that is quick, and a part of what is slow."""
    if LONG:
        return list(read_attacks())
    attacks = [attack for attack in read_attacks() if attack.only_sql]
    return [attack for attack in attacks if not attack.slow] + [attack for attack in attacks if attack.slow][::ONE_IN]


def shares(attacks: Sequence[Attack], kinds: Sequence[str]) -> list[list[Attack]]:
    """What each of them tries. Who has no store is given what needs no table."""
    if LONG:
        return [list(attacks)] * len(kinds)
    shares: list[list[Attack]] = [[] for _ in kinds]
    for attack in attacks:
        able = [
            share
            for kind, share in zip(kinds, shares, strict=True)
            if kind != "storeless" or "retail." not in str(attack.calls)
        ]
        min(able, key=len).append(attack)
    return shares


async def breaches(shop: Shop, attacks: Sequence[Attack], kinds: Sequence[str] = ATTACKERS) -> list[str]:
    """What came through of these attacks; all kinds attack at the same time."""
    with shop.field() as field:
        async with shop.attackers(field, *kinds) as attackers:
            pairs = zip(attackers, shares(attacks, kinds), strict=True)
            found = await asyncio.gather(*(attacker.run(share) for attacker, share in pairs))
    return [str(finding) for findings in found for finding in findings]
