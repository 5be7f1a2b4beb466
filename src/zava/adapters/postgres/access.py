"""How the server reaches its database."""

from dataclasses import dataclass, field
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

POSTGRES_PORT = 5432


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

    def server(self) -> tuple[str, str, int | None]:
        """The name of the database, and the first host and port of its server; a socket has a folder and no port."""
        given = {option.keyword.decode(): (option.val or b"").decode() for option in Conninfo.get_defaults()}
        given |= {name: str(value) for name, value in conninfo_to_dict(self.dsn).items()}
        host = (given.get("host") or given.get("hostaddr") or "localhost").split(",")[0]
        port = (given.get("port") or str(POSTGRES_PORT)).split(",")[0]
        return given.get("dbname") or given.get("user", ""), host, None if host.startswith("/") else int(port)
