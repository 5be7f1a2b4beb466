"""Redis fails. Everybody gets a right answer, in time, and soon servers share their answers again."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.faults.conftest import Serve
from tests.faults.load import RIGHT, Outcomes, asking
from tests.redis_server import PASSWORD, TestRedis, running_redis

# Also for a busy machine.
pytestmark = pytest.mark.timeout(300)

# Where an answer waits for Redis it is a quarter of a second.
LONGEST = 5
# So soon an answer is worked out anew, while others wait for it: Redis fails at each moment of that.
KEPT_SECONDS = "0.3"


@pytest.fixture
def redis() -> Iterator[TestRedis]:
    with running_redis() as redis:
        yield redis


@contextmanager
def sharing(serve: Serve, redis: TestRedis) -> Iterator[list[Outcomes]]:
    """What becomes of the questions to each of two servers that share their answers."""
    settings = {
        "ZAVA_CACHE__ENABLED": "true",
        "ZAVA_CACHE__URL": redis.url,
        "ZAVA_CACHE__PASSWORD": PASSWORD,
        "ZAVA_CACHE__SECONDS": KEPT_SECONDS,
    }
    servers = [serve(**settings) for _ in range(2)]
    with ExitStack() as stack:
        # Each person once: what a server is asked by several at once is told as kept also without Redis.
        yield [stack.enter_context(asking(server.url, server.right, each=1)) for server in servers]


def check(asked: list[Outcomes], healed_at: float) -> None:
    """Nobody noticed, and soon what is told once is kept again."""
    for outcomes in asked:
        print(outcomes.counted())
        assert {one.what for one in outcomes.all} == {RIGHT}, outcomes.counted()
        outcomes.check(longest=LONGEST)
        assert any(one.is_kept for one in outcomes.since(healed_at + 5)), "nothing is kept any more"


def check_absence(asked: list[Outcomes], failed_at: float, healed_at: float) -> None:
    """Redis kept answers before, and none in between."""
    for outcomes in asked:
        without = [one for one in outcomes.since(failed_at + 1) if one.at < healed_at - 1]
        assert len(without) > 10, outcomes.counted()
        assert not any(one.is_kept for one in without)
        assert any(one.is_kept for one in outcomes.all if one.at < failed_at)


def test_redis_is_killed_and_comes_back_empty(serve: Serve, redis: TestRedis) -> None:
    with sharing(serve, redis) as asked:
        time.sleep(2)
        failed_at = time.monotonic()
        redis.kill()
        time.sleep(3)
        healed_at = time.monotonic()
        redis.start()
        time.sleep(7)
    check(asked, healed_at)
    check_absence(asked, failed_at, healed_at)


@pytest.mark.parametrize("outage", [3, pytest.param(15, marks=pytest.mark.long)])
def test_redis_freezes_and_thaws(serve: Serve, redis: TestRedis, outage: float) -> None:
    """It then does what it was told before, though nobody waits for it any more."""
    with sharing(serve, redis) as asked:
        time.sleep(2)
        failed_at = time.monotonic()
        redis.freeze()
        time.sleep(outage)
        healed_at = time.monotonic()
        redis.thaw()
        time.sleep(7)
    check(asked, healed_at)
    check_absence(asked, failed_at, healed_at)


@pytest.mark.long
def test_redis_is_restarted_again_and_again(serve: Serve, redis: TestRedis) -> None:
    with sharing(serve, redis) as asked:
        time.sleep(2)
        for _ in range(10):
            redis.kill()
            time.sleep(0.5)
            redis.start()
            time.sleep(0.5)
        healed_at = time.monotonic()
        time.sleep(7)
    check(asked, healed_at)
