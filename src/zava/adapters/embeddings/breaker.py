"""A provider that fails is left alone for a while, so that nobody waits for it in vain."""

import math
import time
from collections.abc import Callable, Sequence

from zava.core.errors import EmbeddingError
from zava.core.model import Embedding, EmbeddingModel
from zava.core.ports import EmbeddingProvider


class CircuitBreakingEmbeddings(EmbeddingProvider):
    """Asks another provider. After several failures in a row it is open: it fails at once, without asking.

    From time to time one call goes through all the same. When it succeeds, it is closed again.
    """

    def __init__(
        self,
        provider: EmbeddingProvider,
        threshold: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Closed, to begin with.

        Args:
            provider: who is asked.
            threshold: failures in a row after which it opens.
            seconds: from one attempt to the next while it is open.
            clock: tells seconds that only grow.
        """
        self._provider = provider
        self._threshold = threshold
        self._seconds = seconds
        self._clock = clock
        self._failures = 0
        self._reason = ""
        self._next_attempt = 0.0

    @property
    def model(self) -> EmbeddingModel:
        return self._provider.model

    @property
    def is_open(self) -> bool:
        """Whether the provider has failed so often, and has not succeeded since."""
        return self._failures >= self._threshold

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        is_attempt = self.is_open
        if is_attempt:
            wait = self._next_attempt - self._clock()
            if wait > 0:
                raise EmbeddingError(f"{self._reason}; it is asked again in {math.ceil(wait)} s")
            # One attempt at a time. One that never ends holds up the next for no longer than this.
            self._next_attempt = self._clock() + self._seconds
        try:
            embeddings = await self._provider.embed(texts)
        except EmbeddingError as error:
            self._failures += 1
            self._reason = error.message
            self._next_attempt = self._clock() + self._seconds
            raise
        except BaseException:
            # Cancelled, most likely, which says nothing of the provider: the next call may be the attempt.
            if is_attempt:
                self._next_attempt = self._clock()
            raise
        self._failures = 0
        return embeddings
