"""The token by which the server tells PostgreSQL who asks. PostgreSQL verifies it and seals the context itself."""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from uuid import UUID

from zava.core.errors import SetupError

LIFETIME_SECONDS = 60
SHORTEST_SECRET = 32
NEW_SECRET = 48
# Of a file's mode: what it lets anybody but its owner do.
OTHERS = 0o077


class ContextKeyError(SetupError):
    """The key file is missing or not a key. The message says what to do."""


@dataclass(frozen=True)
class ContextKey:
    """An HMAC key that server and database share."""

    secret: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The key in this file.

        Raises:
            ContextKeyError: there is none, or it is open to others than its owner.
        """
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                secret = file.read().strip()
        except OSError as error:
            raise ContextKeyError(f"The context key {path} cannot be read: {error.strerror}.") from error
        if mode & OTHERS:
            raise ContextKeyError(f"The context key {path} is open to others than its owner: chmod 600 {path}")
        if len(secret) < SHORTEST_SECRET:
            raise ContextKeyError(f"The context key {path} has fewer than {SHORTEST_SECRET} bytes.")
        return cls(secret)

    @classmethod
    def generate(cls) -> Self:
        """A new key, which nobody has."""
        return cls(secrets.token_urlsafe(NEW_SECRET).encode())

    @property
    def key_id(self) -> str:
        """Names the key without telling it."""
        return hashlib.sha256(self.secret).hexdigest()[:16]

    def derive(self, purpose: str) -> bytes:
        """Another key for another purpose, the same in every process that has this one. It does not tell this one."""
        return hmac.digest(self.secret, purpose.encode(), "sha256")

    def token(self, principal_id: UUID, *, now: float) -> str:
        """A statement that this principal asks, `key_id|principal|expiry|mac`, good for a minute.

        Args:
            principal_id: who asks.
            now: seconds since the epoch.
        """
        body = f"{self.key_id}|{principal_id}|{int(now) + LIFETIME_SECONDS}"
        return f"{body}|{hmac.new(self.secret, body.encode(), hashlib.sha256).hexdigest()}"
