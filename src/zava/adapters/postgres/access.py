"""How the server reaches its database."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class DatabaseAccess:
    """What the server needs to speak to its database as zava_app.

    Attributes:
        dsn: connection string, password included; never shown.
        context_key_file: the key that signs who asks.
    """

    dsn: str = field(repr=False)
    context_key_file: Path
