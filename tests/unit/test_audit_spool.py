"""The rows of the audit trail until they are in the database: none is lost, and none is sent that is no row."""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from zava.adapters.postgres.audit_chain import BEGINNING, COLUMNS, AuditKey, AuditRow, Link
from zava.adapters.postgres.audit_spool import AuditSpool, anchors_in, segments_of
from zava.adapters.postgres.context import ContextKey
from zava.core.errors import SetupError, UnavailableError
from zava.core.model import Principal
from zava.core.observations import Call, Coverage

KEY = AuditKey(b"a key of the tests")
ADA = Principal(UUID(int=1), "Ada")
QUERY = "SELECT count(*) FROM retail.customers WHERE last_name = 'Canary'"
CALL = Call(
    started_at=datetime(2026, 4, 1, 12, tzinfo=UTC),
    principal=ADA,
    client="Client 1.0",
    tool="execute_sales_query",
    query=QUERY,
    code=None,
    coverage=Coverage(("Seattle",), 1),
    text_bytes=120,
    seconds=0.012345678,
    trace_id="a" * 32,
)


class Database:
    """Keeps what it is sent, unless it is down."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.is_down = False

    async def send(self, rows: Sequence[str]) -> None:
        await asyncio.sleep(0)
        if self.is_down:
            raise ConnectionError
        self.rows += map(json.loads, rows)

    @property
    def sequences(self) -> list[int]:
        return [row["sequence"] for row in self.rows]


def spool_in(directory: Path, most_bytes: int = 1_000_000, **options: Any) -> AuditSpool:  # noqa: ANN401 - any of them
    return AuditSpool(directory, KEY, most_bytes=most_bytes, **options)


async def append(spool: AuditSpool, calls: int = 1, call: Call = CALL) -> None:
    for _ in range(calls):
        await spool.append(call, ("Seattle",))


async def left_by_the_dead(directory: Path, calls: int = 3) -> UUID:
    """A process that ended before the database had its rows."""
    with spool_in(directory) as spool:
        await append(spool, calls)
        return spool.end.writer_id


def lines_in(directory: Path) -> list[str]:
    return [line for path in segments_of(directory) for line in path.read_text().splitlines()]


def files_in(directory: Path, suffix: str = "") -> list[str]:
    return [path.name for path in directory.iterdir() if path.name.endswith(suffix)]


async def test_a_call_is_in_a_file_of_nobody_elses_when_it_is_appended(tmp_path: Path) -> None:
    with spool_in(tmp_path / "new" / "spool") as spool:
        await append(spool)
        (path,) = segments_of(tmp_path / "new" / "spool")
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        (row,) = map(json.loads, path.read_text().splitlines())
        assert (row["principal_name"], row["tool"], row["stores"]) == ("Ada", "execute_sales_query", ["Seattle"])
        assert spool.waiting == 1


async def test_each_row_continues_the_chain_of_its_writer(tmp_path: Path) -> None:
    with spool_in(tmp_path) as spool:
        await append(spool, 3)
        previous = BEGINNING
        for number, line in enumerate(lines_in(tmp_path), start=1):
            values = json.loads(line)
            mac = values.pop("mac")
            row = AuditRow(
                **values
                | {
                    "writer_id": UUID(values["writer_id"]),
                    "called_at": datetime.fromisoformat(values["called_at"]),
                    "principal_id": UUID(values["principal_id"]),
                }
            )
            assert row.sequence == number
            assert row.mac(KEY, previous) == mac
            assert row.mac(AuditKey(b"another"), previous) != mac
            assert row.mac(KEY, "1" * 64) != mac
            previous = mac
        assert spool.end == Link(spool.end.writer_id, 3, previous)


async def test_what_is_drained_is_sent_once_and_its_files_are_gone(tmp_path: Path) -> None:
    database = Database()
    with spool_in(tmp_path) as spool:
        await append(spool, 250)
        await spool.drain(database.send)
        await append(spool, 2)
        await spool.drain(database.send)
        await spool.drain(database.send)
        assert database.sequences == list(range(1, 253))
        assert (spool.waiting, spool.written) == (0, 252)
        assert lines_in(tmp_path) == []


async def test_while_the_database_is_down_rows_wait_and_then_all_are_there_in_order(tmp_path: Path) -> None:
    database = Database()
    with spool_in(tmp_path) as spool:
        await append(spool, 2)
        database.is_down = True
        for _ in range(3):
            with pytest.raises(ConnectionError):
                await spool.drain(database.send)
            await append(spool)
        assert (spool.waiting, spool.written) == (5, 0)
        database.is_down = False
        await spool.drain(database.send)
        await spool.drain(database.send)
        assert database.sequences == [1, 2, 3, 4, 5]
        assert spool.waiting == 0


async def test_calls_that_come_while_rows_are_sent_are_not_lost(tmp_path: Path) -> None:
    database = Database()
    with spool_in(tmp_path) as spool:
        await append(spool, 300)

        async def send(rows: Sequence[str]) -> None:
            await append(spool, 10)
            await database.send(rows)

        await spool.drain(send)
        assert spool.waiting == 30
        await spool.drain(database.send)
        assert database.sequences == list(range(1, 331))


@pytest.mark.parametrize("waiting", [True, False])
async def test_a_full_spool_refuses_a_call_and_takes_calls_again_when_it_is_drained(
    tmp_path: Path, *, waiting: bool
) -> None:
    database = Database()
    with spool_in(tmp_path, most_bytes=1_500) as spool:
        await append(spool)
        if waiting:
            database.is_down = True
            with pytest.raises(ConnectionError):
                await spool.drain(database.send)
        await append(spool)
        with pytest.raises(UnavailableError, match="cannot be audited"):
            await append(spool)
        assert (spool.waiting, spool.refused, spool.unrecorded) == (2, 1, 0)
        database.is_down = False
        await spool.drain(database.send)
        await spool.drain(database.send)
        await append(spool)
        await spool.drain(database.send)
        assert database.sequences == [1, 2, 3]


async def test_a_full_spool_may_be_set_to_let_calls_be_answered(tmp_path: Path) -> None:
    with spool_in(tmp_path, most_bytes=1_500, when_full="answer") as spool:
        await append(spool, 4)
        assert (spool.waiting, spool.refused, spool.unrecorded) == (2, 0, 2)


async def test_what_a_dead_process_has_left_is_sent_by_the_next_one(tmp_path: Path) -> None:
    dead = await left_by_the_dead(tmp_path)
    database = Database()
    with spool_in(tmp_path) as spool:
        await append(spool)
        await spool.drain(database.send)
        assert [(row["writer_id"], row["sequence"]) for row in database.rows] == [
            (str(spool.end.writer_id), 1),
            *((str(dead), number) for number in (1, 2, 3)),
        ]
        assert (spool.waiting, spool.written) == (0, 4)
        assert files_in(tmp_path, ".lock") == [f"{spool.end.writer_id}.lock"]


async def test_a_living_process_keeps_its_rows_to_itself(tmp_path: Path) -> None:
    database = Database()
    with spool_in(tmp_path) as living, spool_in(tmp_path) as other:
        await append(living)
        await other.drain(database.send)
        assert database.rows == []
        await living.drain(database.send)
        assert database.sequences == [1]


async def test_a_dead_processs_rows_wait_on_while_the_database_is_down(tmp_path: Path) -> None:
    await left_by_the_dead(tmp_path)
    database = Database()
    database.is_down = True
    with spool_in(tmp_path) as spool:
        with pytest.raises(ConnectionError):
            await spool.drain(database.send)
        database.is_down = False
        await spool.drain(database.send)
        assert database.sequences == [1, 2, 3]


def without_its_end(text: bytes) -> bytes:
    return text[:-20]


def without_its_last_character(text: bytes) -> bytes:
    return text[:-1]


def with_zeros(text: bytes) -> bytes:
    return text[:-100] + bytes(100)


@pytest.mark.parametrize("tear", [without_its_end, with_zeros])
async def test_a_torn_last_row_is_left_out_and_the_others_are_sent(
    tmp_path: Path, tear: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    await left_by_the_dead(tmp_path)
    (path,) = segments_of(tmp_path)
    path.write_bytes(tear(path.read_bytes()))
    database = Database()
    with spool_in(tmp_path) as spool:
        await spool.drain(database.send)
        assert database.sequences == [1, 2]
        assert segments_of(tmp_path) != [path]
    assert "1 rows of the audit trail" in caplog.text


async def test_a_last_row_that_lacks_its_line_end_alone_is_whole(tmp_path: Path) -> None:
    await left_by_the_dead(tmp_path)
    (path,) = segments_of(tmp_path)
    path.write_bytes(without_its_last_character(path.read_bytes()))
    database = Database()
    with spool_in(tmp_path) as spool:
        await spool.drain(database.send)
    assert database.sequences == [1, 2, 3]


async def test_an_anchor_names_the_last_row_that_is_in_the_database(tmp_path: Path) -> None:
    database = Database()
    with spool_in(tmp_path) as spool:
        await append(spool, 3)
        await spool.drain(database.send)
        drained = spool.end
        await append(spool)
        assert anchors_in(tmp_path) == [drained]
        assert spool.anchors == {drained.writer_id: drained}
        assert Link.read(str(drained)) == drained


async def test_rows_that_outlive_a_power_cut_share_a_turn_of_the_disk(tmp_path: Path) -> None:
    database = Database()
    with spool_in(tmp_path, fsync=True) as spool:
        await asyncio.gather(*(append(spool) for _ in range(50)), spool.drain(database.send))
        await spool.drain(database.send)
        assert database.sequences == list(range(1, 51))


async def test_a_process_that_leaves_nothing_behind_leaves_no_file_but_its_anchor(tmp_path: Path) -> None:
    database = Database()
    with spool_in(tmp_path) as spool:
        await append(spool)
        await spool.drain(database.send)
    assert files_in(tmp_path) == [f"{spool.end.writer_id}.anchor"]


def test_a_folder_that_cannot_be_used_is_named_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(
            SetupError, match=r"file/spool: Not a directory; name a folder of your own in ZAVA_AUDIT__SPOOL_DIR"
        ),
        spool_in(tmp_path / "file" / "spool"),
    ):
        pass


async def test_literals_of_free_sql_are_in_no_row_and_its_fingerprint_is(tmp_path: Path) -> None:
    with spool_in(tmp_path) as spool:
        await append(spool)
        (line,) = lines_in(tmp_path)
    assert "Canary" not in line
    row = json.loads(line)
    assert row["query"] == "SELECT count(*) FROM retail.customers WHERE last_name = ?"
    assert re.fullmatch("[0-9a-f]{16}", row["fingerprint"])
    assert set(row) == {*COLUMNS, "mac"}


async def test_full_texts_are_kept_when_that_is_asked_for(tmp_path: Path) -> None:
    with spool_in(tmp_path, full_texts=True) as spool:
        await append(spool)
        await append(spool, call=replace(CALL, query=None))
        kept, other = map(json.loads, lines_in(tmp_path))
    assert kept["query_text"] == QUERY
    assert kept["query_mac"]
    assert "query_text" not in other
    assert other["query_mac"] is None


async def test_what_postgresql_cannot_keep_does_not_get_into_the_way_of_the_rest(tmp_path: Path) -> None:
    odd = replace(CALL, query="SELECT '\0 \ud800'" + "x" * 50_000, client="\0 \ud800")
    with spool_in(tmp_path, full_texts=True) as spool:
        await append(spool, call=odd)
        (line,) = lines_in(tmp_path)
    row = json.loads(line)
    assert not re.search(r"\\u0000|\\ud8", line)
    assert (row["query"], row["fingerprint"]) == (None, None)
    assert len(row["query_text"]) == 20_000


async def test_a_call_of_nobody_is_written_down_too(tmp_path: Path) -> None:
    with spool_in(tmp_path) as spool:
        await spool.append(replace(CALL, principal=None, code="AUTHORIZATION_ERROR", query=None), ())
        (row,) = map(json.loads, lines_in(tmp_path))
    assert (row["principal_id"], row["principal_name"], row["decision"]) == (None, None, "refused")


def test_the_key_is_derived_from_the_context_key_or_from_a_file_of_its_own(tmp_path: Path) -> None:
    context_key = ContextKey(b"a context key of thirty-two bytes")
    derived = AuditKey.of(context_key, None)
    assert derived == AuditKey.of(context_key, None)
    assert derived.secret != context_key.secret
    with pytest.raises(SetupError, match="The key of the audit trail is of no use"):
        AuditKey.of(context_key, tmp_path / "key")
    (tmp_path / "key").write_bytes(b"another key of thirty-two bytes or more")
    (tmp_path / "key").chmod(0o600)
    own = AuditKey.of(context_key, tmp_path / "key")
    assert own.key_id != derived.key_id
    assert "secret" not in repr(own)


async def test_a_spool_says_how_much_of_its_room_waits_and_that_it_is_free_again(tmp_path: Path) -> None:
    database = Database()
    with spool_in(tmp_path, most_bytes=10_000) as spool:
        assert spool.filled == 0
        await append(spool, 3)
        before = spool.filled
        assert 0.05 < before < 0.5
        await append(spool, 3)
        assert spool.filled == pytest.approx(2 * before, rel=0.05)
        await spool.drain(database.send)
        assert spool.filled == 0
