"""PostgreSQL holds without the guard where connections are shared, too: through PgBouncer, by the transaction."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.contract.conftest import APP_PASSWORD, new_database, running_postgres
from tests.isolation.attacks import read_attacks
from tests.isolation.campaign import TIMEOUT, breaches, groups
from tests.isolation.conftest import LONG
from tests.isolation.harness import POOL_SIZE
from tests.isolation.shops import KINDS, admit_everything, layered_shop
from tests.pgbouncer import needs_pgbouncer, running_pgbouncer

pytestmark = [needs_pgbouncer, pytest.mark.timeout(TIMEOUT)]

# What is about connections and what stays on them; of the rest a sample.
SHARED = frozenset(("context", "covert", "locks", "pooled-state", "sessions", "wrapper"))
ONE_IN = 40


@pytest.mark.parametrize("kinds", groups(*KINDS), ids=" ".join)
async def test_no_attack_comes_through_shared_connections(folder: Path, kinds: Sequence[str]) -> None:
    attacks = [attack for attack in read_attacks() if attack.only_sql and not attack.guarded]
    if not LONG:
        quick = [attack for attack in attacks if not attack.slow]
        attacks = [attack for number, attack in enumerate(quick) if attack.cls in SHARED or number % ONE_IN == 0]
        assert {attack.cls for attack in attacks} >= SHARED
    with (
        running_postgres() as postgres,
        # Each attacker has a pool, and so has their victim: fewer than all of them together.
        running_pgbouncer(postgres.dsn(), {"zava_app": APP_PASSWORD}, size=POOL_SIZE) as pgbouncer,
        layered_shop(folder, new_database(postgres), admit_everything, pgbouncer=pgbouncer) as shop,
    ):
        assert await breaches(shop, attacks, kinds) == []
