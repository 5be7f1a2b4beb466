"""Who says what texts mean does not answer: products are found by words, at once, and by meaning again soon after."""

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from tests.e2e.conftest import free_port, zava
from tests.embedding_server import DIMENSIONS, NEVER, EmbeddingServer, Reply, embedding_server
from tests.faults.conftest import Database, Serve
from tests.faults.load import Asker

# Also for a busy machine.
pytestmark = pytest.mark.timeout(300)

BY_MEANING = "meaning and words"
# Other texts, of the one word that counts.
_texts = (f"{one} {other} hammer" for one, other in itertools.permutations("a the my and for with of to".split(), 2))


@contextmanager
def provider(port: int) -> Iterator[EmbeddingServer]:
    """A provider of embeddings, in a thread of its own."""
    loop = asyncio.new_event_loop()
    served = embedding_server(port)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(served.__aenter__(), loop).result()
        asyncio.run_coroutine_threadsafe(served.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def search(asker: Asker) -> tuple[str, float]:
    """How products were found, for a text that nobody has asked for before, and how long it took."""
    started = time.monotonic()
    result: dict[str, Any] = asker.ask("semantic_search_products", {"query_description": next(_texts)})
    assert not result.get("isError"), result
    assert result["structuredContent"]["products"]
    return str(result["structuredContent"]["engine"]), time.monotonic() - started


@pytest.mark.long
def test_without_the_provider_of_embeddings_products_are_found_by_words(serve: Serve, database: Database) -> None:
    port = free_port()
    settings = {
        "ZAVA_EMBEDDING__PROVIDER": "openai",
        "ZAVA_EMBEDDING__BASE_URL": f"http://127.0.0.1:{port}/v1",
        "ZAVA_EMBEDDING__MODEL": "a-model",
        "ZAVA_EMBEDDING__DIMENSIONS": str(DIMENSIONS),
        "ZAVA_EMBEDDING__TIMEOUT": "1",
        "ZAVA_EMBEDDING__MAX_RETRIES": "0",
        "ZAVA_EMBEDDING__BREAKER_SECONDS": "2",
    }
    with provider(port):
        assert zava("embed", "--data-dir", str(database.data_dir), **settings).returncode == 0
        served = serve(**settings)
        with closing(Asker(served.url, next(iter(served.right)))) as asker:
            assert search(asker)[0] == BY_MEANING
    with closing(Asker(served.url, next(iter(served.right)))) as asker:
        for _ in range(5):
            engine, seconds = search(asker)
            assert engine.startswith("words only, because "), engine
            assert seconds < 2
        with provider(port) as hanging:
            hanging.plan.append(Reply(delay=NEVER))
            found = []
            for _ in range(16):
                time.sleep(0.5)
                found.append(search(asker))
        assert found[-1][0] == BY_MEANING, found
        assert max(seconds for _, seconds in found) < 3, found
    print(found)
