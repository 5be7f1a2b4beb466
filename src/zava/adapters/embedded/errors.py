"""What can go wrong with the embedded PostgreSQL, said to the person at the terminal.

The operating system's refusals are put into the same words.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zava.core.errors import SetupError

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_SPACE_MESSAGES = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "File size limit exceeded",
)


class EmbeddedPostgresError(SetupError):
    """The message is safe to show and says what to do."""


class AlreadyServing(EmbeddedPostgresError):  # noqa: N818 - a state of the world, named as the caller thinks of it
    def __init__(self, url: str) -> None:
        super().__init__(f"Zava already serves this data directory at {url}; stop it first, or use another --data-dir.")
        self.url = url


def disk_is_full(path: Path) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"The disk of {path} is full (no space left on device): free about 200 MB, then start again; "
        "nothing half-made is left behind."
    )


def speaks_of_full_disk(output: str) -> bool:
    return any(message in output for message in _NO_SPACE_MESSAGES)


@contextmanager
def explained(data_dir: Path) -> Iterator[None]:
    """Turn the operating system's refusals into sentences that name the path."""
    try:
        yield
    except OSError as error:
        raise _explanation(error, data_dir) from error


def _explanation(error: OSError, data_dir: Path) -> EmbeddedPostgresError:
    path = error.filename or data_dir
    if error.errno in _NO_SPACE:
        return disk_is_full(data_dir)
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return EmbeddedPostgresError(
            f"No permission for {path} ({error.strerror}): run Zava as the user it belongs to, "
            "or use another --data-dir."
        )
    return EmbeddedPostgresError(f"{path}: {error.strerror or error}. Put it right, or use another --data-dir.")
