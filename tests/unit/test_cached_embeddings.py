"""Questions are remembered, documents are not."""

import re
import struct
from array import array
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest

from zava.adapters.embeddings.cached import CachedEmbeddings
from zava.core.errors import EmbeddingError
from zava.core.model import Embedding, EmbeddingModel
from zava.core.ports import Cache, EmbeddingProvider


@dataclass
class LettersAndWords(EmbeddingProvider):
    """Counts both, and what it is asked for. Nothing means nothing: that fails."""

    name: str = "letters and words"
    dimensions: int = 2
    asked: list[Sequence[str]] = field(default_factory=list)

    @property
    def model(self) -> EmbeddingModel:
        return EmbeddingModel(self.name, self.dimensions)

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        self.asked.append(texts)
        if "" in texts:
            raise EmbeddingError("the embedding provider does not answer")
        return [array("f", (len(text) / 3, len(text.split()), 0, 0)[: self.dimensions]) for text in texts]


@dataclass
class DictCache(Cache):
    values: dict[str, bytes] = field(default_factory=dict)

    async def get_or_compute(
        self, key: str, compute: Callable[[], Awaitable[bytes]], ttl: float | None = None
    ) -> bytes:
        assert ttl is None
        if key not in self.values:
            self.values[key] = await compute()
        return self.values[key]


@pytest.fixture
def provider() -> LettersAndWords:
    return LettersAndWords()


@pytest.fixture
def cache() -> DictCache:
    return DictCache()


@pytest.fixture
def cached(provider: LettersAndWords, cache: DictCache) -> CachedEmbeddings:
    return CachedEmbeddings(provider, cache)


async def test_a_question_is_embedded_once_and_always_answered_alike(
    cached: CachedEmbeddings, provider: LettersAndWords
) -> None:
    answers = [list(await cached.embed(["claw hammer"])) for _ in range(3)]
    assert answers == [list(await LettersAndWords().embed(["claw hammer"]))] * 3
    assert answers[0][0].typecode == "f"
    assert provider.asked == [["claw hammer"]]


async def test_each_text_has_its_own(cached: CachedEmbeddings, provider: LettersAndWords) -> None:
    for text in ("hammer", "Hammer", "hammer ", "\ud800", "?"):
        (embedding,) = await cached.embed([text])
        assert embedding[0] == pytest.approx(len(text) / 3)
    assert len(provider.asked) == 5


async def test_documents_are_handed_on_in_their_order(
    cached: CachedEmbeddings, provider: LettersAndWords, cache: DictCache
) -> None:
    documents = ["claw hammer", "paint", "garden hose and reel"]
    assert await cached.embed(documents) == await LettersAndWords().embed(documents)
    assert provider.asked == [documents]
    assert cache.values == {}


async def test_no_texts_have_no_embeddings(cached: CachedEmbeddings) -> None:
    assert list(await cached.embed([])) == []


@pytest.mark.parametrize("other", [LettersAndWords("words and letters"), LettersAndWords(dimensions=4)])
async def test_another_model_has_another_memory(
    cached: CachedEmbeddings, cache: DictCache, other: LettersAndWords
) -> None:
    await cached.embed(["hammer"])
    await CachedEmbeddings(other, cache).embed(["hammer"])
    assert other.asked == [["hammer"]]


async def test_the_cache_sees_float32_and_not_what_was_asked(cached: CachedEmbeddings, cache: DictCache) -> None:
    await cached.embed(["claw hammer"])
    ((key, value),) = cache.values.items()
    assert value == struct.pack("<2f", 11 / 3, 2)
    assert re.fullmatch("embedding:[0-9a-f]{64}", key)


async def test_a_failure_is_said_and_not_remembered(cached: CachedEmbeddings, cache: DictCache) -> None:
    with pytest.raises(EmbeddingError, match="does not answer"):
        await cached.embed([""])
    assert cache.values == {}


def test_the_model_is_that_of_the_provider(cached: CachedEmbeddings, provider: LettersAndWords) -> None:
    assert cached.model == provider.model
