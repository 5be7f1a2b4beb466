"""Redis makes answers faster while it is there, and does no harm when it is not."""

import asyncio
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.redis_server import PASSWORD, TestRedis, running_redis
from zava.adapters.cache.redis import LOCK, PATIENCE_SECONDS, PREFIX, PROBE_SECONDS, RedisCache, RedisServer
from zava.core.errors import UnavailableError

SECRET = bytes(range(32))
# What a machine that is busy with other things may add.
SLACK_SECONDS = 1.0


@pytest.fixture
def redis() -> Iterator[TestRedis]:
    with running_redis() as server:
        yield server


@asynccontextmanager
async def sharing(server: RedisServer | TestRedis, secret: bytes = SECRET) -> AsyncIterator[RedisCache]:
    """What one server process has of Redis."""
    if isinstance(server, TestRedis):
        server = RedisServer(server.url, password=PASSWORD)
    cache = RedisCache(server.connect(), secret)
    try:
        yield cache
    finally:
        await cache.close()


def work(value: bytes, begun: list[bytes] | None = None, seconds: float = 0) -> Callable[[], Awaitable[bytes]]:
    async def compute() -> bytes:
        if begun is not None:
            begun.append(value)
        await asyncio.sleep(seconds)
        return value

    return compute


async def seconds_of(asking: Awaitable[bytes]) -> float:
    started = time.monotonic()
    await asking
    return time.monotonic() - started


async def until_it_is_shared(cache: RedisCache, key: str) -> None:
    """Asks again and again, until an answer is one that was there before."""
    async with asyncio.timeout(5):
        number = 0
        while True:
            number += 1
            value = str(number).encode()
            if await cache.get_or_compute(key, work(value)) != value:
                return
            await asyncio.sleep(0.05)


async def test_servers_share_what_one_of_them_has_worked_out(redis: TestRedis) -> None:
    async with sharing(redis) as one, sharing(redis) as other:
        assert await one.get_or_compute("key", work(b"first")) == b"first"
        assert await other.get_or_compute("key", work(b"second")) == b"first"


async def test_two_hundred_who_ask_three_servers_at_once_have_it_worked_out_once(redis: TestRedis) -> None:
    begun: list[bytes] = []
    async with sharing(redis) as one, sharing(redis) as two, sharing(redis) as three:
        caches = [one, two, three] * 67
        answers = [cache.get_or_compute("key", work(b"it", begun, seconds=0.2)) for cache in caches]
        assert set(await asyncio.gather(*answers)) == {b"it"}
    assert begun == [b"it"]


async def test_what_is_kept_between_the_look_and_the_lock_is_not_worked_out_again(
    redis: TestRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = RedisServer(redis.url, password=PASSWORD).connect()
    look = client.get
    looks = 0
    async with sharing(redis) as other:

        async def look_slowly(name: str) -> bytes | None:
            nonlocal looks
            looks += 1
            found: bytes | None = await look(name)
            if looks == 1:
                await other.get_or_compute("key", work(b"first"))
            return found

        monkeypatch.setattr(client, "get", look_slowly)
        cache = RedisCache(client, SECRET)
        assert await cache.get_or_compute("key", work(b"second")) == b"first"
        await cache.close()
        with redis.client() as looking:
            assert not looking.exists(f"{PREFIX}key{LOCK}")


async def test_when_one_server_fails_another_takes_over(redis: TestRedis) -> None:
    has_begun = asyncio.Event()

    async def fail() -> bytes:
        has_begun.set()
        await asyncio.sleep(0.1)
        raise UnavailableError("the database is away")

    async with sharing(redis) as one, sharing(redis) as other:
        failing = asyncio.create_task(one.get_or_compute("key", fail))
        await has_begun.wait()
        assert await other.get_or_compute("key", work(b"better")) == b"better"
        with pytest.raises(UnavailableError):
            await failing


async def test_a_server_that_died_at_work_holds_nobody_up_for_good(redis: TestRedis) -> None:
    with redis.client() as client:
        client.set(f"{PREFIX}key{LOCK}", b"", px=300)
    async with sharing(redis) as cache:
        assert await cache.get_or_compute("key", work(b"it")) == b"it"


async def test_who_goes_away_holds_nobody_up(redis: TestRedis) -> None:
    """At whatever moment that is, such as between asking for the lock and getting it."""
    async with sharing(redis) as one, sharing(redis) as other:
        for moment in range(40):
            key = f"key {moment}"
            gone = asyncio.create_task(one.get_or_compute(key, work(b"never", seconds=60)))
            for _ in range(moment):
                await asyncio.sleep(0)
            gone.cancel()
            await asyncio.wait([gone])
            taken = await seconds_of(other.get_or_compute(key, work(b"it")))
            assert taken < SLACK_SECONDS, f"after {moment} steps"


async def test_redis_is_told_nothing_that_it_could_tell(redis: TestRedis) -> None:
    async with sharing(redis) as cache:
        await cache.get_or_compute("key", work(b"revenue of Seattle"))
    with redis.client() as client:
        stored = {name: client.get(name) for name in client.scan_iter()}
    assert list(stored) == [f"{PREFIX}key".encode()]
    assert b"Seattle" not in stored[f"{PREFIX}key".encode()]


async def test_the_answer_to_another_question_is_not_taken(redis: TestRedis) -> None:
    """Whoever may write there could exchange them, and so could a library that mixes connections up."""
    async with sharing(redis) as cache:
        await cache.get_or_compute("mine", work(b"mine"))
        await cache.get_or_compute("theirs", work(b"theirs"))
        with redis.client() as client:
            theirs = client.get(f"{PREFIX}theirs")
            assert isinstance(theirs, bytes)
            client.set(f"{PREFIX}mine", theirs)
        assert await cache.get_or_compute("mine", work(b"anew")) == b"anew"
        assert await cache.get_or_compute("mine", work(b"never")) == b"anew"


@pytest.mark.parametrize("forged", [b"", b"short", b"forged, and long enough to look like something"])
async def test_what_others_have_written_is_not_taken(redis: TestRedis, forged: bytes) -> None:
    with redis.client() as client:
        client.set(f"{PREFIX}key", forged)
    async with sharing(redis) as cache:
        assert await cache.get_or_compute("key", work(b"ours")) == b"ours"


async def test_servers_with_another_secret_share_nothing(redis: TestRedis) -> None:
    async with sharing(redis) as one, sharing(redis, secret=bytes(32)) as other:
        await one.get_or_compute("key", work(b"first"))
        assert await other.get_or_compute("key", work(b"second")) == b"second"


async def test_who_was_killed_at_work_or_not_heard_when_done_holds_nobody_up_for_long(redis: TestRedis) -> None:
    """Answers are to be given as before within 5 seconds after whatever fails."""
    async with sharing(redis) as cache:
        with redis.client() as client:
            client.set(f"{PREFIX}key{LOCK}", b"", px=60_000)
        assert await seconds_of(cache.get_or_compute("key", work(b"it"))) < 5 - SLACK_SECONDS


async def test_without_redis_everything_is_answered_at_once(redis: TestRedis, caplog: pytest.LogCaptureFixture) -> None:
    redis.kill()
    async with sharing(redis) as cache:
        taken = [await seconds_of(cache.get_or_compute(f"key {number}", work(b"it"))) for number in range(50)]
    assert sum(taken) < PATIENCE_SECONDS + SLACK_SECONDS
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.message for record in warnings] == ["Redis is left alone until it answers again: ConnectionError"]


async def test_a_redis_that_is_frozen_holds_nobody_up_twice(redis: TestRedis) -> None:
    async with sharing(redis) as cache:
        await cache.get_or_compute("before", work(b"it"))
        redis.freeze()
        together = [seconds_of(cache.get_or_compute(f"first {number}", work(b"it"))) for number in range(64)]
        assert max(await asyncio.gather(*together)) < PATIENCE_SECONDS + SLACK_SECONDS
        taken = [await seconds_of(cache.get_or_compute(f"then {number}", work(b"it"))) for number in range(50)]
        assert sum(taken) < SLACK_SECONDS
        # While it is looked for, nobody waits for that.
        await asyncio.sleep(PROBE_SECONDS)
        assert await seconds_of(cache.get_or_compute("while it is looked for", work(b"it"))) < PATIENCE_SECONDS
        redis.thaw()
        await until_it_is_shared(cache, "after")


async def test_a_redis_that_freezes_while_an_answer_is_worked_out_does_no_harm(redis: TestRedis) -> None:
    async def freeze_meanwhile() -> bytes:
        redis.freeze()
        return b"it"

    async with sharing(redis) as cache:
        assert await cache.get_or_compute("key", freeze_meanwhile) == b"it"
        redis.thaw()


async def test_a_redis_that_was_restarted_is_used_again(redis: TestRedis) -> None:
    async with sharing(redis) as cache:
        await cache.get_or_compute("key", work(b"before"))
        redis.kill()
        assert await cache.get_or_compute("key", work(b"meanwhile")) == b"meanwhile"
        redis.start()
        await until_it_is_shared(cache, "after")
        assert await cache.get_or_compute("key", work(b"anew")) == b"anew"


@pytest.mark.parametrize("moment", range(8))
async def test_a_server_stops_while_redis_is_away(redis: TestRedis, moment: int) -> None:
    """At any moment of looking for it."""
    redis.kill()
    async with asyncio.timeout(SLACK_SECONDS + PROBE_SECONDS), sharing(redis) as cache:
        await cache.get_or_compute("key", work(b"it"))
        await asyncio.sleep(PROBE_SECONDS - 0.002)
        for _ in range(moment):
            await asyncio.sleep(0.001)


async def test_a_redis_that_is_full_does_no_harm() -> None:
    with running_redis("--maxmemory", "1", "--maxmemory-policy", "noeviction") as redis:
        async with sharing(redis) as cache:
            for value in (b"first", b"second"):
                assert await cache.get_or_compute("key", work(value)) == value


async def test_a_wrong_password_does_no_harm_and_is_never_shown(
    redis: TestRedis, caplog: pytest.LogCaptureFixture
) -> None:
    server = RedisServer(redis.url, username="default", password="wrong-and-secret")
    async with sharing(server) as cache:
        assert await cache.get_or_compute("key", work(b"it")) == b"it"
    assert "left alone" in caplog.text
    assert "wrong-and-secret" not in caplog.text + repr(server)


async def test_what_is_too_long_is_not_kept(redis: TestRedis) -> None:
    async with sharing(redis) as cache:
        for value in (bytes(2**20 + 1), b"anew"):
            assert await cache.get_or_compute("key", work(value)) == value


def certificate_in(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that has signed itself, and its key."""
    program = shutil.which("openssl")
    assert program
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(  # noqa: S603 - OpenSSL itself
        [
            *(program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
            *("-subj", "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return certificate, key


async def test_redis_is_spoken_to_over_tls_when_its_certificate_is_good(tmp_path: Path) -> None:
    certificate, key = certificate_in(tmp_path)
    options = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no")
    with running_redis(*options) as redis:
        port = redis.listen_with_tls()
        url = f"rediss://127.0.0.1:{port}/0"
        trusting = RedisServer(url, password=PASSWORD, ca_file=str(certificate))
        async with sharing(trusting) as cache:
            await until_it_is_shared(cache, "key")
        async with sharing(RedisServer(url, password=PASSWORD)) as careful:
            assert await careful.get_or_compute("key", work(b"third")) == b"third"
        async with sharing(
            RedisServer(url.replace("127.0.0.1", "localhost"), None, PASSWORD, str(certificate))
        ) as misled:
            assert await misled.get_or_compute("key", work(b"fourth")) == b"fourth"


WITHOUT_REDIS = """
import sys
from pathlib import Path

class Missing:
    def find_spec(self, name, path, target=None):
        if name == "redis":
            raise ModuleNotFoundError(name=name)

sys.meta_path.insert(0, Missing())
from zava.adapters.postgres.access import DatabaseAccess
from zava.container import new_container
from zava.core.errors import SetupError
from zava.settings import Settings

key = Path(sys.argv[1])
key.write_text("k" * 40)
key.chmod(0o600)
container = new_container(Settings(), DatabaseAccess("", key))
try:
    print(type(container.kept_answers()).__name__)
except SetupError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "InMemoryCache"),
        ("redis://cache.example", "ZAVA_CACHE__URL needs redis, which is not installed: install zava[redis]"),
    ],
)
def test_the_library_is_needed_by_those_alone_who_have_a_redis(tmp_path: Path, url: str, said: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", WITHOUT_REDIS, str(tmp_path / "key")],
        env=os.environ | {"ZAVA_CACHE__URL": url},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == said
