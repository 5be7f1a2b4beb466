"""The whole corpus, sent to the real server by a real client: nothing comes through."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.isolation.attacks import Attack, read_attacks
from tests.isolation.harness import Attacker, Finding
from tests.isolation.shops import KINDS, Shop, served_shop

pytestmark = pytest.mark.timeout(600)

CLASSES = """
arguments catalog constraint-probe context covert definer describe error-text explain host leaky-predicate locks masked
operators performance-tool pooled-state resource schemas-tool sessions unicode volume wrapper write
"""


@pytest.fixture(scope="module")
def shop(folder: Path) -> Iterator[Shop]:
    with served_shop(folder) as shop:
        yield shop


def lanes(attacks: Sequence[Attack], count: int) -> list[list[Attack]]:
    """Shares for so many attackers. The last of them has no store, and is given what needs no table."""
    shares: list[list[Attack]] = [[] for _ in range(count)]
    for attack in attacks:
        shares_open = shares[:-1] if "retail." in str(attack.calls) else shares
        min(shares_open, key=len).append(attack)
    return shares


async def run(attackers: Sequence[Attacker], shares: Sequence[Sequence[Attack]]) -> list[Finding]:
    """Each attacker tries their share, all at the same time."""
    found = await asyncio.gather(*(attacker.run(share) for attacker, share in zip(attackers, shares, strict=True)))
    return [finding for findings in found for finding in findings]


def test_the_corpus_has_attacks_of_every_class_and_each_under_one_name() -> None:
    attacks = read_attacks()
    assert len(attacks) >= 280
    assert set(Counter(attack.cls for attack in attacks)) == set(CLASSES.split())
    assert max(Counter(attack.name for attack in attacks).values()) == 1
    assert {attack.bad for attack in attacks} == {"leak", "success", "write", "resource"}


@pytest.mark.parametrize("kind", KINDS)
async def test_no_attack_comes_through(shop: Shop, kind: str) -> None:
    attacks = [attack for attack in read_attacks() if not attack.slow]
    with shop.field() as field:
        async with shop.attackers(field, kind) as attackers:
            assert list(map(str, await run(attackers, [attacks]))) == []


async def test_no_attack_takes_more_than_its_share_of_time_memory_and_disk(shop: Shop) -> None:
    attacks = [attack for attack in read_attacks() if attack.slow]
    with shop.field() as field:
        async with shop.attackers(field, *KINDS) as attackers:
            assert list(map(str, await run(attackers, lanes(attacks, len(KINDS))))) == []
