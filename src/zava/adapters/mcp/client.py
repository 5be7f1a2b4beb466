"""Which program asks? By its own account, so that it is worth as much as that."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from fastmcp.server.dependencies import get_context, get_http_headers
from mcp_types import InitializeRequestParams

LONGEST_NAME = 200


# Of a call that FastMCP knows nothing of; empty when its client has told nothing.
_told: ContextVar[str | None] = ContextVar("told", default=None)


@contextmanager
def telling_client(client: str | None) -> Iterator[None]:
    """Within it a call is handled that FastMCP knows nothing of, and whose client is this one."""
    token = _told.set(client or "")
    try:
        yield
    finally:
        _told.reset(token)


def is_direct() -> bool:
    """Whether FastMCP knows nothing of the call that is being handled."""
    return _told.get() is not None


def client_of_call() -> str | None:
    """Name and version of the client of the call that is being handled; None when it gave none.

    A client of 2026 says so in every request, an older one once for each session. Over HTTP there are no sessions here;
    then what the HTTP library of an older client says stands in.
    """
    if is_direct():
        return _told.get() or None
    request = get_context().request_context
    client = client_named(request.session.client_params) if request else None
    return client or cleaned(get_http_headers(include={"user-agent"}).get("user-agent", ""))


def client_named(parameters: InitializeRequestParams | None) -> str | None:
    """The name and version that these parameters of a client tell."""
    return cleaned(f"{parameters.client_info.name} {parameters.client_info.version}") if parameters else None


def cleaned(told: str) -> str | None:
    """A name that is no longer than names are, and cannot steer a terminal."""
    name = told[:LONGEST_NAME]
    if not name.isprintable():
        name = "".join(one if one.isprintable() else " " for one in name)
    return name.strip() or None
