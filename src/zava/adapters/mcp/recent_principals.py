"""Who is known, asked of the directory at most once a second for each of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from cachetools import TTLCache

from zava.core.model import KnownPrincipal
from zava.core.ports import PrincipalDirectory

# So fast it acts everywhere that somebody was disabled, or a token revoked.
RECENT_SECONDS = 1
MOST_RECENT = 10_000

Answer = KnownPrincipal | None


class RecentPrincipals(PrincipalDirectory):
    """A directory whose answers serve for a second, counted from when they were asked for."""

    def __init__(self, directory: PrincipalDirectory, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._answers: TTLCache[tuple[str, str], asyncio.Task[Answer]] = TTLCache(MOST_RECENT, RECENT_SECONDS, clock)

    async def by_subject(self, subject: str) -> KnownPrincipal | None:
        return await self._recent(("subject", subject), lambda: self._directory.by_subject(subject))

    async def by_token(self, token: str) -> KnownPrincipal | None:
        return await self._recent(("token", token), lambda: self._directory.by_token(token))

    async def _recent(self, key: tuple[str, str], ask: Callable[[], Awaitable[Answer]]) -> Answer:
        task = self._answers.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = self._answers[key] = asyncio.ensure_future(_ask(ask))
        # Unlike awaiting the task, this does not cancel it along with one who waits.
        await asyncio.wait((task,))
        return task.result()


async def _ask(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    return await ask()
