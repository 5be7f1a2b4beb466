"""Who asks, where a test needs no token to say so."""

from collections.abc import Awaitable, Callable

from zava.adapters.mcp.identity import Caller
from zava.core.model import Principal
from zava.core.scopes import SCOPES


def always(principal: Principal | None, scopes: frozenset[str] = SCOPES) -> Callable[[], Awaitable[Caller | None]]:
    """What a pipeline is given to identify its caller: it is this principal, or nobody."""

    async def identify() -> Caller | None:
        return Caller(principal, scopes) if principal else None

    return identify
