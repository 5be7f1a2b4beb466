"""The public keys of an authorization server, as it publishes them (RFC 7517)."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import httpx2
from jwt import PyJWK, PyJWKSet, PyJWTError

from zava.core.errors import UnavailableError

logger = logging.getLogger(__name__)

# Keys of this age are fetched anew, beside the calls.
REFRESH_SECONDS = 300
# For so long they serve while the provider cannot be reached. Its tokens hardly last longer.
USABLE_SECONDS = 3_600
# A key nobody has heard of may be new. Whoever makes key ids up has them fetched no more often than this.
LEAST_SECONDS = 10
FETCH_SECONDS = 5
MOST_BYTES = 262_144

Fetch = Callable[[], Awaitable[bytes]]


class FetchError(Exception):
    """The keys cannot be had at present. The message says why, for the log."""


@dataclass
class SigningKeys:
    """Keys by their ids, fetched when they are needed, and again when they may have changed.

    Attributes:
        fetch: the document with the keys; raises FetchError.
        clock: seconds that only grow.
    """

    fetch: Fetch
    clock: Callable[[], float] = time.monotonic
    _keys: Sequence[PyJWK] = ()
    _fetched_at: float | None = None
    _tried_at: float | None = None
    _failed: bool = False
    _fetching: asyncio.Task[None] | None = field(default=None, repr=False)

    async def find(self, key_id: str | None) -> Sequence[PyJWK]:
        """The keys of this id, or all for a token that names none.

        Raises:
            UnavailableError: there may be such a key, and the provider does not answer.
        """
        found = self._known(key_id)
        if not found:
            await self._refresh()
            found = self._known(key_id)
            if not found and self._failed:
                raise UnavailableError("The identity provider's keys cannot be fetched at present. Try again.")
        elif self._age() > REFRESH_SECONDS:
            self._start()
        return found

    def _known(self, key_id: str | None) -> Sequence[PyJWK]:
        if self._age() > USABLE_SECONDS:
            return ()
        return [key for key in self._keys if key_id is None or key.key_id == key_id]

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self.clock() - self._fetched_at

    async def _refresh(self) -> None:
        if fetching := self._start():
            # Unlike awaiting the task, this does not cancel it along with one who waits.
            await asyncio.wait((fetching,))

    def _start(self) -> asyncio.Task[None] | None:
        """The fetch that is under way, a new one, or none when the last is too recent."""
        if self._fetching is None:
            if self._tried_at is not None and self.clock() - self._tried_at < LEAST_SECONDS:
                return None
            self._tried_at = self.clock()
            self._fetching = asyncio.create_task(self._load())
            self._fetching.add_done_callback(self._end)
        return self._fetching

    async def _load(self) -> None:
        asked_at = self.clock()
        try:
            keys = _read(await self.fetch())
        except FetchError as error:
            self._failed = True
            logger.warning("The keys of the identity provider cannot be fetched: %s", error)
        else:
            self._failed = False
            self._keys, self._fetched_at = keys, asked_at

    def _end(self, task: asyncio.Task[None]) -> None:
        self._fetching = None
        if not task.cancelled() and (error := task.exception()):
            self._failed = True
            logger.error("The keys of the identity provider cannot be read", exc_info=error)


def _read(document: bytes) -> Sequence[PyJWK]:
    try:
        parsed = json.loads(document)
        keys = PyJWKSet.from_dict(parsed).keys if isinstance(parsed, dict) else []
    except (ValueError, RecursionError, PyJWTError):
        raise FetchError("what was fetched is no set of usable keys") from None
    signing = [key for key in keys if key.public_key_use in {None, "sig"}]
    if not signing:
        raise FetchError("there is no key for signatures in what was fetched")
    return signing


def fetch_from(url: str, seconds: float = FETCH_SECONDS, most_bytes: int = MOST_BYTES) -> Fetch:
    """Fetches what is at this address, in so many seconds altogether and of so many bytes at most."""

    async def fetch() -> bytes:
        try:
            async with asyncio.timeout(seconds):
                return await _get(url, seconds, most_bytes)
        except TimeoutError:
            raise FetchError(f"no answer within {seconds:g} seconds") from None
        except httpx2.HTTPError as error:
            raise FetchError(type(error).__name__) from error

    return fetch


async def _get(url: str, seconds: float, most_bytes: int) -> bytes:
    # A redirect is not followed: the keys come from where the operator says.
    async with (
        httpx2.AsyncClient(timeout=seconds, follow_redirects=False) as client,
        client.stream("GET", url, headers={"Accept": "application/json"}) as response,
    ):
        if response.status_code != httpx2.codes.OK:
            raise FetchError(f"status {response.status_code}")
        body = b""
        async for part in response.aiter_bytes():
            body += part
            if len(body) > most_bytes:
                raise FetchError(f"more than {most_bytes} bytes")
        return body
