"""Answers are given again for as long as the shop does not change, and to nobody who sees something else."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client

from tests.e2e.conftest import UNHURRIED, CopyShop, Server, start_server, zava
from tests.e2e.test_answers import as_owner
from tests.redis_server import PASSWORD, running_redis
from zava.adapters.embedded.supervisor import EmbeddedPostgres

MANAGER = "demo-store-seattle"
NEIGHBOUR = "demo-store-tacoma"
QUESTION = {"period": "2024-11"}
# Twice as long as it takes at most until a server knows that the shop has changed.
SOON = 1.0


async def ask(server: Server, token: str, question: dict[str, Any]) -> dict[str, Any]:
    async with Client(server.url, auth=token) as asking:
        answer = await asking.call_tool("get_store_performance", question)
    assert answer.structured_content is not None
    return dict(answer.structured_content)


async def ask_twice(server: Server, token: str, question: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return await ask(server, token, question), await ask(server, token, question)


@pytest.fixture(scope="module", autouse=True)
def warm(shop: Server) -> None:
    """The first call of a server keeps it busy for so long that it does not know the state of the shop."""
    asyncio.run(ask(shop, MANAGER, QUESTION))
    time.sleep(SOON)


async def test_the_same_question_has_the_same_answer_which_says_as_of_when_it_is(shop: Server) -> None:
    first, second = await ask_twice(shop, MANAGER, {"period": "2024-12"})
    assert "cached" not in first
    assert second.pop("cached") is True
    assert datetime.fromisoformat(second.pop("as_of")).tzinfo is not None
    assert second == first


async def test_a_neighbour_gets_an_answer_of_their_own(shop: Server) -> None:
    question = {"period": "2024-10"}
    await ask_twice(shop, MANAGER, question)
    theirs = await ask(shop, NEIGHBOUR, question)
    assert "cached" not in theirs
    assert theirs["store"]["name"] != "Seattle"


async def test_an_answer_is_worked_out_anew_when_the_shop_has_changed(shop: Server) -> None:
    question = {"period": "2024-09"}
    (_, kept) = await ask_twice(shop, MANAGER, question)
    with as_owner(shop.data_dir) as owner:
        owner.execute(
            "UPDATE retail.store_targets AS target SET revenue_target = revenue_target + 1 FROM retail.stores AS store"
            " WHERE target.store_id = store.store_id AND store.name = 'Seattle' AND target.month = '2024-09-01'"
        )
    await asyncio.sleep(SOON)
    anew = await ask(shop, MANAGER, question)
    assert "cached" not in anew
    assert anew["target"]["revenue_target"] == kept["target"]["revenue_target"] + 1


@pytest.fixture
def shared(copy_shop: CopyShop) -> Iterator[dict[str, str]]:
    """Settings of servers of one shop, which is empty."""
    with EmbeddedPostgres(copy_shop("0")) as postgres:
        yield {
            "ZAVA_DATABASE__DSN": postgres.dsn(user="zava_app", password=postgres.secret("zava_app")),
            "ZAVA_DATABASE__CONTEXT_KEY_FILE": str(postgres.secret_file("context-key")),
            "ZAVA_DATABASE__ADMIN_DSN": postgres.dsn(),
            "ZAVA_AUDIT__ENABLED": "false",
            **UNHURRIED,
        }


def token_of(store: str, settings: dict[str, str]) -> str:
    """Of a manager who is entered for it."""
    for arguments in (
        ("principals", "add", store, "--name", store, "--role", "store_manager", "--stores", store),
        ("token", "create", "--principal", store),
    ):
        done = zava(*arguments, **settings)
        assert done.returncode == 0, done.stderr
    return next(word for word in done.stdout.split() if word.startswith("zava_"))


# It starts a PostgreSQL, a Redis and three servers.
@pytest.mark.timeout(300)
async def test_servers_share_answers_in_redis_and_answer_without_it(shared: dict[str, str], folder: Path) -> None:
    manager, neighbour = token_of("Seattle", shared), token_of("Tacoma", shared)
    with running_redis() as redis, ExitStack() as stack:
        settings = {**shared, "ZAVA_CACHE__URL": redis.url, "ZAVA_CACHE__PASSWORD": PASSWORD}
        servers = [start_server(folder / "unused", **settings) for _ in range(3)]
        for server in servers:
            stack.callback(server.stop)
            await ask(server, manager, QUESTION)
        await asyncio.sleep(SOON)
        question = {"period": "2024-08"}
        first, *others = [await ask(server, manager, question) for server in servers]
        assert "cached" not in first
        assert [other["cached"] for other in others] == [True, True]
        theirs = await ask(servers[1], neighbour, question)
        assert "cached" not in theirs
        assert theirs["store"] != first["store"]
        redis.kill()
        alone = await ask(servers[1], manager, question)
        assert alone == first
    said = ["".join(server.output + server.errors) for server in servers]
    assert "Redis is left alone until it answers again" in said[1]
    assert PASSWORD not in "".join(said)
