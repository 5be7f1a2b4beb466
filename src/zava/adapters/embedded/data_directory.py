"""The data directory: whose it is, what lies in it, and the secrets it keeps.

It belongs to the account that PostgreSQL runs as. Root therefore never follows a symbolic link inside it.
"""

import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zava.adapters.embedded.accounts import Account, first_unreachable, serving_account
from zava.adapters.embedded.errors import EmbeddedPostgresError

_SOCKET = ".s.PGSQL.5432"
_LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103  # sockaddr_un, less the terminating zero
_UNFINISHED = ".unfinished-"
_SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class DataDirectory:
    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.cluster = self.path / "postgres"
        self.log = self.path / "postgres.log"
        self.owner_lock = self.path / "owner.lock"
        self.socket = self.path / _SOCKET
        self.account: Account | None = None

    def prepared_for(self) -> Account:
        """Create the directory or check it; idempotent, and several processes may do it at the same time."""
        if self.account is None:
            self._refuse_unusable_path()
            self._refuse_foreign_content()
            account = serving_account()
            self._refuse_foreign_owner(account)
            self._refuse_unreachable_parents(account)
            self._create_parents()
            own_directory(self.path, account)
            self._mark_as_ours(account)
            self.account = account
        return self.account

    def _refuse_unusable_path(self) -> None:
        if len(os.fsencode(self.socket)) > _LONGEST_SOCKET_PATH:
            raise EmbeddedPostgresError(
                f"The path {self.path} is too long for a socket: use a --data-dir of at most "
                f"{_LONGEST_SOCKET_PATH - len(_SOCKET) - 1} bytes."
            )
        if "," in str(self.path):
            raise EmbeddedPostgresError(
                f"The path {self.path} has a comma, which separates hosts: use another --data-dir."
            )

    def _refuse_foreign_content(self) -> None:
        """Taking over `/home` or `/etc` for a slip of the pen must not be possible."""
        if not self._content():
            return
        if not self.owner_lock.exists() and not (self.cluster / "PG_VERSION").exists():
            raise EmbeddedPostgresError(
                f"{self.path} is neither empty nor a data directory of Zava: use another --data-dir."
            )

    def _refuse_foreign_owner(self, account: Account) -> None:
        if self._content() and (owner := self.path.stat().st_uid) not in {0, account.uid}:
            raise EmbeddedPostgresError(
                f"{self.path} belongs to user {owner}: run Zava as that user, or use another --data-dir."
            )

    def _content(self) -> set[str]:
        if not self.path.exists():
            return set()
        return {entry.name for entry in self.path.iterdir()} - {"lost+found"}

    def _refuse_unreachable_parents(self, account: Account) -> None:
        parents = [parent for parent in reversed(self.path.parents) if parent.exists()]
        if account.differs_from_ours and (closed := first_unreachable(parents, account)):
            raise EmbeddedPostgresError(
                f"PostgreSQL runs as the system user 'zava', who may not enter {closed} (its permissions "
                "are left as they are): use another --data-dir, for example below /var/lib, or run Zava as "
                "another user than root."
            )

    def _create_parents(self) -> None:
        for parent in reversed(self.path.parents):
            if parent.exists():
                continue
            with suppress(FileExistsError):
                parent.mkdir()
                parent.chmod(0o755)  # our own creation: whatever the umask, the account must get through

    def _mark_as_ours(self, account: Account) -> None:
        os.close(open_private(self.owner_lock, os.O_RDWR | os.O_CREAT, account))

    @contextmanager
    def unfinished(self) -> Iterator[Path]:
        """A place to make something in, which is gone afterwards unless it was renamed."""
        place = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.path))
        try:
            own_directory(place, self.prepared_for())
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def remove_unfinished(self) -> None:
        for place in self.path.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(place, ignore_errors=True)

    def secret_file(self, name: str) -> Path:
        if not _SECRET_NAME.fullmatch(name):
            raise ValueError(f"not a name of a secret: {name!r}")
        return self.path / "secrets" / name

    def secret(self, name: str) -> str:
        path = self.secret_file(name)
        account = self.prepared_for()
        own_directory(path.parent, account)
        if not path.exists():
            _write_secret(path, account)
        with os.fdopen(open_private(path, os.O_RDONLY, account)) as file:
            return file.read()


def own_directory(path: Path, account: Account) -> None:
    """Make it exist, belong to the account and be closed to everybody else."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _give(descriptor, account)
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def open_private(path: Path, flags: int, account: Account) -> int:
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if flags & os.O_CREAT:
        _give(descriptor, account)
    return descriptor


def _give(descriptor: int, account: Account) -> None:
    if os.fstat(descriptor).st_uid != account.uid:
        os.fchown(descriptor, account.uid, account.gid)


def _write_secret(path: Path, account: Account) -> None:
    """Complete before it has its name, and the first one wins: two processes never see different secrets."""
    descriptor, draft = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            _give(descriptor, account)
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        Path(draft).unlink()
