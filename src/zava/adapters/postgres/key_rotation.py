"""A new context key in place of the old one, while servers go on answering.

The database knows the new key before any server does, and the one before it until the next rotation. A server that
comes with an older one reads its file again.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from zava.adapters.postgres.context import ContextKey, ContextKeyError
from zava.adapters.postgres.migrate import as_owners, one_at_a_time, register_context_key
from zava.adapters.postgres.sql import load

FORGET = load("forget_older_keys")


def rotate_context_key(connection: psycopg.Connection[Any], path: Path) -> ContextKey:
    """Puts a new key into the file and the database; returns it.

    Args:
        connection: an administrator's, in autocommit mode.
        path: the key file. It keeps its owner, and is never half written; the old one stays beside it, named by its
            key_id.

    Raises:
        ContextKeyError: the file is no key, or cannot be replaced; then the old key is in force as before.
    """
    with one_at_a_time(connection):
        former = ContextKey.read(path)
        key = ContextKey.generate()
        with _draft_beside(path, key.secret) as draft:
            register_context_key(connection, key)
            # Under a name of its own: what was signed with keys that it led to can be verified with nothing else.
            with suppress(FileExistsError):  # left by one that was interrupted
                path.with_name(f"{path.name}.{former.key_id}").hardlink_to(path)
            draft.replace(path)
        with as_owners(connection), connection.transaction():
            connection.execute("SET LOCAL ROLE zava_access")
            connection.execute(FORGET, {"key_id": key.key_id})
    return key


@contextmanager
def _draft_beside(path: Path, secret: bytes) -> Iterator[Path]:
    """A file with this secret, for its owner alone, which is gone afterwards unless it was renamed."""
    try:
        if path.is_symlink():
            raise ContextKeyError(f"The context key {path} is a link: name the file that it leads to.")
        owner = path.stat()
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(descriptor, owner.st_uid, owner.st_gid)
                file.write(secret)
                file.flush()
                os.fsync(descriptor)
            yield Path(draft)
        finally:
            Path(draft).unlink(missing_ok=True)
    except OSError as error:
        raise ContextKeyError(f"The context key {path} cannot be replaced: {error.strerror}.") from None
