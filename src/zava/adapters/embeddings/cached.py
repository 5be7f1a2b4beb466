"""Questions are asked again: what they mean is remembered."""

import hashlib
import struct
from array import array
from collections.abc import Sequence

from zava.core.model import Embedding, EmbeddingModel
from zava.core.ports import Cache, EmbeddingProvider


class CachedEmbeddings(EmbeddingProvider):
    """Remembers the embeddings of texts that are asked for alone, as questions are.

    Several texts together are documents. They are embedded once, and would only push the questions out.
    """

    def __init__(self, provider: EmbeddingProvider, cache: Cache) -> None:
        self._provider = provider
        self._cache = cache
        self._format = f"<{provider.model.dimensions}f"

    @property
    def model(self) -> EmbeddingModel:
        return self._provider.model

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        if len(texts) != 1:
            return await self._provider.embed(texts)

        async def compute() -> bytes:
            (embedding,) = await self._provider.embed(texts)
            return struct.pack(self._format, *embedding)

        value = await self._cache.get_or_compute(self._key(texts[0]), compute)
        return [array("f", struct.unpack(self._format, value))]

    def _key(self, text: str) -> str:
        """Tells nobody who reads the cache what was asked."""
        meaning = f"{self.model.name}\0{self.model.dimensions}\0{text}"
        return f"embedding:{hashlib.sha256(meaning.encode(errors='surrogatepass')).hexdigest()}"
