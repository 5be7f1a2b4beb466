"""Has every product an embedding? The operator's job, before products are found by meaning."""

import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum, sqrt

from zava.core.model import Backlog, Embedding, ProductContent
from zava.core.ports import EmbeddingProvider, EmbeddingRepository

SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


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
            await self.repository.keep(model, await self._embed(due))
            done += len(due)
            # Products may have come while this went on.
            report("products", done, max(done, backlog.products))
        await self.repository.serve(model)
        return done

    async def _embed(self, due: Sequence[ProductContent]) -> list[tuple[ProductContent, Embedding]]:
        texts = [texts_of(product) for product in due]
        embeddings = iter(await self.provider.embed([text for several in texts for text in several]))
        return [
            (product, mean([next(embeddings) for _ in several])) for product, several in zip(due, texts, strict=True)
        ]


def texts_of(product: ProductContent) -> tuple[str, ...]:
    """What is embedded: all that is said of it, its name with what it is for, that alone, and what comes later.

    The first sentence of a description says what a product is for, which is what people ask. Where a description goes
    on after the second, it tells who needs it and when. Alone with everything else either would drown. Figures are in
    benchmarks/RESULTS.md.
    """
    purpose, *others = SENTENCE_END.split(product.description.strip())
    texts = (product.content, f"{product.name}. {purpose}", purpose, " ".join(others[1:]))
    return tuple(filter(None, texts)) if purpose else (product.content,)


def mean(embeddings: Sequence[Embedding]) -> Embedding:
    """The direction between them, of length one."""
    sums = [fsum(values) for values in zip(*embeddings, strict=True)]
    length = sqrt(fsum(value * value for value in sums)) or 1.0
    return array("f", [value / length for value in sums])
