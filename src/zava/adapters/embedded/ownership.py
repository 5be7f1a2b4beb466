"""Who owns the server of a data directory: a lock that the kernel releases, and a note about its holder."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zava.adapters.embedded.processes import is_alive

if sys.platform != "win32":
    import fcntl

State = Literal["running", "closing"]


@dataclass(frozen=True, slots=True)
class Holder:
    pid: int
    url: str | None
    state: State


class OwnerLock:
    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._held = False

    def acquire(self) -> bool:
        try:
            fcntl.flock(self._open, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._held = True
        return True

    def announce(self, url: str | None, state: State) -> None:
        self._write(json.dumps({"pid": os.getpid(), "url": url, "state": state}))

    def holder(self) -> Holder | None:
        """None while it cannot be told: just taken, being rewritten, or a note left by a killed process."""
        try:
            note = json.loads(os.pread(self._open, 4096, 0))
            holder = Holder(int(note["pid"]), note["url"], note["state"])
        except (ValueError, KeyError, TypeError):
            return None
        return holder if is_alive(holder.pid) else None

    def close(self) -> None:
        """Release the lock if it is held; idempotent."""
        if self._descriptor is None:
            return
        if self._held:
            self._write("")
        os.close(self._descriptor)
        self._descriptor = None

    @property
    def _open(self) -> int:
        if self._descriptor is None:
            raise ValueError("the lock is closed")
        return self._descriptor

    def _write(self, note: str) -> None:
        os.pwrite(self._open, note.encode(), 0)
        os.ftruncate(self._open, len(note.encode()))
