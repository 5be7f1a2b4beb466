"""Tokens of an authorization server (RFC 7519, RFC 9068): are they genuine, for this server, and good now?

PyJWT does the work. FastMCP's JWTVerifier is left alone: it knows one algorithm, no clock skew and no "nbf", and a
token without "exp" is good for ever to it.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cachetools import TTLCache
from jwt import PyJWK, PyJWTError

from zava.adapters.mcp.signing_keys import SigningKeys

logger = logging.getLogger(__name__)

LONGEST_TOKEN = 16_384
LONGEST_SUBJECT = 500
# "typ" says what kind of token it is. None of the others gives access.
ACCESS_TOKEN_TYPES = frozenset(("jwt", "at+jwt", "application/at+jwt"))
# A token without "kid" is tried with every key, of which an honest provider then has one or two.
MOST_KEYS = 4
REMEMBERED_SECONDS = 60
# A larger integer is no float.
NO_TIME_LATER = 2**53
MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a genuine token says.

    Attributes:
        subject: whom the authorization server means.
        scopes: that it names, Zava's and others.
        expires_at: seconds since 1970, the clock skew included.
    """

    subject: str
    scopes: frozenset[str]
    expires_at: float


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What makes a token good.

    Attributes:
        issuer: who must have issued it.
        audience: for whom it must be.
        algorithms: one of which must have signed it. All of them have public keys.
        subject_claim: the claim that says who it is.
        clock_skew: seconds by which the two clocks may differ.
    """

    issuer: str
    audience: str
    algorithms: Sequence[str] = ("RS256", "ES256", "EdDSA")
    subject_claim: str = "sub"
    clock_skew: float = 30


class JsonWebTokens:
    """Verifies tokens, and remembers for a minute those that are good."""

    def __init__(
        self,
        keys: SigningKeys,
        rules: TokenRules,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Verifies by these keys and rules.

        Args:
            keys: of the authorization server.
            rules: what makes a token good.
            now: seconds since 1970; PyJWT has the same from the system.
            clock: seconds that only grow.
        """
        self._keys = keys
        self._rules = rules
        self._now = now
        self._verified: TTLCache[bytes, VerifiedToken] = TTLCache(MOST_REMEMBERED, REMEMBERED_SECONDS, clock)

    async def verify(self, token: str) -> VerifiedToken | None:
        """What the token says; None unless it is genuine, for this server, and good now.

        Raises:
            UnavailableError: the keys cannot be fetched.
        """
        if len(token) > LONGEST_TOKEN or not token.isascii():
            return None
        digest = hashlib.sha256(token.encode()).digest()
        verified = self._verified.get(digest) or await self._verify(token, digest)
        return verified if verified and self._now() < verified.expires_at else None

    async def _verify(self, token: str, digest: bytes) -> VerifiedToken | None:
        try:
            header = jwt.get_unverified_header(token)
            if not self._admits(header):
                logger.info("A token was refused: its algorithm or type is none of those that are accepted")
                return None
            keys = await self._keys.find(header.get("kid"))
            claims = self._claims(token, [key for key in keys if key.algorithm_name == header["alg"]])
            verified = self._read(claims)
        except PyJWTError as error:
            # What PyJWT says of claims quotes none but their names.
            logger.info("A token was refused: %s", type(error).__name__)
            return None
        self._verified[digest] = verified
        return verified

    def _admits(self, header: Mapping[str, Any]) -> bool:
        kind = header.get("typ", "JWT")
        return (
            header.get("alg") in self._rules.algorithms and isinstance(kind, str) and kind.lower() in ACCESS_TOKEN_TYPES
        )

    def _claims(self, token: str, keys: Sequence[PyJWK]) -> Mapping[str, Any]:
        for key in keys[:MOST_KEYS]:
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=self._rules.algorithms,
                    audience=self._rules.audience,
                    issuer=self._rules.issuer,
                    leeway=self._rules.clock_skew,
                    options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
                )
            except jwt.InvalidSignatureError:
                continue
        raise jwt.InvalidKeyError("no key of the authorization server's made this signature")

    def _read(self, claims: Mapping[str, Any]) -> VerifiedToken:
        subject = claims.get(self._rules.subject_claim)
        if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
            raise jwt.MissingRequiredClaimError(self._rules.subject_claim)
        expires_at = min(int(claims["exp"]), NO_TIME_LATER)
        return VerifiedToken(subject, _scopes(claims), expires_at + self._rules.clock_skew)


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """What the token names in "scope" or "scp", as one text or as a list."""
    named: set[str] = set()
    for claim in ("scope", "scp"):
        match claims.get(claim):
            case str(text):
                named.update(text.split())
            case list(many):
                named.update(one for one in many if isinstance(one, str))
    return frozenset(named)
