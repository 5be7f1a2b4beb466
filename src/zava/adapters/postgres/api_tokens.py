"""API tokens of machines: how they look, and what is kept of them."""

import hashlib
import re
import secrets

PREFIX = "zava_"
RANDOM_BYTES = 32
_FORM = re.compile(r"zava_[A-Za-z0-9_-]{43}")


def new_token() -> str:
    """A token that nobody can guess. It is shown once and kept nowhere."""
    return f"{PREFIX}{secrets.token_urlsafe(RANDOM_BYTES)}"


def hash_of(token: str) -> bytes | None:
    """What is kept of a token, SHA-256; None for a text that is none."""
    return hashlib.sha256(token.encode()).digest() if _FORM.fullmatch(token) else None
