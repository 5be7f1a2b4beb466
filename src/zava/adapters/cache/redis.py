"""What several servers remember together, in Redis or Valkey. Without it they work everything out by themselves."""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from zava.adapters.cache.memory import InMemoryCache
from zava.core.ports import Cache

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

PREFIX = "zava:"
LOCK = ":lock"
# An answer does not wait longer for Redis, whatever has become of it.
PATIENCE_SECONDS = 0.25
# After a failure nobody asks Redis until it answers again.
PROBE_SECONDS = 1.0
# So long another server may take for an answer until this one works it out too. What Redis did not hear, or heard only
# when it was no longer frozen, or who was killed meanwhile, holds nobody up for longer.
LOCK_SECONDS = 3.0
LOOK_AGAIN_SECONDS = 0.025
MOST_CONNECTIONS = 32
MOST_BYTES = 2**20
NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class RedisServer:
    """Where Redis is, and who asks.

    Attributes:
        url: redis://…, or rediss://… for TLS, without a password.
        password: never shown.
        ca_file: certificates of who may have signed that of Redis; None for those that the system trusts.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None

    def connect(self) -> Redis:
        """A client, which connects when it is first asked something."""
        pool = BlockingConnectionPool.from_url(
            self.url,
            username=self.username,
            password=self.password,
            **({"ssl_ca_certs": self.ca_file} if self.ca_file else {}),
            max_connections=MOST_CONNECTIONS,
            timeout=PATIENCE_SECONDS,
            socket_timeout=PROBE_SECONDS,
            socket_connect_timeout=PROBE_SECONDS,
            # The library's own would try for seconds.
            retry=Retry(NoBackoff(), 0),
        )
        return Redis.from_pool(pool)


class RedisCache(Cache):
    """Shares what is worked out with other servers. Belongs to one event loop.

    Redis is told nothing: values are encrypted for their keys, with a key of the servers' own. What somebody else has
    written, and what belongs to another key, is not there.
    """

    def __init__(self, redis: Redis, secret: bytes, ttl: float = 300) -> None:
        """Without Redis, to begin with, when there is none.

        Args:
            redis: a client that fails rather than waits.
            secret: 32 bytes, the same for all who share.
            ttl: seconds for which a value is kept unless its question says otherwise.
        """
        self._redis = redis
        self._seal = AESGCM(secret)
        self._ttl = ttl
        # Keeps nothing: those who ask for the same meanwhile wait for it.
        self._flights = InMemoryCache(max_bytes=0)
        self._at_work: Counter[str] = Counter()
        self._commands: set[asyncio.Task[Any]] = set()
        self._probing: asyncio.Task[None] | None = None

    async def get_or_compute(
        self, key: str, compute: Callable[[], Awaitable[bytes]], ttl: float | None = None
    ) -> bytes:
        async def find_or_compute() -> bytes:
            return await self._find_or_compute(PREFIX + key, compute, self._ttl if ttl is None else ttl)

        return await self._flights.get_or_compute(key, find_or_compute)

    async def close(self) -> None:
        """Leaves Redis."""
        if self._probing:
            self._probing.cancel()
            await asyncio.wait([self._probing])
        if self._commands:
            await asyncio.wait(self._commands)
        await self._redis.aclose()

    async def _find_or_compute(self, name: str, compute: Callable[[], Awaitable[bytes]], ttl: float) -> bytes:
        try:
            if (value := await self._find_or_begin(name)) is not None:
                return value
        except (_AwayError, TimeoutError):
            return await compute()
        self._at_work[name] += 1
        try:
            value = await compute()
            await self._keep(name, value, ttl)
        finally:
            self._at_work[name] -= 1
            if not self._at_work[name]:
                del self._at_work[name]
                await self._end(name)
        return value

    async def _find_or_begin(self, name: str) -> bytes | None:
        """The value; None when it is to be worked out here, and others will wait for it.

        Raises:
            _AwayError: Redis does not answer.
            TimeoutError: another server takes too long.
        """
        is_gone = has_begun = False

        async def begin() -> bool:
            nonlocal has_begun
            has_begun = bool(await self._redis.set(name + LOCK, b"", nx=True, px=int(LOCK_SECONDS * 1000)))
            if has_begun and is_gone:
                await self._redis.delete(name + LOCK)
            return has_begun

        try:
            async with asyncio.timeout(LOCK_SECONDS):
                while True:
                    if (value := self._opened(name, await self._tell(lambda: self._redis.get(name)))) is not None:
                        return value
                    # What this process is giving up is nobody's to wait for.
                    if name in self._at_work:
                        return None
                    if await self._tell(begin):
                        # Between the look and the lock another server may have kept it, and let go.
                        if (value := self._opened(name, await self._tell(lambda: self._redis.get(name)))) is not None:
                            await self._end(name)
                        return value
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
        except asyncio.CancelledError:
            is_gone = True
            if has_begun:
                await self._end(name)
            raise

    async def _end(self, name: str) -> None:
        with suppress(_AwayError):
            await self._tell(lambda: self._redis.delete(name + LOCK))

    async def _keep(self, name: str, value: bytes, ttl: float) -> None:
        if len(value) <= MOST_BYTES:
            nonce = os.urandom(NONCE_BYTES)
            sealed = nonce + self._seal.encrypt(nonce, value, name.encode())
            with suppress(_AwayError):
                await self._tell(lambda: self._redis.set(name, sealed, px=max(1, int(ttl * 1000))))

    def _opened(self, name: str, sealed: bytes | None) -> bytes | None:
        if sealed is None:
            return None
        try:
            return self._seal.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError):
            return None

    async def _tell(self, command: Callable[[], Awaitable[Result]]) -> Result:
        """What Redis answers to a command.

        Raises:
            _AwayError: it does not answer, or did not a moment ago.
        """
        if self._is_away:
            raise _AwayError
        task = self._send(command)
        await asyncio.wait([task], timeout=PATIENCE_SECONDS)
        if not task.done():
            self._leave_alone("it takes too long")
        elif error := task.exception():
            if not isinstance(error, RedisError | OSError):
                raise error
        else:
            return task.result()
        raise _AwayError

    def _send(self, command: Callable[[], Awaitable[Result]]) -> asyncio.Task[Result]:
        """A command under way, which nothing interrupts.

        The library may lose the cancellation of whoever waits for it, and an interrupted connection may take the answer
        to one command for that to the next.
        """

        async def run() -> Result:
            return await command()

        task = asyncio.create_task(run())
        self._commands.add(task)
        task.add_done_callback(self._heard)
        return task

    def _heard(self, task: asyncio.Task[Any]) -> None:
        """Takes note of a failure even when nobody waits for it any more."""
        self._commands.discard(task)
        if not task.cancelled() and (error := task.exception()):
            # Its words may repeat what Redis was told.
            self._leave_alone(type(error).__name__)

    @property
    def _is_away(self) -> bool:
        return self._probing is not None and not self._probing.done()

    def _leave_alone(self, reason: str) -> None:
        if not self._is_away:
            logger.warning("Redis is left alone until it answers again: %s", reason)
            self._probing = asyncio.create_task(self._probe())

    async def _probe(self) -> None:
        """Until something can be written again: a full Redis is of no use, nor is one that only reads."""
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            task = self._send(lambda: self._redis.set(f"{PREFIX}probe", b"", px=1))
            await asyncio.wait([task])
            if not task.exception():
                logger.info("Redis answers again")
                return


class _AwayError(Exception):
    """Redis does not answer."""
