"""Several processes that answer on one port, and one that looks after them."""

import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import LiteralString, NoReturn

from zava.adapters.embedded.processes import end_with
from zava.commands.answering import Entrance
from zava.commands.database import Database
from zava.core.errors import SetupError
from zava.settings import Settings

logger = logging.getLogger(__name__)

# Of the connections some are for commands, and of each worker's for what it writes and for looking at standbys.
FOR_COMMANDS = 5
BESIDE_POOLS = 2
SECONDS_TO_DRAIN = 20
SECONDS_BETWEEN_LOOKS = 0.1
ALLOWED: LiteralString = """
    SELECT sum(setting::integer * CASE name WHEN 'max_connections' THEN 1 ELSE -1 END)::integer
    FROM pg_catalog.pg_settings
    WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')
"""


def shared_out(settings: Settings, database: Database) -> Settings:
    """The settings of one worker, whose pools are no larger than its share of the connections.

    Raises:
        SetupError: there are fewer connections than workers need.
    """
    allowed = settings.database.max_connections or _allowed(settings, database)
    if allowed is None:
        return settings
    workers = settings.http.workers
    room = allowed // workers - BESIDE_POOLS
    questions, queries = settings.database.pool_max_size, settings.sandbox.pool_max_size * settings.sandbox.enabled
    if questions + queries <= room:
        return settings
    fewer_queries = max(1, room * queries // (questions + queries)) if queries else 0
    fewer_questions = room - fewer_queries
    if fewer_questions < 1:
        least = workers * (BESIDE_POOLS + 1 + (queries > 0))
        raise SetupError(
            f"ZAVA_HTTP__WORKERS={workers} takes {least} connections at least, and there are {allowed} for them. Let "
            "the database have more (max_connections), or set fewer workers."
        )
    logger.info(
        "Pools of each worker: %d connections for questions and %d for queries, since there are %d for all of them",
        fewer_questions,
        fewer_queries,
        allowed,
    )
    pools = settings.database.model_copy(
        update={
            "pool_max_size": fewer_questions,
            "pool_min_size": min(settings.database.pool_min_size, fewer_questions),
        }
    )
    sandbox = settings.sandbox.model_copy(update={"pool_max_size": fewer_queries or settings.sandbox.pool_max_size})
    return settings.model_copy(update={"database": pools, "sandbox": sandbox})


def _allowed(settings: Settings, database: Database) -> int | None:
    """Connections that the database lets servers have; None through a pooler, which shares them out itself."""
    if settings.database.pooler != "none":
        return None
    with database.login() as connection:
        ((allowed,),) = connection.execute(ALLOWED).fetchall()
    return int(allowed) - FOR_COMMANDS


@dataclass
class Workers:
    """Processes that do the same work. One that ends is replaced, until all of them are told to end.

    Attributes:
        count: of them.
        entrance: that they share.
        work: what each does at an entrance of its own; it returns when it has been told to end, and has.
    """

    count: int
    entrance: Entrance
    work: Callable[[Entrance], None]
    _pids: dict[int, int] = field(default_factory=dict)

    def run(self) -> NoReturn:
        """Starts them, says when all are ready, and stays until a signal ends it.

        Raises:
            SetupError: one of them ended before it was ready. It has said why.
            SystemExit: a signal came, and all have ended.
        """
        try:
            told = [self._start(number) for number in range(self.count)]
            words, *_ = [_words(pipe) for pipe in told]
            self.entrance.ready(words)
            while True:
                time.sleep(SECONDS_BETWEEN_LOOKS)
                for pid in self._ended():
                    number = self._pids.pop(pid)
                    logger.error("Worker %d (process %d) has ended: another takes its place", number, pid)
                    _words(self._start(number))
        finally:
            self._end()

    def _start(self, number: int) -> int:
        """Starts a worker, and returns the pipe in which it says that it is ready."""
        reading, writing = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            end_with(parent, signal.SIGTERM)
            _be_worker(self.work, replace(self.entrance, ready=partial(_write, writing), first=number == 0))
        self._pids[pid] = number
        os.close(writing)
        return reading

    def _end(self) -> None:
        """Has them take no more connections and answer what they have accepted, and waits for it."""
        self.entrance.listener.close()
        for sent in (signal.SIGTERM, signal.SIGKILL):
            for pid in self._pids:
                os.kill(pid, sent)
            deadline = time.monotonic() + SECONDS_TO_DRAIN
            while self._pids and time.monotonic() < deadline:
                for pid in self._ended():
                    del self._pids[pid]
                time.sleep(SECONDS_BETWEEN_LOOKS / 10)

    def _ended(self) -> list[int]:
        # Each by its number: an embedded PostgreSQL is a child of this process, too.
        return [pid for pid in self._pids if os.waitpid(pid, os.WNOHANG) != (0, 0)]


def _words(pipe: int) -> str:
    """What a worker says when it is ready."""
    with os.fdopen(pipe, encoding="utf-8") as told:
        words = told.read()
    if not words:
        raise SetupError("A worker ended before it could answer.")
    return words


def _write(pipe: int, text: str) -> None:
    with os.fdopen(pipe, "w", encoding="utf-8") as told:
        told.write(text)


def _be_worker(work: Callable[[Entrance], None], entrance: Entrance) -> NoReturn:
    """Works, and ends the process without undoing what belongs to the one that looks after it."""
    code = 1
    try:
        work(entrance)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except SetupError as error:
        print(f"zava: {error}", file=sys.stderr)
    except BaseException:  # noqa: BLE001 - nobody else would say it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
