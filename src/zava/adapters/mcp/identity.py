"""Whose call is this? A bearer token says so over HTTP, a token of the environment over stdio; otherwise nobody's."""

from collections.abc import Mapping

from fastmcp.server.auth import AccessToken, TokenVerifier
from fastmcp.server.dependencies import get_access_token

from zava.core.model import Principal


class KnownTokens(TokenVerifier):
    """A fixed list of tokens, such as the sample shop's. FastMCP answers 401 to any other, and to none."""

    def __init__(self, principals: Mapping[str, Principal], stdio_token: str | None = None) -> None:
        """The tokens that are accepted.

        Args:
            principals: by token.
            stdio_token: who asks when there is no HTTP request; None over HTTP.
        """
        super().__init__()
        self._principals = dict(principals)
        self._stdio_token = stdio_token

    async def verify_token(self, token: str) -> AccessToken | None:
        principal = self._principals.get(token)
        if principal is None:
            return None
        # Traces carry the client_id, so it must not be the token.
        name = str(principal.principal_id)
        return AccessToken(token=token, client_id=name, scopes=[], subject=name)

    def principal(self) -> Principal | None:
        """The principal of the call that is being handled."""
        access = get_access_token()
        token = access.token if access else self._stdio_token
        return self._principals.get(token) if token else None
