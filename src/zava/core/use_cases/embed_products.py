"""Has every product an embedding? The operator's job, before products are found by meaning."""

from collections.abc import Callable
from dataclasses import dataclass

from zava.core.model import Backlog
from zava.core.ports import EmbeddingProvider, EmbeddingRepository


@dataclass(frozen=True)
class EmbedProducts:
    """Embeds what is new or has changed, batch by batch, and lets the model serve when nothing is left.

    Attributes:
        batch: products a request; what is embedded is kept after each.
    """

    repository: EmbeddingRepository
    provider: EmbeddingProvider
    batch: int

    async def __call__(self, announce: Callable[[Backlog], None], report: Callable[[str, int, int], None]) -> int:
        """How many products were embedded.

        Args:
            announce: told what lies ahead, before anything is sent.
            report: told what is done, how much, and of how much.

        Raises:
            EmbeddingError: the provider gave up; what it has embedded is kept.
            SetupError: somebody else is at it.
        """
        model = self.provider.model
        backlog, done = await self.repository.begin(model), 0
        announce(backlog)
        while due := await self.repository.due(model, self.batch):
            embeddings = await self.provider.embed([product.content for product in due])
            await self.repository.keep(model, list(zip(due, embeddings, strict=True)))
            done += len(due)
            # Products may have come while this went on.
            report("products", done, max(done, backlog.products))
        await self.repository.serve(model)
        return done
