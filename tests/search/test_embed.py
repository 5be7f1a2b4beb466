"""`zava embed` and what comes of it: a provider that is paid, one that fails, one that is down, and the local model."""

import asyncio
import re
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from fastmcp import Client

from tests.e2e.conftest import ZAVA, Server, environment, free_port, start_server, zava
from tests.e2e.test_answers import as_owner
from tests.embedding_server import DIMENSIONS, NEVER, EmbeddingServer, Reply, embedding_server
from zava.adapters.embedded.supervisor import EmbeddedPostgres
from zava.adapters.embeddings.local import MODEL as LOCAL

KEY = "sk-only-for-tests-0123456789"
BATCH = 64
ESTIMATE = re.compile(r"([\d,]+) products, about ([\d,]+) tokens: ([\d.]+) dollars at 2\.5 for a million")


@pytest.fixture(scope="module")
def data_dir(folder: Path) -> Path:
    """A sample shop with all its products and hardly a sale. Each test embeds with a model of its own."""
    path = folder / "embedded"
    for command in (("migrate",), ("seed", "--scale", "0.001")):
        assert zava("db", *command, "--data-dir", str(path)).returncode == 0
    return path


@pytest.fixture
async def provider() -> AsyncIterator[EmbeddingServer]:
    async with embedding_server() as server:
        yield server


def openai(url: str, model: str) -> dict[str, str]:
    """Settings for a provider at this address."""
    return {
        "ZAVA_EMBEDDING__PROVIDER": "openai",
        "ZAVA_EMBEDDING__API_KEY": KEY,
        "ZAVA_EMBEDDING__BASE_URL": url,
        "ZAVA_EMBEDDING__MODEL": model,
        "ZAVA_EMBEDDING__DIMENSIONS": str(DIMENSIONS),
        "ZAVA_EMBEDDING__PRICE": "2.5",
        "ZAVA_EMBEDDING__MAX_RETRIES": "0",
    }


async def embed(data_dir: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs it beside the provider, which lives in this process."""
    arguments = ("embed", "--data-dir", str(data_dir), "--batch", str(BATCH))
    return await asyncio.to_thread(zava, *arguments, **variables)


def products_in(provider: EmbeddingServer) -> list[str]:
    """What the provider was sent of whole products: kind and category stand in parentheses at the end."""
    return [text for request in provider.requests for text in request.texts if text.endswith(")")]


async def test_all_products_are_embedded_once_for_about_what_was_estimated(
    data_dir: Path, provider: EmbeddingServer
) -> None:
    first = await embed(data_dir, **openai(provider.url, "once"))
    assert first.returncode == 0, first.stderr
    sent = products_in(provider)
    assert len(sent) == len(set(sent)) > 300
    assert first.stdout == f"Embedded {len(sent)} products. All are found by meaning.\n"
    estimate, *progress = first.stderr.splitlines()
    told = ESTIMATE.match(estimate)
    assert told is not None
    products, tokens = (int(number.replace(",", "")) for number in told.groups()[:2])
    assert products == len(sent)
    assert tokens == pytest.approx(
        sum(len(text.encode()) for request in provider.requests for text in request.texts) / 4, rel=0.25
    )
    assert float(told[3]) == pytest.approx(tokens * 2.5 / 1_000_000, abs=0.005)
    assert f"{len(sent)}/{len(sent)}" in progress[-1]

    provider.requests.clear()
    second = await embed(data_dir, **openai(provider.url, "once"))
    assert (second.returncode, second.stdout, second.stderr) == (
        0,
        "Embedded 0 products. All are found by meaning.\n",
        "",
    )
    assert provider.requests == []


async def test_after_a_kill_only_the_rest_is_sent(data_dir: Path, provider: EmbeddingServer) -> None:
    provider.plan.extend([Reply(), Reply(), Reply(delay=NEVER)])
    with subprocess.Popen(  # noqa: ASYNC220, S603 - our own program
        [*ZAVA, "embed", "--data-dir", str(data_dir), "--batch", str(BATCH)],
        env=environment(**openai(provider.url, "killed")),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        async with asyncio.timeout(60):
            while len(provider.requests) < 3:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.01)
        process.kill()
        assert process.stderr is not None
        # It was said before the answer that never came.
        estimate = ESTIMATE.match(process.stderr.readline())
    assert estimate is not None
    before, unanswered = products_in(provider)[: 2 * BATCH], products_in(provider)[2 * BATCH :]
    assert len(unanswered) == BATCH

    provider.requests.clear()
    rest = await embed(data_dir, **openai(provider.url, "killed"))
    after = products_in(provider)
    assert rest.stdout == f"Embedded {len(after)} products. All are found by meaning.\n"
    assert len(after) == len(set(after)) == int(estimate[1]) - 2 * BATCH
    assert not set(after) & set(before)
    assert set(unanswered) <= set(after)


async def test_a_key_that_is_refused_is_said_in_a_sentence_and_never_shown(
    data_dir: Path, provider: EmbeddingServer
) -> None:
    refusal = f'{{"error": {{"message": "Incorrect API key provided: {KEY}"}}}}'.encode()
    provider.plan.append(Reply(refusal, status=401))
    refused = await embed(data_dir, **openai(provider.url, "refused"))
    assert refused.returncode == 1
    assert refused.stdout == ""
    (sentence,) = [line for line in refused.stderr.splitlines() if line.startswith("zava: ")]
    assert sentence == (
        "zava: Not all products could be embedded: the embedding provider refused the key. "
        "What is done is kept; run `zava embed` again."
    )
    assert KEY not in refused.stderr
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "provider", "sentence"),
    [
        ((), "none", "There is nobody to embed with: ZAVA_EMBEDDING__PROVIDER is none."),
        # Otherwise nothing would be left to do, and a model without embeddings would serve.
        (("--batch", "0"), "local", 'Invalid value "0" for --batch. Must be >= 1.'),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    data_dir: Path, arguments: tuple[str, ...], provider: str, sentence: str
) -> None:
    refused = zava("embed", "--data-dir", str(data_dir), *arguments, ZAVA_EMBEDDING__PROVIDER=provider)
    assert refused.returncode != 0
    assert refused.stdout == ""
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_without_the_schema_is_told_apart(folder: Path) -> None:
    refused = zava("embed", "--data-dir", str(folder / "empty"), ZAVA_EMBEDDING__PROVIDER="local")
    assert refused.returncode == 1
    assert refused.stderr.strip() == "zava: This database has no Zava schema, or an old one: run `zava db migrate`."


async def search(server: Server) -> dict[str, Any]:
    async with Client(server.url, auth="demo-store-seattle") as client:
        answer = await client.call_tool("semantic_search_products", {"query_description": "hammer"})
    found: dict[str, Any] = answer.structured_content or {}
    assert found["products"]
    return found


def readiness(server: Server) -> tuple[int, str, str]:
    """Its status, what it says of the whole, and of embeddings."""
    ready = httpx2.get(server.url.removesuffix("/mcp") + "/health/ready", timeout=30)
    return ready.status_code, ready.json()["status"], ready.json()["parts"]["embeddings"]


def diagnosis(data_dir: Path, **variables: str) -> str:
    """What the doctor says of embeddings; the rest is well."""
    doctor = zava("doctor", "--data-dir", str(data_dir), **variables)
    assert doctor.returncode == 0, doctor.stdout
    (line,) = [line for line in doctor.stdout.splitlines() if "products found by meaning" in line]
    return line


@contextmanager
def serving(data_dir: Path, **variables: str) -> Iterator[Server]:
    server = start_server(data_dir, **variables)
    try:
        yield server
    finally:
        server.stop()


async def test_when_the_provider_is_down_products_are_found_by_words_soon_and_readiness_tells(
    data_dir: Path, provider: EmbeddingServer
) -> None:
    assert (await embed(data_dir, **openai(provider.url, "down"))).returncode == 0
    with serving(data_dir, **openai(f"http://127.0.0.1:{free_port()}/v1", "down")) as server:
        assert readiness(server) == (200, "healthy", "healthy")
        for _ in range(3):
            engine = (await search(server))["engine"]
            assert engine == "words only, because the connection to the embedding provider failed"
        started = time.monotonic()
        engine = (await search(server))["engine"]
        assert time.monotonic() - started < 2
        assert re.search(r"^words only, because .* failed; it is asked again in \d+ s$", engine)
        assert readiness(server) == (
            200,
            "degraded",
            "degraded: the embedding provider fails, and is left alone for a while",
        )
        assert diagnosis(data_dir, ZAVA_EMBEDDING__PROVIDER="local") == (
            f"weak  products found by meaning: not every product is embedded with minilm-l6-v2-int8 (384) yet, "
            f"and down ({DIMENSIONS}) serves: run `zava embed`; the sample shop does so by itself"
        )


async def test_the_server_embeds_the_rest_of_the_sample_shop_by_itself_and_answers_meanwhile(data_dir: Path) -> None:
    embed_all_but(2 * BATCH, data_dir)
    with serving(data_dir, ZAVA_EMBEDDING__PROVIDER="local") as server:
        with as_owner(data_dir) as owner, owner.transaction():
            # Until here it may get, and no further while this is looked at.
            owner.execute("LOCK TABLE retail.embedding_models IN EXCLUSIVE MODE")
            code, overall, embeddings = readiness(server)
            assert (code, overall) == (200, "degraded")
            assert "not every product is embedded with minilm-l6-v2-int8 (384)" in embeddings
            assert (await search(server))["engine"].startswith("words only, because ")
        async with asyncio.timeout(100):
            while readiness(server)[1] != "healthy":  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.2)
        assert (await search(server))["engine"] == "meaning and words"
        assert diagnosis(data_dir, ZAVA_EMBEDDING__PROVIDER="local") == "ok    products found by meaning"
    assert any(f"Embedded {2 * BATCH} products; all are found by meaning" in line for line in server.errors)
    assert not [line for line in server.errors if "WARNING" in line or "ERROR" in line]


def test_a_server_that_stops_while_it_embeds_says_nothing_of_it(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as postgres, psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute("DELETE FROM retail.product_description_embeddings WHERE model = %s", [LOCAL.name])
    with serving(data_dir, ZAVA_EMBEDDING__PROVIDER="local") as server:
        assert readiness(server)[0] == 200
    assert not [line for line in server.errors if "WARNING" in line or "Embedded" in line]


def embed_all_but(products: int, data_dir: Path) -> None:
    """Leaves so many to the local model, of which all would take a while."""
    with EmbeddedPostgres(data_dir) as postgres, psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute("SET ROLE zava_owner")
        connection.execute(
            "INSERT INTO retail.embedding_models (model, dimensions) VALUES (%s, %s)", [LOCAL.name, LOCAL.dimensions]
        )
        connection.execute(
            """
            INSERT INTO retail.product_description_embeddings (product_id, model, embedding, content_hash)
            SELECT product_id, %s, array_fill(1::real, ARRAY[%s])::vector, content_hash
            FROM retail.product_search
            ORDER BY product_id
            OFFSET %s
            """,
            [LOCAL.name, LOCAL.dimensions, products],
        )
