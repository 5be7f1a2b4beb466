"""Which program asks? By its own account, so that it is worth as much as that."""

from fastmcp.server.dependencies import get_context, get_http_headers

LONGEST_NAME = 200


def client_of_call() -> str | None:
    """Name and version of the client of the call that is being handled; None when it gave none.

    A client of 2026 says so in every request, an older one once for each session. Over HTTP there are no sessions here;
    then what the HTTP library of an older client says stands in.
    """
    request = get_context().request_context
    parameters = request.session.client_params if request else None
    if parameters:
        told = f"{parameters.client_info.name} {parameters.client_info.version}"
    else:
        told = get_http_headers(include={"user-agent"}).get("user-agent", "")
    return cleaned(told)


def cleaned(told: str) -> str | None:
    """A name that is no longer than names are, and cannot steer a terminal."""
    return "".join(one if one.isprintable() else " " for one in told[:LONGEST_NAME]).strip() or None
