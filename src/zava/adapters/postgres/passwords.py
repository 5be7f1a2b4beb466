"""The file that holds the passwords of Zava's logins, as PostgreSQL's clients read it (PGPASSFILE)."""

import os
import secrets
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from zava.core.errors import SetupError

NEW_PASSWORD = 32


def make_passwords(logins: Iterable[str]) -> Mapping[str, str]:
    """A password for each login, which nobody has."""
    return {login: secrets.token_urlsafe(NEW_PASSWORD) for login in logins}


def write_passwords(path: Path, passwords: Mapping[str, str]) -> None:
    """Puts these in place of the former ones. Every other line stays; the file is its owner's alone, and never half.

    Raises:
        SetupError: it cannot be written. Then it is as it was.
    """
    lines = {f"*:*:*:{login}:": password for login, password in passwords.items()}
    try:
        former = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        kept = [line for line in former if not line.startswith(tuple(lines))]
        # The first line that fits counts.
        replace_private(path, "".join([*(f"{start}{password}\n" for start, password in lines.items()), *kept]))
    except OSError as error:
        raise SetupError(f"The passwords cannot be written to {path}: {error.strerror}.") from None


def replace_private(path: Path, text: str) -> None:
    """Writes a file that its owner alone may read: all of it, or nothing."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if path.exists():
                os.fchown(descriptor, path.stat().st_uid, path.stat().st_gid)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)
