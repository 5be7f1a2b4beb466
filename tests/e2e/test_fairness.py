"""One principal asks far too much of `zava serve`, and is told to wait; another is answered all the same."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import SCALE, CopyShop, Server, start_server
from tests.e2e.served import ERA, call, headers_of, message, serving
from tests.tiny_shop import HEAD_OFFICE, SEATTLE
from zava.adapters.mcp.identity import KnownTokens
from zava.core.fairness import Rate, Requests

GREEDY, OTHER = "demo-head-office", "demo-store-seattle"
# Half a second of a processor, or more where others are at work.
HEAVY = "SELECT sum(sqrt(n)) AS total FROM generate_series(1, 1500000) AS n"
MANY = 24
LIMITS = {"ZAVA_LIMITS__HEAVY_SLOTS": "1", "ZAVA_LIMITS__QUEUE": "3", "ZAVA_LIMITS__PATIENCE": "60"}


@pytest.fixture(scope="module")
def limited(copy_shop: CopyShop) -> Iterator[Server]:
    server = start_server(copy_shop(SCALE), **LIMITS)
    yield server
    assert server.stop() == 0


def ask(server: Server, token: str, tool: str, arguments: dict[str, Any]) -> httpx2.Response:
    asked = call(tool, arguments)
    return httpx2.post(
        server.url, content=json.dumps(asked), headers=headers_of(asked, ERA, token), timeout=90, trust_env=False
    )


def failure(answer: httpx2.Response) -> dict[str, Any] | None:
    found: dict[str, Any] | None = answer.json()["result"].get("_meta", {}).get("zava/error")
    return found


def test_who_asks_too_much_at_once_is_told_to_wait_while_another_is_answered(limited: Server) -> None:
    sql = {"postgresql_query": HEAVY}
    with ThreadPoolExecutor(MANY) as pool:
        asked = [pool.submit(ask, limited, GREEDY, "execute_sales_query", sql) for _ in range(MANY)]
        # The greedy one has the slot, and a queue before it.
        while sum(one.done() for one in asked) < MANY // 2:
            time.sleep(0.01)
        performance = ask(limited, OTHER, "get_store_performance", {"period": "last_month"})
        own_query = ask(limited, OTHER, "execute_sales_query", sql)
        left = sum(not one.done() for one in asked)
        answers = [one.result() for one in asked]
    assert failure(performance) is None
    assert failure(own_query) is None
    # It was one of them, not the last of all.
    assert left >= 1
    answered = [one for one in answers if one.status_code == 200 and failure(one) is None]
    busy = [found for one in answers if one.status_code == 200 and (found := failure(one))]
    whole = [one for one in answers if one.status_code != 200]
    assert len(answered) >= 1 + int(LIMITS["ZAVA_LIMITS__QUEUE"])
    assert busy
    assert {found["code"] for found in busy} == {"BUSY"}
    assert all(found["retryable"] and 1 <= found["retry_after"] <= 60 for found in busy)
    # What comes while that many are being refused is not even read.
    assert {one.status_code for one in whole} <= {429}
    assert all(1 <= int(one.headers["Retry-After"]) <= 60 for one in whole)


def test_requests_of_any_kind_are_counted_for_each_principal_apart() -> None:
    callers = KnownTokens({"greedy": HEAD_OFFICE.principal, "other": SEATTLE.principal})
    with serving(callers, requests=Requests(Rate(per_second=0.1, burst=3), at_once=10)) as server:
        sent = [message("tools/list", {}), message("prompts/list", {}), call(), call()]
        answers = [server.post("greedy", body) for body in sent]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        refused = answers[-1]
        assert refused.headers["Retry-After"] == "10"
        assert refused.json() == {
            "error": "too_many_requests",
            "error_description": "You ask too often. Try again in 10 s.",
        }
        assert server.post("other").status_code == 200
        # Whoever is nobody has no rate: that they are nobody is all that they are told.
        assert server.post("unknown").status_code == 401
