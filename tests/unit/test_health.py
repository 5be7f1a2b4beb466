"""Liveness and readiness, with checks that say what they are told to."""

import asyncio

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from zava.adapters.web.health import Check, health_routes


def check(state: str) -> Check:
    async def inspect() -> str:
        return state

    return inspect


def client(**states: str) -> TestClient:
    checks = {part: check(state) for part, state in states.items()}
    return TestClient(Starlette(routes=health_routes(checks)))


@pytest.mark.parametrize(
    ("states", "status", "code"),
    [
        ({}, "healthy", 200),
        ({"database": "healthy"}, "healthy", 200),
        ({"database": "healthy", "cache": "healthy"}, "healthy", 200),
        ({"database": "healthy", "cache": "degraded: slow"}, "degraded", 200),
        ({"database": "unhealthy: gone"}, "unhealthy", 503),
        ({"database": "healthy", "cache": "unhealthy: gone"}, "unhealthy", 503),
        ({"database": "unhealthy: gone", "cache": "degraded: slow"}, "unhealthy", 503),
    ],
)
def test_readiness_is_that_of_the_weakest_part(states: dict[str, str], status: str, code: int) -> None:
    response = client(**states).get("/health/ready")
    assert response.status_code == code
    assert response.json() == {"status": status, "parts": states}


@pytest.mark.parametrize("state", ["healthy", "degraded: slow", "unhealthy: gone"])
def test_a_server_is_alive_whatever_its_parts_are(state: str) -> None:
    response = client(database=state).get("/health/live")
    assert response.status_code == 200
    assert response.json() == {"status": "healthy"}


def test_liveness_asks_no_part() -> None:
    asked = []

    async def inspect() -> str:
        asked.append("database")
        return "healthy"

    TestClient(Starlette(routes=health_routes({"database": inspect}))).get("/health/live")
    assert asked == []


def test_a_check_that_fails_is_a_part_that_is_unhealthy() -> None:
    async def inspect() -> str:
        raise OSError("a path that nobody should read")

    response = TestClient(Starlette(routes=health_routes({"database": inspect}))).get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {"status": "unhealthy", "parts": {"database": "unhealthy: OSError"}}


def test_parts_are_asked_at_the_same_time() -> None:
    other_was_asked = asyncio.Event()

    async def waits() -> str:
        await asyncio.wait_for(other_was_asked.wait(), 1)
        return "healthy"

    async def answers() -> str:
        other_was_asked.set()
        return "healthy"

    routes = health_routes({"first": waits, "second": answers})
    assert TestClient(Starlette(routes=routes)).get("/health/ready").status_code == 200


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_health_can_only_be_read(path: str) -> None:
    assert client().post(path).status_code == 405


async def test_those_who_ask_at_once_wait_for_one_look_and_the_next_has_another() -> None:
    """Anybody may ask, and each look takes connections that answers need."""
    asked, began, end = [], asyncio.Event(), asyncio.Event()

    async def inspect() -> str:
        asked.append("database")
        began.set()
        await end.wait()
        return "healthy"

    app = Starlette(routes=health_routes({"database": inspect}))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://zava") as client:
        first = asyncio.create_task(client.get("/health/ready"))
        others = [asyncio.create_task(client.get("/health/ready")) for _ in range(20)]
        await began.wait()
        # Who leaves takes nobody's answer along.
        first.cancel()
        end.set()
        answers = await asyncio.gather(*others)
        assert [answer.json()["status"] for answer in answers] == ["healthy"] * 20
        assert asked == ["database"]
        await client.get("/health/ready")
        assert asked == ["database"] * 2
