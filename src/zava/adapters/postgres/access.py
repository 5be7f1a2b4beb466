"""How the server reaches its database."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class DatabaseAccess:
    """What the server needs to speak to its database.

    Attributes:
        dsn: connection string of zava_app, password included; never shown.
        context_key_file: the key that signs who asks.
        writer_dsn: connection string of zava_writer; None where others keep the rollups.
        audit_dir: folder in which rows of the audit trail wait for the writer; None where calls are not audited.
    """

    dsn: str = field(repr=False)
    context_key_file: Path
    writer_dsn: str | None = field(default=None, repr=False)
    audit_dir: Path | None = None
