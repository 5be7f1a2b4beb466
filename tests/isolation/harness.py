"""Runs attacks one after the other, asks harmless questions between them, and says what came through."""

import asyncio
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from typing import Any, Protocol

import psycopg

from tests.isolation.attacks import QUERY, Asker, Attack, Call, put_words
from tests.isolation.canaries import Canaries
from tests.isolation.watching import SECONDS_BETWEEN, Connection, Ledger, Strain, Watcher

# What an attack may take, whatever it tries.
SECONDS_OVER = 2
MOST_MEGABYTES = 600
MOST_DISK = 1100
MOST_BYTES = 1_000_000
# What answers sooner has left nothing running.
SHORT = 0.2
# A machine that others exhaust may be slow by itself.
TRIES = 3
# After these seconds a query that cannot be interrupted is no longer waited for.
PATIENCE = 15

# The last of several calls is sent so often that it meets every connection of the pool.
POOL_SIZE = 4

# What each must get in between; {0} keeps the rows of their stores where a superuser asks.
CONTROLS = (
    "SELECT name FROM retail.stores {0} ORDER BY name",
    "SELECT count(*), sum(total_amount) FROM retail.orders {0}",
    "SELECT store_id, max(stock_level) FROM retail.inventory {0} GROUP BY store_id ORDER BY store_id",
    "SELECT count(*), count(DISTINCT status) FROM retail.orders {0}",
)

# Codes of errors that are nobody's refusal: something broke, or somebody else was kept waiting.
FAULTS = re.compile(r'"(INTERNAL_ERROR|UNAVAILABLE|BUSY)"')


# Out of memory, PostgreSQL lists what it holds, patterns of earlier queries on the connection among it. Nothing turns
# that off, and nobody but the operator reads it.
MEMORY_DUMP = re.compile(r"^ *RegexpMemoryContext: .*$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What came back of a call.

    Attributes:
        text: all of it: texts, structured content, metadata.
        rows: of a query, as JSON; of another tool its text. None when the call failed.
    """

    text: str
    rows: str | None

    @property
    def size(self) -> int:
        return len(self.text.encode(errors="replace"))


class Caller(Protocol):
    """Somebody's way to the tools."""

    async def call(self, call: Call) -> Outcome:
        """Calls a tool. Errors of tools and of the protocol are outcomes too."""
        ...


@dataclass(frozen=True)
class Finding:
    """An attack that came through, and how one knows."""

    attack: str
    cls: str
    asker: str
    verdict: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.attack} ({self.cls}) by {self.asker}: {self.verdict}: {self.evidence}"


@dataclass
class Logs:
    """What the programs have written since one last looked.

    Attributes:
        files: log files.
        said: what a process has written to its standard error so far.
    """

    files: Sequence[Path]
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._read = {file: file.stat().st_size for file in self.files}
        self._heard = len(self.said)

    def news(self) -> str:
        lines = self.said[self._heard :]
        self._heard += len(lines)
        for file, position in self._read.items():
            with file.open("rb") as log:
                log.seek(position)
                lines.append(MEMORY_DUMP.sub("", log.read().decode(errors="replace")))
                self._read[file] = log.tell()
        return "".join(lines)


@dataclass
class Field:
    """A shop under attack.

    Attributes:
        words: what attackers know beyond what follows from who they are.
        seconds: the timeout of a query.
        timings: of each attack, its name and the seconds of its longest call.
    """

    canaries: Canaries
    admin: Connection
    watcher: Watcher
    ledger: Ledger
    logs: Logs
    words: dict[str, str]
    seconds: float
    timings: list[tuple[float, str]] = field(default_factory=list)

    def expected(self, asker: Asker) -> Iterator[tuple[str, list[list[object]]]]:
        """Harmless queries, with the rows that this asker must get."""
        pairs = []
        for control in CONTROLS:
            theirs = control.format("WHERE store_id = ANY (%s)").encode()
            rows = self.admin.execute(theirs, [list(asker.stores)]).fetchall()
            pairs.append((control.format(""), [[_comparable(value) for value in row] for row in rows]))
        return cycle(pairs)


@dataclass
class Attacker:
    """Somebody at work in the field.

    Attributes:
        victim: another caller, who asks something between the calls of an attack.
    """

    field: Field
    asker: Asker
    caller: Caller
    victim: Caller

    def __post_init__(self) -> None:
        self._hidden = self.asker.hidden(self.field.canaries)
        self._words = self.asker.words(self.field.canaries, self.field.words)
        self._controls = self.field.expected(self.asker)

    async def run(self, attacks: Sequence[Attack]) -> list[Finding]:
        """Every attack, and a harmless query before the first and after each of them.

        An attack that does no harm but take too long is tried again: time counts when it is taken each time.

        Raises:
            AssertionError: the harmless query got no answer, or a wrong one.
        """
        # What a server does once, for its first caller, is no attack's doing.
        await self.control("the start")
        findings = []
        for attack in attacks:
            for _ in range(TRIES):
                found = await self.attempt(attack)
                await self.control(attack.name)
                if {finding.verdict for finding in found} != {"time"}:
                    break
            findings += found
        return findings

    async def control(self, after: str) -> None:
        """Asks something harmless."""
        query, expected = next(self._controls)
        for _ in range(TRIES):
            outcome = await self.caller.call(Call(QUERY, {"postgresql_query": query}))
            if "QUERY_TIMEOUT" not in outcome.text:
                break
        assert outcome.rows is not None, f"after {after}, {self.asker.kind} got no answer to {query}: {outcome.text}"
        rows = [[_comparable(value) for value in row] for row in json.loads(outcome.rows)]
        assert rows == expected, f"after {after}, {self.asker.kind} got another answer to {query}: {rows}"

    async def attempt(self, attack: Attack) -> list[Finding]:
        """One attack, and what it broke."""
        calls = attack.by(self._words)
        own_text = " ".join(str(call.arguments) for call in calls).lower()
        if len(calls) > 1:
            calls += (calls[-1],) * (POOL_SIZE - 1)
        strain = self.field.watcher.begin(self.asker.principal.principal_id)
        outcomes, longest = [], 0.0
        for number, call in enumerate(calls):
            if number and attack.between:
                await self.victim.call(self._harmless_secret())
            started = time.monotonic()
            outcomes.append(await self.caller.call(call))
            longest = max(longest, time.monotonic() - started)
        if longest > SHORT:
            await self._calm()
        strain.seconds = max(strain.seconds, longest)
        self.field.timings.append((strain.seconds, attack.name))
        breaches = [
            *self._of_answers(attack, outcomes, own_text),
            *too_much(strain, max(outcome.size for outcome in outcomes), self.field.seconds),
            *(("write", f"{name} changed: {text[:200]}") for name, text in self.field.ledger.changes().items()),
            *(("log", found) for found in self._marks(self.field.logs.news(), own_text)),
        ]
        return [Finding(attack.name, attack.cls, self.asker.kind, *breach) for breach in breaches]

    def _of_answers(self, attack: Attack, outcomes: Sequence[Outcome], own_text: str) -> Iterator[tuple[str, str]]:
        for outcome in outcomes:
            yield from (("leak", found) for found in self._marks(outcome.text, own_text))
            if fault := FAULTS.search(outcome.text):
                yield "fault", f"{fault[0]} {outcome.text[:200]}"
        if attack.leak == "CANARY" or self.asker.owns(attack):
            return
        leak = put_words(attack.leak, self._words)
        texts = {"leak": [outcome.text for outcome in outcomes], "success": [outcomes[-1].rows or ""]}
        for text in texts.get(attack.bad, ()):
            if found := re.search(leak, text):
                yield attack.bad, f"{found[0][:100]!r} in {text[:300]}"

    def _marks(self, text: str, own_text: str) -> Iterator[str]:
        """Marks of what is hidden, unless the attack itself brought them along."""
        lowered = text.lower()
        for found in self._hidden.finditer(lowered):
            if found[0] not in own_text:
                yield f"{found[0]!r} in {text[max(0, found.start() - 100) : found.end() + 100]}"
                return

    async def _calm(self) -> None:
        """Waits until PostgreSQL has stopped, too; for one that cannot be stopped only so long."""
        me = self.asker.principal.principal_id
        deadline = time.monotonic() + PATIENCE
        while self.field.watcher.is_running(me):
            if time.monotonic() > deadline:
                self.field.watcher.abandon(me)
            await asyncio.sleep(SECONDS_BETWEEN)

    def _harmless_secret(self) -> Call:
        query = f"SELECT '{self.field.canaries.activity}', count(*) FROM retail.customers"  # noqa: S608 - a mark
        return Call(QUERY, {"postgresql_query": query})


def too_much(strain: Strain, size: int, seconds: float) -> Iterator[tuple[str, str]]:
    """What an attack took beyond its share.

    Args:
        strain: what was seen of it.
        size: bytes of its longest answer.
        seconds: the timeout of a query.
    """
    if strain.seconds > seconds + SECONDS_OVER:
        yield "time", f"{strain.seconds:.1f} seconds"
    for what, value, most in (
        ("megabytes in PostgreSQL", strain.megabytes, MOST_MEGABYTES),
        ("megabytes in the server", strain.server, MOST_MEGABYTES),
        ("megabytes on disk", strain.disk, MOST_DISK),
        ("bytes of answer", size, MOST_BYTES),
    ):
        if value > most:
            yield "resource", f"{value:.1f} {what}"


def _comparable(value: Any) -> object:  # noqa: ANN401 - whatever JSON or PostgreSQL brings
    return Decimal(str(value)).normalize() if isinstance(value, int | float | Decimal) else value and str(value)


def bystander(app_dsn: str, canaries: Canaries) -> Connection:
    """Another session of the server's login, whose SQL is nobody else's business."""
    connection = psycopg.connect(app_dsn, autocommit=True)
    connection.execute(f"SELECT '{canaries.activity}'".encode())
    return connection
