"""The whole corpus, sent to the real server by a real client: nothing comes through."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.isolation.attacks import read_attacks
from tests.isolation.campaign import TIMEOUT, breaches, groups
from tests.isolation.shops import KINDS, Shop, served_shop

pytestmark = pytest.mark.timeout(TIMEOUT)

CLASSES = """
arguments catalog constraint-probe context covert definer describe error-text explain governed-tools host
leaky-predicate locks masked operators performance-tool pooled-state resource schemas-tool search-schema search-tool
sessions unicode volume wrapper write
"""


@pytest.fixture(scope="module")
def shop(folder: Path) -> Iterator[Shop]:
    with served_shop(folder) as shop:
        yield shop


def test_the_corpus_has_attacks_of_every_class_and_each_under_one_name() -> None:
    attacks = read_attacks()
    assert len(attacks) >= 280
    assert set(Counter(attack.cls for attack in attacks)) == set(CLASSES.split())
    assert max(Counter(attack.name for attack in attacks).values()) == 1
    assert {attack.bad for attack in attacks} == {"leak", "success", "write", "resource"}


@pytest.mark.parametrize("kind", KINDS)
async def test_no_attack_comes_through(shop: Shop, kind: str) -> None:
    attacks = [attack for attack in read_attacks() if not attack.slow]
    assert await breaches(shop, attacks, [kind]) == []


@pytest.mark.parametrize("kinds", groups(*KINDS), ids=" ".join)
async def test_no_attack_takes_more_than_its_share_of_time_memory_and_disk(shop: Shop, kinds: Sequence[str]) -> None:
    attacks = [attack for attack in read_attacks() if attack.slow]
    assert await breaches(shop, attacks, kinds) == []
