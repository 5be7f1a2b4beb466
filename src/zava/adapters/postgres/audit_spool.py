"""Where the rows of the audit trail wait for the database: files that outlive the process.

A process writes into segments named <writer>.<number>.spool, and holds a lock on <writer>.lock for as long as it lives.
Who gets hold of the lock of another knows that its process is dead, and sends what that one has left.
"""

import asyncio
import errno
import fcntl
import json
import logging
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal, Self, TypeAlias
from uuid import UUID, uuid4

from zava.adapters.postgres.audit_chain import AuditKey, Link, chain
from zava.core.errors import SetupError, UnavailableError
from zava.core.observations import Call

logger = logging.getLogger(__name__)

FULL = "Calls cannot be audited at the moment, and unaudited none is answered. Try again later."
SPOOL = ".spool"
ANCHOR = ".anchor"
# Rows that are sent together; reading more would let callers wait.
BATCH = 100

WhenFull: TypeAlias = Literal["refuse", "answer"]
Send: TypeAlias = Callable[[Sequence[str]], Awaitable[None]]


class AuditSpool:
    """The rows of this process. Opened with `with`, and used from one event loop.

    Attributes:
        end: of the chain of this process.
        waiting: rows of this process that are not in the database yet.
        written: rows that this process has brought to the database, those of dead processes included.
        refused: calls that were not answered because the spool took no more.
        unrecorded: calls that were answered though it took no more.
        anchors: the last row of each writer that was brought to the database; whoever logs them takes them out.
    """

    def __init__(  # noqa: PLR0913 - what an operator can turn
        self,
        directory: Path,
        key: AuditKey,
        *,
        most_bytes: int,
        when_full: WhenFull = "refuse",
        fsync: bool = False,
        full_texts: bool = False,
    ) -> None:
        """A spool that is not open yet.

        Args:
            directory: of all processes that use one database; made when it is missing.
            key: of the chain.
            most_bytes: that wait at most.
            when_full: what happens to calls that it cannot take.
            fsync: whether rows outlive a power cut, too.
            full_texts: whether free SQL is kept as it was written, too.
        """
        self.end = Link(uuid4())
        self.waiting = self.written = self.refused = self.unrecorded = 0
        self.anchors: dict[UUID, Link] = {}
        self._directory = directory
        self._key = key
        self._most_bytes = most_bytes
        self._when_full = when_full
        self._fsync = fsync
        self._full_texts = full_texts
        self._lock: int | None = None
        self._segment: _Segment | None = None
        self._segments = 0
        # Bytes of the segment of this process that is complete, and not sent yet.
        self._complete_bytes = 0

    def __enter__(self) -> Self:
        """Takes the directory into use.

        Raises:
            SetupError: it cannot be used.
        """
        with _explained(self._directory):
            _prepare(self._directory)
            self._lock = _lock_of(self._directory, self.end.writer_id)
            self._segment = self._new_segment()
        return self

    def __exit__(self, *_: object) -> None:
        """Lets go of the files. What waits in them is sent by the next process that uses the directory."""
        if self._segment is not None:
            os.close(self._segment.descriptor)
            if not self.waiting:
                self._segment.path.unlink()
            self._segment = None
        if self._lock is not None:
            if not self.waiting:
                (self._directory / f"{self.end.writer_id}.lock").unlink()
            os.close(self._lock)
            self._lock = None

    def figures(self) -> dict[str, int]:
        """How many rows are waiting and written, and how many calls were refused, for those who count."""
        return {"waiting": self.waiting, "written": self.written, "refused": self.refused}

    @property
    def filled(self) -> float:
        """The part of the room that is taken by what waits; at 1 there is none for another call."""
        return (self._complete_bytes + self._open_segment.size) / self._most_bytes

    async def append(self, call: Call, stores: tuple[str, ...] | None) -> None:
        """Writes down a call, before its answer leaves.

        Args:
            call: as it ended.
            stores: that the answer tells of, by name; None where that is not known.

        Raises:
            UnavailableError: it cannot be written down, and then it must not be answered.
        """
        segment = self._open_segment
        end, line = chain(self._key, self.end, call, stores, full_texts=self._full_texts)
        try:
            segment.append(f"{line}\n".encode(), self._most_bytes - self._complete_bytes)
            self.end = end
            self.waiting += 1
            if self._fsync:
                await segment.sync()
        except OSError as error:
            if self._when_full == "answer":
                self.unrecorded += 1
                logger.error("A call of %s is answered and not audited: %s", call.tool, error.strerror)  # noqa: TRY400
                return
            self.refused += 1
            logger.error("A call of %s is refused, since it cannot be audited: %s", call.tool, error.strerror)  # noqa: TRY400
            raise UnavailableError(FULL) from None

    async def drain(self, send: Send) -> None:
        """Brings what waits to the database: rows of this process, and those that dead ones have left.

        Args:
            send: keeps these rows for good, each once however often it is sent. Whatever it raises ends this, and the
                rows wait on.
        """
        own = self.end.writer_id
        if self._open_segment.size and not self._complete_bytes:
            # What comes from now on goes into another segment.
            self._complete_bytes = self._open_segment.size
            complete, self._segment = self._open_segment, self._new_segment()
            await complete.close()
        if self._complete_bytes:
            # Calls come while it waits.
            sent = await self._send(own, send, without=self._open_segment.path)
            self.waiting -= sent
            self._complete_bytes = 0
        for lock in sorted(self._directory.glob("*.lock")):
            if lock.stem != str(own):
                with _taken_over(lock) as dead:
                    if dead:
                        await self._send(UUID(lock.stem), send)
                        lock.unlink(missing_ok=True)

    async def _send(self, writer_id: UUID, send: Send, without: Path | None = None) -> int:
        """Sends the segments of a writer and removes them; returns how many rows they had."""
        sent = 0
        for path in segments_of(self._directory, writer_id):
            if path == without:
                continue
            rows = damaged = 0
            with path.open("rb") as lines:
                while batch := list(islice(lines, BATCH)):
                    readable = [line for line in map(_row, batch) if line]
                    damaged += len(batch) - len(readable)
                    if readable:
                        await send([line for line, _ in readable])
                        self.anchors[writer_id] = readable[-1][1]
                        _anchor(self._directory, readable[-1][1])
                        rows += len(readable)
            sent += rows
            self.written += rows
            if damaged:
                # Most likely a power cut, or a full disk, in the middle of a row whose answer has not left.
                logger.warning("%d rows of the audit trail in %s are torn, and were left out", damaged, path.name)
            path.unlink()
        return sent

    @property
    def _open_segment(self) -> "_Segment":
        if self._segment is None:
            raise AssertionError("the spool is not open")
        return self._segment

    def _new_segment(self) -> "_Segment":
        self._segments += 1
        return _Segment(self._directory / f"{self.end.writer_id}.{self._segments:08}{SPOOL}", fsync=self._fsync)


class _Segment:
    """A file of rows, a line each."""

    def __init__(self, path: Path, *, fsync: bool) -> None:
        self.path = path
        self.size = 0
        self.descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        self._synced = 0
        self._syncing = asyncio.Lock()
        if fsync:
            directory = os.open(path.parent, os.O_RDONLY)
            os.fsync(directory)
            os.close(directory)

    def append(self, line: bytes, most_bytes: int) -> None:
        """Adds a line as a whole, or not at all.

        Raises:
            OSError: there is no room, on the disk or by the limit.
        """
        if self.size + len(line) > most_bytes:
            raise OSError(errno.ENOSPC, "ZAVA_AUDIT__SPOOL_BYTES wait already")
        if os.write(self.descriptor, line) < len(line):
            os.ftruncate(self.descriptor, self.size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += len(line)

    async def sync(self) -> None:
        """Returns when what was added before is on the disk. Calls that come together share a turn of it."""
        wanted = self.size
        async with self._syncing:
            if self._synced < wanted:
                reached = self.size
                await asyncio.to_thread(os.fsync, self.descriptor)
                self._synced = reached

    async def close(self) -> None:
        # Those who wait for sync() stand before us in the queue.
        async with self._syncing:
            os.close(self.descriptor)


def segments_of(directory: Path, writer_id: UUID | str = "*") -> list[Path]:
    """The files in which rows of a writer wait, or of all writers; the oldest first."""
    return sorted(directory.glob(f"{writer_id}.*{SPOOL}"))


def anchors_in(directory: Path) -> list[Link]:
    """The last row of each writer that was brought to the database from here.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is no anchor.
    """
    return [Link.read(path.read_text(encoding="utf-8")) for path in sorted(directory.glob(f"*{ANCHOR}"))]


def check_folder(directory: Path) -> None:
    """Makes sure that rows can be spooled there; makes it when it is missing.

    Raises:
        SetupError: they cannot.
    """
    with _explained(directory):
        _prepare(directory)
        with TemporaryFile(dir=directory):
            pass


def _prepare(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.lstat().st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it is another user's")


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SetupError(
            f"The audit trail cannot be spooled in {directory}: {error.strerror}; name a folder of your own in "
            "ZAVA_AUDIT__SPOOL_DIR."
        ) from None


def _anchor(directory: Path, link: Link) -> None:
    path = directory / f"{link.writer_id}{ANCHOR}"
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(f"{link}\n", encoding="utf-8")
    unfinished.replace(path)


def _row(line: bytes) -> tuple[str, Link] | None:
    """A row and its place in the chain; None for one that is torn."""
    try:
        row = json.loads(line)
        return line.decode(), Link(UUID(row["writer_id"]), row["sequence"], row["mac"])
    except (ValueError, KeyError, TypeError):
        return None


def _lock_of(directory: Path, writer_id: UUID) -> int:
    """The lock of a writer, held. It gets its name when it is held, or somebody would take its owner for dead."""
    unfinished = directory / f"{writer_id}.unfinished"
    descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    unfinished.rename(directory / f"{writer_id}.lock")
    return descriptor


@contextmanager
def _taken_over(lock: Path) -> Iterator[bool]:
    """Whether its owner is dead; if so, nobody else takes it over meanwhile."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)
