"""OpenAIEmbeddings against a server of the tests' own, over TCP: right answers, and everything that can go wrong."""

import asyncio
import logging
import math
import time
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from pydantic import SecretStr

from tests.embedding_server import (
    DIMENSIONS,
    NEVER,
    EmbeddingServer,
    Reply,
    answer,
    embedding_server,
    packed,
    vector_of,
)
from zava.adapters.embeddings.openai import BLANK, BatchLimits, OpenAIEmbeddings, OpenAIServer
from zava.core.errors import EmbeddingError
from zava.core.model import Embedding, EmbeddingModel

KEY = "sk-hunter2-hunter2"
MODEL = EmbeddingModel("a-model", DIMENSIONS)
LIMITS = BatchLimits()
# The library would wait half a second before it tries again.
SOON = {"retry-after-ms": "1"}
RIGHT = vector_of("hammer")


@pytest.fixture
async def server() -> AsyncIterator[EmbeddingServer]:
    async with embedding_server() as running:
        yield running


@pytest.fixture
def where(server: EmbeddingServer) -> OpenAIServer:
    """The server, asked patiently and once."""
    return OpenAIServer(
        api_key=SecretStr(KEY),
        base_url=server.url,
        azure_endpoint=None,
        azure_api_version="2024-10-21",
        timeout=10,
        max_retries=0,
    )


@asynccontextmanager
async def opened(
    where: OpenAIServer, limits: BatchLimits = LIMITS, *, send_dimensions: bool = False
) -> AsyncIterator[OpenAIEmbeddings]:
    provider = OpenAIEmbeddings(where, MODEL, limits, send_dimensions=send_dimensions)
    try:
        yield provider
    finally:
        await provider.close()


async def embed(where: OpenAIServer, *texts: str, limits: BatchLimits = LIMITS) -> Sequence[Embedding]:
    async with opened(where, limits) as provider:
        return await provider.embed(texts)


async def failure(where: OpenAIServer, *texts: str) -> EmbeddingError:
    """How it fails. What is said is one clause, and nothing of what the provider or the caller said is in it."""
    with pytest.raises(EmbeddingError) as failed:
        await embed(where, *(texts or ("hammer",)))
    message = failed.value.message
    assert message.startswith("the ")
    for secret in (KEY, where.base_url, "127.0.0.1", "hammer", "provider says"):
        assert secret not in message
    return failed.value


def are_of(embeddings: Sequence[Embedding], *texts: str) -> bool:
    """Whether these are the embeddings of these texts, in their order, of length one."""
    expected = [[number / math.hypot(*vector_of(text)) for number in vector_of(text)] for text in texts]
    return len(embeddings) == len(texts) and all(
        embedding.typecode == "f" and list(embedding) == pytest.approx(numbers, abs=1e-6)
        for embedding, numbers in zip(embeddings, expected, strict=True)
    )


# What is asked.


async def test_a_text_is_sent_with_the_model_and_the_key(server: EmbeddingServer, where: OpenAIServer) -> None:
    assert are_of(await embed(where, "hammer"), "hammer")
    (request,) = server.requests
    assert request.target == "/v1/embeddings"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body == {"model": "a-model", "input": ["hammer"], "encoding_format": "base64"}


async def test_no_texts_are_not_sent(server: EmbeddingServer, where: OpenAIServer) -> None:
    assert await embed(where) == []
    assert server.requests == []


async def test_dimensions_are_sent_when_the_model_takes_them(server: EmbeddingServer, where: OpenAIServer) -> None:
    async with opened(where, send_dimensions=True) as provider:
        await provider.embed(["hammer"])
    assert server.requests[0].body["dimensions"] == DIMENSIONS


async def test_a_server_without_a_key_gets_none_of_another_program(
    server: EmbeddingServer, where: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-program")
    await embed(replace(where, api_key=None), "hammer")
    assert "another-program" not in str(server.requests)


async def test_azure_is_asked_for_a_deployment_of_a_version_with_its_own_header(
    server: EmbeddingServer, where: OpenAIServer
) -> None:
    azure = replace(where, azure_endpoint=server.url.removesuffix("/v1"), base_url="http://127.0.0.1:1")
    assert are_of(await embed(azure, "hammer"), "hammer")
    (request,) = server.requests
    assert request.target == "/openai/deployments/a-model/embeddings?api-version=2024-10-21"
    assert request.headers["api-key"] == KEY
    assert "authorization" not in request.headers


async def test_many_texts_go_in_batches_and_come_back_in_order(server: EmbeddingServer, where: OpenAIServer) -> None:
    texts = [f"hammer {number}" for number in range(7)]
    embeddings = await embed(where, *texts, limits=replace(LIMITS, most_texts=3))
    assert [request.texts for request in server.requests] == [texts[:3], texts[3:6], texts[6:]]
    assert are_of(embeddings, *texts)


async def test_large_texts_go_in_more_batches(server: EmbeddingServer, where: OpenAIServer) -> None:
    texts = ["é" * 30, "b" * 40, "c" * 10, "d" * 100, "e"]
    embeddings = await embed(where, *texts, limits=replace(LIMITS, most_bytes=100))
    assert [request.texts for request in server.requests] == [texts[:2], [texts[2]], [texts[3]], [texts[4]]]
    assert are_of(embeddings, *texts)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("", BLANK),
        (" \t\n\u00a0", BLANK),
        ("\0\0", BLANK),
        ("  hammer\n", "hammer"),
        ("nul\0byte", "nul byte"),
        ("lone \ud83d surrogate", "lone ? surrogate"),
        ("🔨 für 8 €", "🔨 für 8 €"),
        ("a" * 99 + "b" * 50, "a" * 99 + "b"),
        ("a" * 98 + "🔨", "a" * 98),
        (" " * 1_000 + "hammer", "hammer"),
    ],
    ids=[
        "empty",
        "blank",
        "nothing but NUL",
        "spaces around",
        "NUL",
        "surrogate",
        "emoji",
        "long",
        "cut emoji",
        "late",
    ],
)
async def test_a_text_is_made_fit_to_be_sent(
    server: EmbeddingServer, where: OpenAIServer, text: str, sent: str
) -> None:
    embeddings = await embed(where, "saw", text, limits=replace(LIMITS, most_text_bytes=100))
    assert server.requests[0].texts == ["saw", sent]
    assert are_of(embeddings, "saw", sent)


# Answers that are right.


@pytest.mark.parametrize("embedding", [RIGHT, packed(RIGHT)], ids=["floats", "base64"])
async def test_embeddings_are_read_as_numbers_and_as_base64(
    server: EmbeddingServer, where: OpenAIServer, embedding: object
) -> None:
    server.plan.append(Reply(answer(embedding)))
    assert are_of(await embed(where, "hammer"), "hammer")


async def test_embeddings_are_put_into_the_order_of_the_texts(server: EmbeddingServer, where: OpenAIServer) -> None:
    mixed = answer(*(packed(vector_of(text)) for text in ("saw", "nail", "hammer")), indexes=[1, 2, 0])
    server.plan.append(Reply(mixed))
    assert are_of(await embed(where, "hammer", "saw", "nail"), "hammer", "saw", "nail")


@pytest.mark.parametrize("scale", [1e-30, 1e30])
async def test_an_embedding_of_any_length_becomes_one_of_length_one(
    server: EmbeddingServer, where: OpenAIServer, scale: float
) -> None:
    server.plan.append(Reply(answer([number * scale for number in RIGHT])))
    assert are_of(await embed(where, "hammer"), "hammer")


# Answers that are wrong.


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (answer([1.0] * 7, RIGHT), "answered with 7 dimensions, and 8 were expected"),
        (answer(RIGHT, packed([1.0] * 9)), "answered with 9 dimensions, and 8 were expected"),
        (answer(RIGHT, []), "answered with 0 dimensions"),
        (answer(RIGHT), "did not answer with one embedding for each text"),
        (answer(RIGHT, RIGHT, RIGHT), "did not answer with one embedding for each text"),
        (answer(RIGHT, RIGHT, indexes=[0, 0]), "did not answer with one embedding for each text"),
        (answer(), "did not answer with one embedding for each text"),
        (answer(RIGHT, packed([math.nan] * 8)), "has no direction"),
        (answer(RIGHT, [math.nan] + [1.0] * 7), "has no direction"),
        (answer(RIGHT, packed([math.inf] + [1.0] * 7)), "has no direction"),
        (answer(RIGHT, [0.0] * 8), "has no direction"),
        (answer(RIGHT, f"!{packed(RIGHT)}"), "cannot be understood"),
        (answer(RIGHT, packed(RIGHT)[:-2]), "cannot be understood"),
        (answer(RIGHT, packed(RIGHT)[:-4]), "cannot be understood"),
        (answer(RIGHT, None), "cannot be understood"),
        (answer(RIGHT, ["provider says"] * 8), "cannot be understood"),
        (answer(RIGHT, RIGHT)[:-10], "cannot be understood"),
        (b"<html>provider says 200</html>", "cannot be understood"),
        (b"", "cannot be understood"),
        (b"\xff\xfe", "cannot be understood"),
        (b"null", "cannot be understood"),
        (b'{"data": {"provider says": "no"}}', "cannot be understood"),
    ],
    ids=[
        *["too few dimensions", "too many dimensions", "no dimensions"],
        *["one missing", "one too many", "one twice", "none"],
        *["NaN in base64", "NaN", "infinite", "zero"],
        *["not base64", "base64 cut", "float cut", "null embedding", "words"],
        *["truncated", "HTML", "nothing", "not UTF-8", "null", "another shape"],
    ],
)
async def test_a_wrong_answer_is_refused(server: EmbeddingServer, where: OpenAIServer, body: bytes, said: str) -> None:
    server.plan.append(Reply(body))
    assert said in (await failure(where, "hammer", "hammer")).message


async def test_html_is_refused_whatever_it_calls_itself(server: EmbeddingServer, where: OpenAIServer) -> None:
    server.plan.append(Reply(b"<html>Sign in</html>", headers={"Content-Type": "text/html"}))
    failed = await failure(where)
    assert "cannot be understood" in failed.message
    assert failed.__cause__ is not None


async def test_one_wrong_batch_fails_the_whole(server: EmbeddingServer, where: OpenAIServer) -> None:
    server.plan.extend([Reply(), Reply(answer([1.0]))])
    with pytest.raises(EmbeddingError, match="1 dimensions"):
        await embed(where, "hammer", "saw", "nail", limits=replace(LIMITS, most_texts=1))
    assert len(server.requests) == 2


# No answers.


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "refused the request (status 400)"),
        (401, "refused the key"),
        (403, "does not allow the key to do this"),
        (404, "does not know the model"),
        (429, "is busy"),
        (500, "failed (status 500)"),
        (503, "failed (status 503)"),
    ],
)
async def test_a_refusal_is_told_by_its_kind(
    server: EmbeddingServer, where: OpenAIServer, status: int, said: str
) -> None:
    server.plan.append(Reply(b'{"error": {"message": "provider says no", "code": "no"}}', status))
    failed = await failure(where)
    assert said in failed.message
    assert "provider says no" in str(failed.__cause__)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_what_will_be_refused_again_is_not_asked_again(
    server: EmbeddingServer, where: OpenAIServer, status: int
) -> None:
    server.plan.append(Reply(b"{}", status))
    await failure(replace(where, max_retries=2))
    assert len(server.requests) == 1


async def test_a_provider_that_says_when_to_ask_again_is_asked_then(
    server: EmbeddingServer, where: OpenAIServer
) -> None:
    server.plan.append(Reply(b"{}", 429, {"Retry-After": "1"}))
    assert are_of(await embed(replace(where, max_retries=1), "hammer"), "hammer")
    first, second = server.requests
    # By itself it would have waited half a second at most.
    assert second.at - first.at >= 1


async def test_a_provider_that_asks_for_more_patience_than_there_is_is_given_up(
    server: EmbeddingServer, where: OpenAIServer
) -> None:
    server.plan.append(Reply(b"{}", 429, {"Retry-After": "60"}))
    started = time.monotonic()
    assert "in time" in (await failure(replace(where, timeout=0.1, max_retries=1))).message
    assert time.monotonic() - started < 5


async def test_a_busy_provider_that_says_nothing_more_is_asked_again_a_little_later(
    server: EmbeddingServer, where: OpenAIServer
) -> None:
    server.plan.append(Reply(b"{}", 429))
    assert are_of(await embed(replace(where, max_retries=1), "hammer"), "hammer")
    first, second = server.requests
    assert second.at - first.at >= 0.3


async def test_a_provider_that_fails_once_is_asked_again(server: EmbeddingServer, where: OpenAIServer) -> None:
    server.plan.append(Reply(b"{}", 500, SOON))
    assert are_of(await embed(replace(where, max_retries=1), "hammer"), "hammer")
    assert len(server.requests) == 2


async def test_a_provider_that_always_fails_is_asked_so_often(server: EmbeddingServer, where: OpenAIServer) -> None:
    server.plan.extend([Reply(b"{}", 500, SOON)] * 10)
    assert "failed (status 500)" in (await failure(replace(where, max_retries=3))).message
    assert len(server.requests) == 4


async def test_a_provider_that_does_not_answer_is_given_up(server: EmbeddingServer, where: OpenAIServer) -> None:
    server.plan.append(Reply(delay=NEVER))
    started = time.monotonic()
    failed = await failure(replace(where, timeout=0.1))
    assert failed.message == "the embedding provider did not answer in time"
    assert failed.__cause__ is not None
    assert time.monotonic() - started < 5


async def test_a_provider_that_does_not_answer_a_later_attempt_is_given_up(
    server: EmbeddingServer, where: OpenAIServer
) -> None:
    server.plan.extend([Reply(b"{}", 500, SOON), Reply(delay=NEVER)])
    assert "in time" in (await failure(replace(where, timeout=0.5, max_retries=1))).message
    assert len(server.requests) == 2


async def test_a_provider_that_trickles_is_given_up(server: EmbeddingServer, where: OpenAIServer) -> None:
    server.plan.append(Reply(answer(*[RIGHT] * 100), pause=0.01))
    assert "in time" in (await failure(replace(where, timeout=0.3))).message


async def test_an_attempt_that_gets_no_answer_is_followed_by_another(
    server: EmbeddingServer, where: OpenAIServer
) -> None:
    server.plan.append(Reply(delay=NEVER))
    assert are_of(await embed(replace(where, timeout=2, max_retries=1), "hammer"), "hammer")


@pytest.mark.parametrize("cut", [0, 30])
async def test_an_answer_that_breaks_off_is_no_answer(server: EmbeddingServer, where: OpenAIServer, cut: int) -> None:
    server.plan.append(Reply(cut=cut))
    failed = await failure(where)
    assert failed.message == "the connection to the embedding provider failed"
    assert failed.__cause__ is not None


async def test_a_provider_that_is_not_there_cannot_be_reached(where: OpenAIServer) -> None:
    async with embedding_server() as gone:
        url = gone.url
    assert "connection" in (await failure(replace(where, base_url=url))).message


async def test_a_call_that_is_cancelled_ends_at_once_and_the_next_is_answered(
    server: EmbeddingServer, where: OpenAIServer
) -> None:
    server.plan.append(Reply(delay=NEVER))
    async with opened(where) as provider:
        asking = asyncio.create_task(provider.embed(["hammer"]))
        await asyncio.wait_for(server.asked.wait(), timeout=10)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert are_of(await provider.embed(["hammer"]), "hammer")


# What is shown, and the end.


async def test_the_key_is_in_no_message_no_repr_and_no_log(
    server: EmbeddingServer, where: OpenAIServer, caplog: pytest.LogCaptureFixture
) -> None:
    said = f'{{"error": {{"message": "Incorrect API key provided: {KEY}"}}}}'.encode()
    server.plan.extend([Reply(), Reply(said, 401), Reply(said, 500), Reply(cut=3), Reply(said, 200)])
    caplog.set_level(logging.DEBUG)
    shown = [repr(where), str(where)]
    for endpoint in (None, server.url.removesuffix("/v1")):
        async with opened(replace(where, azure_endpoint=endpoint)) as provider:
            shown += [repr(provider), repr(vars(provider))]
            await provider.embed(["hammer"])
            for _ in range(4):
                try:
                    await provider.embed(["hammer"])
                except EmbeddingError as error:
                    logging.getLogger("zava").exception("It failed.")
                    shown += [repr(error), *traceback.format_exception(error)]
    text = "".join(shown) + caplog.text
    assert "Incorrect API key provided: **********" in text
    assert "openai" in {record.name.split(".")[0] for record in caplog.records}
    assert KEY not in text


async def test_closing_closes_the_connections(server: EmbeddingServer, where: OpenAIServer) -> None:
    async with opened(where) as provider:
        await provider.embed(["hammer"])
        (connection,) = server.connections
        await provider.embed(["hammer"])
        assert server.connections == {connection}
    await asyncio.wait_for(connection, timeout=10)


def test_the_model_is_known_without_asking(where: OpenAIServer) -> None:
    assert OpenAIEmbeddings(where, MODEL, LIMITS, send_dimensions=False).model == MODEL
