"""Whose call is this? A bearer token says so over HTTP, a token of the environment over stdio; otherwise nobody's."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from fastmcp.server.auth import AccessToken, TokenVerifier
from fastmcp.server.dependencies import get_access_token
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, BearerAuthBackend
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from pydantic import AnyHttpUrl, UrlConstraints
from starlette.authentication import AuthCredentials, AuthenticationError
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.routing import Route

from zava.adapters.mcp.json_web_tokens import JsonWebTokens
from zava.core.errors import ZavaError
from zava.core.model import KnownPrincipal, Principal
from zava.core.ports import PrincipalDirectory
from zava.core.scopes import SCOPES

logger = logging.getLogger(__name__)

# Every API token begins so, and no JSON Web Token does: theirs begin with a brace, in base64.
API_TOKEN = "zava_"  # noqa: S105 - the beginning of all of them
RETRY_AFTER_SECONDS = 1
NAME = "Zava Retail Analytics"

Credentials: TypeAlias = tuple[AuthCredentials, AuthenticatedUser]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and which tools they may use in this call.

    Attributes:
        scopes: of the tools.
        withheld: scopes that the caller has, and their token leaves out.
    """

    principal: Principal
    scopes: frozenset[str]
    withheld: frozenset[str] = frozenset()


class Issuer(AnyHttpUrl):
    """The name of an authorization server, to the letter: clients compare it with what the server calls itself."""

    _constraints = UrlConstraints(allowed_schemes=["http", "https"], preserve_empty_path=True)


class CallerToken(AccessToken):
    """A token that was accepted, and whose it is."""

    caller: Caller


class Callers(TokenVerifier, ABC):
    """Tells whose call it is. FastMCP answers 401 to a token of nobody's, and to none."""

    def __init__(self, stdio_token: str | None = None, base_url: str | None = None) -> None:
        """Whoever they are.

        Args:
            stdio_token: who asks when there is no HTTP request; None over HTTP.
            base_url: where clients reach the server, without the path.
        """
        super().__init__(base_url=base_url)
        self._stdio_token = stdio_token

    @abstractmethod
    async def caller_of(self, token: str) -> Caller | None:
        """Whose token it is; None for nobody's.

        Raises:
            ZavaError: nobody can say at present.
        """

    async def verify_token(self, token: str) -> CallerToken | None:
        caller = await self.caller_of(token)
        if caller is None:
            return None
        # Traces carry the client_id, so it must not be the token.
        name = str(caller.principal.principal_id)
        return CallerToken(token=token, client_id=name, scopes=sorted(caller.scopes), subject=name, caller=caller)

    async def caller(self) -> Caller | None:
        """Who makes the call that is being handled."""
        access = get_access_token()
        if isinstance(access, CallerToken):
            return access.caller
        return await self.caller_of(self._stdio_token) if self._stdio_token else None

    def challenge(self, scopes: list[str]) -> str:
        """The header WWW-Authenticate that asks for a token with these scopes (RFC 6750, RFC 9728)."""
        parts = ['error="insufficient_scope"', f'scope="{" ".join(self.get_challenge_scopes(scopes))}"']
        if self._mcp_path and (resource := self._get_resource_url(self._mcp_path)):
            parts.append(f'resource_metadata="{build_resource_metadata_url(resource)}"')
        return f"Bearer {', '.join(parts)}"

    def get_middleware(self) -> list[Middleware]:
        """As FastMCP has it, but that a database or a provider that is away is no fault of this program's."""
        return [
            Middleware(AuthenticationMiddleware, backend=_Bearer(self), on_error=_try_again),
            Middleware(AuthContextMiddleware),
        ]


class KnownTokens(Callers):
    """A fixed list of tokens, such as the sample shop's, good for every tool."""

    def __init__(self, principals: Mapping[str, Principal], stdio_token: str | None = None) -> None:
        """The tokens that are accepted.

        Args:
            principals: by token.
            stdio_token: who asks when there is no HTTP request; None over HTTP.
        """
        super().__init__(stdio_token)
        self._principals = dict(principals)

    async def caller_of(self, token: str) -> Caller | None:
        principal = self._principals.get(token)
        return Caller(principal, SCOPES) if principal else None


@dataclass(frozen=True, slots=True)
class AuthorizationServer:
    """Who issues tokens for this server.

    Attributes:
        issuer: its name, which is a URL.
        tokens: verifies what it has issued.
        scope_prefix: what stands before a scope when it is asked for one.
    """

    issuer: str
    tokens: JsonWebTokens
    scope_prefix: str = ""


class DirectoryCallers(Callers):
    """Those whom an administrator has entered, by name or by group: by API tokens, and by an authorization server's."""

    def __init__(
        self,
        directory: PrincipalDirectory,
        authorization_server: AuthorizationServer | None,
        *,
        base_url: str | None = None,
        stdio_token: str | None = None,
    ) -> None:
        """Those of this directory.

        Args:
            directory: asked for every call.
            authorization_server: whose tokens are accepted; None for API tokens alone.
            base_url: where clients reach the server, without the path.
            stdio_token: who asks when there is no HTTP request; None over HTTP.
        """
        super().__init__(stdio_token, base_url)
        self._directory = directory
        self._authorization_server = authorization_server

    async def caller_of(self, token: str) -> Caller | None:
        if token.startswith(API_TOKEN):
            known = await self._directory.by_token(token)
            if known is None:
                logger.info(
                    "A token was refused: no API token is this one, or it has ended, or whose it is is disabled"
                )
            return Caller(known.principal, known.scopes & SCOPES) if known else None
        if self._authorization_server is None:
            logger.info("A token was refused: it is no API token, and without ZAVA_AUTH__ISSUER no others are accepted")
            return None
        verified = await self._authorization_server.tokens.verify(token)
        if verified is None:
            return None
        known = await self._directory.by_subject(verified.subject, verified.groups)
        if known is None:
            logger.info("A token was refused: its subject is disabled, or was not entered and no group lets them in")
            return None
        # Some providers leave the prefix on in their tokens, and some take it off.
        prefix = self._authorization_server.scope_prefix
        return _narrowed(known, frozenset(scope.removeprefix(prefix) for scope in verified.scopes) & SCOPES)

    @property
    def scopes_supported(self) -> list[str]:
        """As one asks the authorization server for them."""
        return self.get_challenge_scopes()

    def get_challenge_scopes(self, required_scopes: list[str] | None = None) -> list[str]:
        """None is required of everybody: the tools ask for theirs. A client is told of all."""
        if self._authorization_server is None:
            return []
        return [f"{self._authorization_server.scope_prefix}{scope}" for scope in required_scopes or sorted(SCOPES)]

    def get_routes(self, mcp_path: str | None = None) -> list[Route]:
        """The metadata of RFC 9728, where there is an authorization server that clients can be sent to."""
        self.set_mcp_path(mcp_path)
        resource = self._get_resource_url(mcp_path)
        if resource is None or self._authorization_server is None:
            return []
        return create_protected_resource_routes(
            resource_url=resource,
            authorization_servers=[Issuer(self._authorization_server.issuer)],
            scopes_supported=self.scopes_supported,
            resource_name=NAME,
        )


def _narrowed(known: KnownPrincipal, named: frozenset[str]) -> Caller:
    """A token that names scopes of Zava's has no others; one that names none leaves them to the directory."""
    granted = known.scopes & SCOPES
    scopes = granted & named if named else granted
    return Caller(known.principal, scopes, granted - scopes)


class _Bearer(BearerAuthBackend):
    async def authenticate(self, conn: HTTPConnection) -> Credentials | None:
        try:
            accepted: Credentials | None = await super().authenticate(conn)
        except ZavaError as error:
            raise AuthenticationError(error.message) from error
        return accepted


def _try_again(_: HTTPConnection, error: AuthenticationError) -> JSONResponse:
    return JSONResponse(
        {"error": "temporarily_unavailable", "error_description": str(error)},
        status_code=503,
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )
