"""zava audit: tail, verify and prune; and in the background of a server, what brings its rows to the database."""

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from zava.adapters.postgres.audit_chain import AuditKey, Link
from zava.adapters.postgres.audit_spool import AuditSpool, anchors_in, check_folder, segments_of
from zava.adapters.postgres.audit_tail import AuditTail
from zava.adapters.postgres.audit_trail import AuditWriter
from zava.adapters.postgres.audit_verification import prune, verify
from zava.adapters.postgres.context import ContextKey
from zava.commands.database import Database, failures_of, first_line, open_database
from zava.commands.queries import INDENT, printable
from zava.core.errors import SetupError
from zava.core.observations import AuditedCall
from zava.settings import Settings

logger = logging.getLogger(__name__)

DRAIN_EVERY_SECONDS = 1
ANCHOR_EVERY_SECONDS = 60
FOLLOW_EVERY_SECONDS = 1
LAST_DRAIN_SECONDS = 10
# Of the room for rows that wait.
MUCH = 0.5
# Named by its key_id.
FORMER_KEY = re.compile(r"\.[0-9a-f]{16}")
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@asynccontextmanager
async def auditing(spool: AuditSpool, writer: AuditWriter) -> AsyncIterator[None]:
    """Keeps the spool open, and brings what waits in it to the database, at the end once more."""
    with spool:
        task = asyncio.create_task(_keep_drained(spool, writer))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            # What cannot be sent now is sent by the next process that uses the folder.
            with suppress(psycopg.Error, TimeoutError):
                async with asyncio.timeout(LAST_DRAIN_SECONDS):
                    await writer.drain(spool)
            _log_anchors(spool)


async def _keep_drained(spool: AuditSpool, writer: AuditWriter) -> None:
    fails = False
    anchored = time.monotonic()
    while True:
        try:
            await writer.drain(spool)
        except psycopg.Error as error:
            if not fails:
                logger.warning("The audit trail waits in its spool: %s", first_line(error))
            fails = True
        except OSError as error:
            logger.exception("The spool of the audit trail fails: %s", error.strerror)
        else:
            if fails:
                logger.info("The audit trail has been brought to the database")
            fails = False
        if time.monotonic() - anchored >= ANCHOR_EVERY_SECONDS:
            _log_anchors(spool)
            anchored = time.monotonic()
        await asyncio.sleep(DRAIN_EVERY_SECONDS)


def _log_anchors(spool: AuditSpool) -> None:
    while spool.anchors:
        _, anchor = spool.anchors.popitem()
        logger.info("Audit anchor %s", anchor)


async def check_auditing(settings: Settings, database: Database) -> None:
    """Makes sure that calls can be written down and brought to the database.

    Raises:
        SetupError: they cannot.
    """
    access = database.access
    if access.writer_dsn is None:
        raise SetupError("no login writes them; set ZAVA_DATABASE__WRITER_DSN, or ZAVA_AUDIT__ENABLED=false")
    if access.audit_dir:
        check_folder(access.audit_dir)
    _keys(settings, database, ())
    try:
        may_append = await AuditWriter(access.writer_dsn).check()
    except psycopg.Error as error:
        raise SetupError(f"the login zava_writer does not get there: {first_line(error)}") from None
    if not may_append:
        raise SetupError("the login of ZAVA_DATABASE__WRITER_DSN may not append; connect as zava_writer")


async def check_backlog(settings: Settings, database: Database) -> None:
    """Makes sure that the spool is not filling up.

    Raises:
        SetupError: it is.
    """
    directory = database.access.audit_dir
    waiting = sum(path.stat().st_size for path in segments_of(directory)) if directory else 0
    if waiting > settings.audit.spool_bytes * MUCH:
        raise SetupError(f"{waiting:,} bytes wait in {directory}; see whether a server runs, and what its log says")


@dataclass(frozen=True)
class Wanted:
    """Which calls `zava audit tail` shows, and how."""

    principal: str | None
    tool: str | None
    since: str | None
    lines: int
    follow: bool
    as_json: bool


def show_calls(settings: Settings, wanted: Wanted) -> None:
    """Prints the latest calls, and those that come after them."""
    since = _moment(wanted.since, "--since") if wanted.since else None
    with _administration(settings, "zava audit tail") as (_, connection):
        tail = AuditTail(connection, wanted.principal, wanted.tool, since)
        _print(tail.latest(wanted.lines), as_json=wanted.as_json)
        while wanted.follow:
            time.sleep(FOLLOW_EVERY_SECONDS)
            _print(tail.later(), as_json=wanted.as_json)


def verify_calls(settings: Settings, anchors: Sequence[str], former_keys: Sequence[Path]) -> int:
    """Says whether the audit trail is as it was written, and returns the exit code: 1 when it is not."""
    with _administration(settings, "zava audit verify") as (database, connection):
        known = [_read_anchor(anchor) for anchor in anchors]
        directory = database.access.audit_dir
        if directory and directory.is_dir():
            # What is there by now is in the database; rows that come meanwhile do not matter.
            known += _anchors_in(directory)
        verdict = verify(connection, _keys(settings, database, former_keys), known)
    for broken in verdict.breaks:
        print(f"BROKEN  {broken}")
    print(f"{verdict.rows:,} rows of {verdict.writers:,} writers are as they were written.")
    if verdict.breaks:
        print(f"{len(verdict.breaks)} chains are broken: docs/operations.md says what to do.")
    return 1 if verdict.breaks else 0


def prune_calls(settings: Settings, older_than: str, former_keys: Sequence[Path]) -> int:
    """Takes old rows away, and returns the exit code: 1 when a chain is broken, and was left as it is."""
    before = _moment(older_than, "--older-than")
    with _administration(settings, "zava audit prune") as (database, connection):
        pruned = prune(connection, _keys(settings, database, former_keys), before)
    print(f"Took away {pruned.rows:,} rows from before {before:%Y-%m-%d %H:%M} UTC.")
    for broken in pruned.breaks:
        print(f"BROKEN  {broken}: its rows stay from there on")
    return 1 if pruned.breaks else 0


@contextmanager
def _administration(settings: Settings, command: str) -> Iterator[tuple[Database, psycopg.Connection[Any]]]:
    with open_database(settings) as database, database.administration() as connection, failures_of(command):
        yield database, connection


def _keys(settings: Settings, database: Database, former: Sequence[Path]) -> list[AuditKey]:
    """The key in force, those that the context key had before, which lie beside it, and those that are named."""
    path = database.access.context_key_file
    context_key = ContextKey.read(path)
    replaced = [one for one in path.parent.glob(f"{path.name}.*") if FORMER_KEY.fullmatch(one.suffix)]
    return [AuditKey.of(context_key, one) for one in (settings.audit.key_file, *replaced, *former)]


def _read_anchor(text: str) -> Link:
    try:
        return Link.read(text)
    except ValueError:
        raise SetupError(f"{text!r} is no anchor: copy it from a log line, as in writer:sequence:mac.") from None


def _anchors_in(directory: Path) -> list[Link]:
    try:
        return anchors_in(directory)
    except (OSError, ValueError) as error:
        raise SetupError(f"The anchors in {directory} cannot be read: {error}. Look who has changed them.") from None


def _moment(text: str, option: str) -> datetime:
    """The moment that lies so long ago, or that is written out."""
    if ago := re.fullmatch(r"(\d{1,6})([mhd])", text):
        return datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SetupError(f"{option} takes 30m, 12h, 400d, or a moment such as 2026-03-31T18:00.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _print(calls: Sequence[AuditedCall], *, as_json: bool) -> None:
    for call in calls:
        print(_as_json(call) if as_json else printable_lines(call), flush=True)


def _as_json(call: AuditedCall) -> str:
    values = asdict(call)
    values.pop("query_text")
    return json.dumps(values | {"called_at": call.called_at.astimezone(UTC).isoformat()})


def printable_lines(call: AuditedCall) -> str:
    """When, how it ended, who, what, about which stores, how much, how long; free SQL in a line of its own."""
    ended = call.decision if call.code is None else f"{call.decision} {call.code}"
    stores = "own stores" if call.stores is None else ", ".join(call.stores) or "-"
    rows = "-" if call.row_count is None else f"{call.row_count:,} rows"
    line = (
        f"{call.called_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}  {ended:<26}  {call.principal_name or 'nobody':<28}  "
        f"{call.tool:<26}  {call.seconds:>7.3f} s  {rows:>12}  {call.text_bytes:>9,} B  {stores}"
    )
    return "\n".join([printable(line), *([f"{INDENT}{printable(call.query)}"] if call.query else [])])
