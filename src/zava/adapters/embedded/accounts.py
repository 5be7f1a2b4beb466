"""Which system user owns the data and runs PostgreSQL, which refuses to run as root."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from zava.adapters.embedded.errors import EmbeddedPostgresError

if sys.platform != "win32":
    import pwd

SERVICE_USER = "zava"
_CREATE_SERVICE_USER = (
    "useradd",
    "--system",
    "--user-group",
    "--no-create-home",
    "--home-dir=/nonexistent",
    "--shell=/usr/sbin/nologin",
    SERVICE_USER,
)


class Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    uid: int
    gid: int

    @property
    def differs_from_ours(self) -> bool:
        return self.uid != os.geteuid()

    def identity(self) -> Identity:
        """Arguments for subprocess: become this user, without root's supplementary groups."""
        if not self.differs_from_ours:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def serving_account() -> Account:
    """Ourselves, or as root the system user `zava`, who is created when missing."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    account = _service_account() or _created_service_account()
    if account.uid == 0:
        raise EmbeddedPostgresError(f"The system user {SERVICE_USER!r} is root; PostgreSQL needs an ordinary user.")
    return account


def _service_account() -> Account | None:
    try:
        entry = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)


def _created_service_account() -> Account:
    reason = _run_useradd()
    # Asked again even after a failure: another process may have created the user in the meantime.
    account = _service_account()
    if account is None:
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and the system user {SERVICE_USER!r} cannot be created "
            f"({reason}): create it with `{' '.join(_CREATE_SERVICE_USER)}`, "
            "or run Zava as another user than root."
        )
    return account


def _run_useradd() -> str:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 - constant arguments
            _CREATE_SERVICE_USER,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        return str(error)
    return done.stderr.strip() or f"useradd ended with {done.returncode}"


def first_unreachable(directories: list[Path], account: Account) -> Path | None:
    """The first directory that the account may not traverse: asked as that user, so that ACLs count too."""
    script = 'for directory do [ -x "$directory" ] || { printf %s "$directory"; exit; }; done'
    done = subprocess.run(  # noqa: S603 - a constant script
        ["/bin/sh", "-c", script, "sh", *map(str, directories)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
        cwd="/",
        **account.identity(),
    )
    return Path(os.fsdecode(done.stdout)) if done.stdout else None
