"""The test of the test: what comes through is seen, and a shop that refuses everything is no success."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from tests.contract.conftest import new_database, running_postgres
from tests.isolation.attacks import QUERY, Attack, Call, read_attacks
from tests.isolation.campaign import breaches
from tests.isolation.harness import Attacker, Outcome, too_much
from tests.isolation.shops import Shop, admit_everything, layered_shop
from tests.isolation.watching import Strain

pytestmark = pytest.mark.timeout(600)

QUICK = [attack for attack in read_attacks() if attack.only_sql and not (attack.slow or attack.guarded)]
PREDICATES = [attack for attack in QUICK if attack.cls == "leaky-predicate"]
CATALOGS = [attack for attack in QUICK if attack.cls in {"volume", "catalog"}]
HARMLESS = Attack("harmless", "none", (Call(QUERY, {"postgresql_query": "SELECT 1"}),), "leak", "CANARY")
MANAGER = "store_manager"

# Of who has one store: on the tables, and on what is behind the view of customers.
POLICIES = """
DO $$
DECLARE
    policy record;
BEGIN
    FOR policy IN
        SELECT polname, polrelid::regclass AS of_table FROM pg_policy
        WHERE polname = 'one_store' OR polrelid = 'retail.customer_records'::regclass AND polname = 'own_stores'
    LOOP
        EXECUTE format('ALTER POLICY %I ON %s USING ({})', policy.polname, policy.of_table);
    END LOOP;
END
$$
"""
RUN = "sandbox.run_for_one(text, integer, integer)"


@pytest.fixture(scope="module")
def shop(folder: Path) -> Iterator[Shop]:
    """Without the guard, which would hide what else is broken."""
    with running_postgres() as postgres, layered_shop(folder, new_database(postgres), admit_everything) as shop:
        yield shop


@contextmanager
def broken(shop: Shop, how: str, repair: str) -> Iterator[None]:
    with psycopg.connect(shop.admin_dsn, autocommit=True) as connection:
        connection.execute(how.encode())
        try:
            yield
        finally:
            connection.execute(repair.encode())


@asynccontextmanager
async def attacker(shop: Shop) -> AsyncIterator[Attacker]:
    with shop.field() as field:
        async with shop.attackers(field, MANAGER) as (attacker,):
            yield attacker


async def came_through(shop: Shop, attacks: list[Attack]) -> dict[str, set[str]]:
    """How each attack is found out, without the harmless queries that would be found out before."""
    async with attacker(shop) as somebody:
        found = [finding for attack in attacks for finding in await somebody.attempt(attack)]
    return {name: {f.verdict for f in found if f.attack == name} for name in {f.attack for f in found}}


async def test_nothing_comes_through_while_nothing_is_broken(shop: Shop) -> None:
    assert await breaches(shop, PREDICATES + CATALOGS, [MANAGER]) == []


async def test_policies_that_show_everything_are_seen(shop: Shop) -> None:
    with broken(shop, POLICIES.format("true"), POLICIES.format("store_id = (SELECT access.my_store())")):
        found = await came_through(shop, PREDICATES)
        assert len(found) > len(PREDICATES) / 2
        assert set.union(*found.values()) >= {"leak", "success"}
        with pytest.raises(AssertionError, match="got another answer"):
            await breaches(shop, [HARMLESS], [MANAGER])


async def test_a_sandbox_with_rights_is_seen(shop: Shop) -> None:
    powerful = f"ALTER FUNCTION {RUN} OWNER TO "
    with broken(shop, powerful + "postgres", powerful + "zava_sandbox_one"):
        assert len(await came_through(shop, CATALOGS)) > len(CATALOGS) / 2


async def test_one_mark_of_somebody_else_among_the_own_rows_is_seen(shop: Shop) -> None:
    async with attacker(shop) as somebody:
        victim, (mine,) = somebody.asker.victim_store, somebody.asker.stores
    rows = f"UPDATE retail.stores SET location = '{{}}' WHERE store_id = '{mine}'"  # noqa: S608 - its own id
    query = replace(HARMLESS, calls=(Call(QUERY, {"postgresql_query": "SELECT location FROM stores"}),))
    with broken(shop, rows.format(victim.mark), rows.format("here")):
        assert await came_through(shop, [query]) == {"harmless": {"leak"}}
    assert await came_through(shop, [query]) == {}


async def test_a_shop_that_refuses_everything_does_not_pass(shop: Shop) -> None:
    refuse = f"REVOKE EXECUTE ON FUNCTION {RUN} FROM zava_app"
    with broken(shop, refuse, f"GRANT EXECUTE ON FUNCTION {RUN} TO zava_app"):
        assert await came_through(shop, PREDICATES) == {}
        with pytest.raises(AssertionError, match="got no answer"):
            await breaches(shop, PREDICATES, [MANAGER])


@dataclass(frozen=True)
class Accomplice:
    """Does something while it is called."""

    act: Callable[[], Awaitable[str]]

    async def call(self, _: Call) -> Outcome:
        return Outcome(await self.act(), None)


@pytest.mark.parametrize("verdict", ["write", "log", "seconds", "size", "fault"])
async def test_every_kind_of_harm_is_seen(shop: Shop, verdict: str) -> None:
    async with attacker(shop) as somebody:

        async def act() -> str:
            match verdict:
                case "write":
                    somebody.field.admin.execute("UPDATE retail.products SET cost = cost + 1 WHERE cost < 1000")
                case "log":
                    mark = somebody.asker.victim_store.mark
                    somebody.field.admin.execute(f"DO $$ BEGIN RAISE LOG 'a secret: {mark}'; END $$".encode())
                case "seconds":
                    await asyncio.sleep(somebody.field.seconds + 2.2)
                case "size":
                    return "x" * 1_000_001
                case "fault":
                    return '{"code": "INTERNAL_ERROR"}'
            return ""

        found = await replace(somebody, caller=Accomplice(act)).attempt(HARMLESS)
    expected = {"seconds": "time", "size": "resource"}.get(verdict, verdict)
    # A write shows twice: in its table, and in the mark that it leaves for the cache of answers.
    assert [finding.verdict for finding in found] == [expected] * (2 if verdict == "write" else 1)


async def test_who_takes_too_long_is_given_another_try_and_no_more_than_three(shop: Shop) -> None:
    async with attacker(shop) as somebody:
        # Two seconds more than the timeout are allowed: here one.
        strict = replace(somebody.field, seconds=-1)
        waits = iter([1.2, 0.0])
        tries = 0

        async def act() -> str:
            nonlocal tries
            tries += 1
            await asyncio.sleep(next(waits, 1.2))
            return ""

        class Slow(Attacker):
            async def control(self, after: str) -> None:
                """Nobody else is slow."""

        slow = Slow(strict, somebody.asker, Accomplice(act), somebody.victim)
        assert await slow.run([HARMLESS]) == []
        assert tries == 2
        (finding,) = await slow.run([HARMLESS])
        assert finding.verdict == "time"
        assert tries == 5


def test_what_is_too_much_is_a_breach() -> None:
    assert list(too_much(Strain(megabytes=599, seconds=3.9, disk=1000, server=599), 1_000_000, 2)) == []
    assert len(list(too_much(Strain(megabytes=601, seconds=4.1, disk=1200, server=601), 1_000_001, 2))) == 5
