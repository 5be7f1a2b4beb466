"""Is the server alive, and is it ready to answer?"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

HEALTHY = "healthy"
DEGRADED = "degraded: "
UNHEALTHY = "unhealthy: "
LONGEST_CHECK_SECONDS = 5

# Returns "healthy", "degraded: …" or "unhealthy: …".
Check: TypeAlias = Callable[[], Awaitable[str]]


def health_routes(checks: Mapping[str, Check]) -> Sequence[Route]:
    """GET /health/live, and /health/ready with the state of each part; 503 only when one is unhealthy."""

    async def live(_: Request) -> JSONResponse:
        return JSONResponse({"status": HEALTHY})

    looking: asyncio.Task[list[str]] | None = None

    async def look() -> list[str]:
        return await asyncio.gather(*(_state(check) for check in checks.values()))

    async def ready(_: Request) -> JSONResponse:
        nonlocal looking
        # Anybody may ask, and a look takes connections that answers need: there is one at a time.
        if looking is None or looking.done():
            looking = asyncio.create_task(look())
        states = await asyncio.shield(looking)
        broken = any(state.startswith(UNHEALTHY) for state in states)
        overall = "unhealthy" if broken else HEALTHY if all(state == HEALTHY for state in states) else "degraded"
        return JSONResponse(
            {"status": overall, "parts": dict(zip(checks, states, strict=True))},
            status_code=503 if broken else 200,
        )

    return (Route("/health/live", live), Route("/health/ready", ready))


async def _state(check: Check) -> str:
    """A check that fails, or takes its time, says that its part is unhealthy."""
    try:
        async with asyncio.timeout(LONGEST_CHECK_SECONDS):
            return await check()
    except Exception as error:  # noqa: BLE001 - whatever it is, the part is not well
        return f"{UNHEALTHY}{type(error).__name__}"
