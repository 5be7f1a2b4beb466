"""Tables of what was measured, and which promises it keeps."""

import os
import platform
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

from side_by_side.answers import Size
from side_by_side.install import versions
from side_by_side.load import Load
from side_by_side.servers import RAW, TOOLBOX
from side_by_side.workloads import Workload

BEGIN, END = "<!-- make bench -->", "<!-- end of make bench -->"
ZAVA, ZAVA_SQL, ZAVA_SEARCH = "Zava", "Zava, SQL tool", "Zava, search"
CACHED, CACHED_SEARCH = "Zava, cached", "Zava, search, cached"
# At which concurrency promises are kept: answers that take seconds are asked for one by one.
JUDGED_AT = {"W4": 1}
JUDGED = 8
# Which workload, by which servers of ours, how many times as many answers as MCP Toolbox at scale 10.
PROMISES: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("W3", (ZAVA,), 12),
    ("W4", (ZAVA,), 100),
    ("W5", (CACHED, ZAVA), 20),
    ("W6", (CACHED, ZAVA), 1.5),
    ("W7", (CACHED_SEARCH, ZAVA_SEARCH), 1.5),
    ("W2", (ZAVA,), 0.8),
)
PROMISED_SCALE = 10.0
PROMISED_TOKENS = 0.55
PROMISED_MEBIBYTES = 150
CALLS_BEFORE_MEMORY = 1_000


@dataclass(frozen=True)
class Cell:
    """One server under one load, for a while.

    Attributes:
        cpu: milliseconds of the server's processes.
        database: milliseconds of PostgreSQL's.
    """

    load: Load
    cpu: float
    database: float

    @property
    def calls(self) -> int:
        return len(self.load.milliseconds)


@dataclass
class Measured:
    """All of one scale.

    Attributes:
        rounds: by workload, concurrency and server; of one round all servers have one.
        sizes: by workload and server.
        memory: by server: mebibytes at the end, and the calls until then.
        left_out: which servers answered which workload otherwise than PostgreSQL, and were not timed.
    """

    scale: float
    rounds: dict[tuple[str, int], dict[str, list[Cell]]] = field(default_factory=dict)
    sizes: dict[str, dict[str, Size]] = field(default_factory=dict)
    memory: dict[str, tuple[float, int]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def ratios(self, workload: str, concurrency: int, server: str, base: str = TOOLBOX) -> list[float]:
        """How many times as many answers as another server gave in the same round, round by round."""
        cells = self.rounds.get((workload, concurrency), {})
        return [
            mine.load.per_second / theirs.load.per_second
            for mine, theirs in zip(cells.get(server, ()), cells.get(base, ()), strict=False)
        ]


def report(measured: Sequence[Measured], workloads: Sequence[Workload], how: str) -> str:
    """Everything, in Markdown."""
    return "\n".join(_lines(measured, workloads, how))


def write(path: Path, text: str) -> None:
    """Puts it where the one before is."""
    whole = path.read_text(encoding="utf-8")
    begin, end = whole.index(BEGIN) + len(BEGIN), whole.index(END)
    path.write_text(f"{whole[:begin]}\n{text}\n{whole[end:]}", encoding="utf-8")


def _lines(measured: Sequence[Measured], workloads: Sequence[Workload], how: str) -> Iterator[str]:
    yield f"{datetime.now(UTC):%Y-%m-%d}, commit {_commit()}, {how}. {_machine()}. {versions()}."
    yield ""
    yield f"Promised at scale {PROMISED_SCALE:g}, as times the answers of {TOOLBOX}, median of the rounds:"
    yield ""
    yield "| | measured | promised | |\n|---|--:|--:|---|"
    for one in measured:
        if one.scale == PROMISED_SCALE:
            yield from _promises(one)
    yield ""
    for one in measured:
        if one.left_out:
            yield f"Left out at scale {one.scale:g}, since they answered otherwise: {', '.join(one.left_out)}.\n"
        for workload in workloads:
            yield from _table(one, workload)
        yield from _sizes(one)
        yield from _memory(one)


def _promises(measured: Measured) -> Iterator[str]:
    for workload, servers, least in PROMISES:
        concurrency = JUDGED_AT.get(workload, JUDGED)
        for server in servers:
            if ratios := measured.ratios(workload, concurrency, server):
                found = median(ratios)
                yield (
                    f"| {workload}, {server}, {concurrency} at once | {_spread(ratios)} | ≥ {least:g} "
                    f"| {_verdict(kept=found >= least)} |"
                )
                break
        else:
            yield f"| {workload}, {servers[0]} | | ≥ {least:g} | not measured |"
    yield from _promised_sizes(measured)


def _promised_sizes(measured: Measured) -> Iterator[str]:
    sizes = measured.sizes.get("W6", {})
    others = [size.tokens for name, size in sizes.items() if not name.startswith(ZAVA)]
    if others and ZAVA in sizes:
        found = sizes[ZAVA].tokens / min(others)
        yield (
            f"| tokens of W6, times those of the best other | {found:.2f} | ≤ {PROMISED_TOKENS} "
            f"| {_verdict(kept=found <= PROMISED_TOKENS)} |"
        )
    if ZAVA in measured.memory:
        mebibytes, calls = measured.memory[ZAVA]
        enough = calls >= CALLS_BEFORE_MEMORY
        verdict = _verdict(kept=mebibytes <= PROMISED_MEBIBYTES) if enough else "too few calls"
        yield f"| resident memory after {calls:,} calls, MiB | {mebibytes:.0f} | ≤ {PROMISED_MEBIBYTES} | {verdict} |"


def _verdict(*, kept: bool) -> str:
    return "met" if kept else "**missed**"


def _table(measured: Measured, workload: Workload) -> Iterator[str]:
    rounds = {key[1]: cells for key, cells in measured.rounds.items() if key[0] == workload.name}
    if not rounds:
        return
    yield f"### {workload.name}, scale {measured.scale:g}: {workload.title}"
    yield ""
    yield (
        "| server | at once | answers/s | p50 ms | p99 ms | CPU ms, server | CPU ms, PostgreSQL "
        f"| times {TOOLBOX} (rounds) | times {RAW} | failed |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    for concurrency, cells in rounds.items():
        for server, those in cells.items():
            waited = sorted(one for cell in those for one in cell.load.milliseconds)
            row = [
                server,
                str(concurrency),
                _short(median(cell.load.per_second for cell in those)),
                _short(median(waited)),
                _short(quantiles(waited, n=100)[-1] if len(waited) > 1 else waited[0]),
                _short(_each(those, lambda cell: cell.cpu)),
                _short(_each(those, lambda cell: cell.database)),
                _spread(measured.ratios(workload.name, concurrency, server)),
                _spread(measured.ratios(workload.name, concurrency, server, RAW)),
                str(sum(cell.load.failures for cell in those)),
            ]
            yield f"| {' | '.join(row)} |"
    yield ""


def _sizes(measured: Measured) -> Iterator[str]:
    if not measured.sizes:
        return
    yield f"### `content` of an answer, scale {measured.scale:g}: bytes, tokens of o200k_base"
    yield ""
    names = list(measured.sizes)
    yield f"| server | {' | '.join(names)} |\n|---|{'--:|' * len(names)}"
    for server in dict.fromkeys(server for sizes in measured.sizes.values() for server in sizes):
        sizes = [measured.sizes[name].get(server) for name in names]
        yield f"| {server} | {' | '.join(f'{one.bytes:,}, {one.tokens:,}' if one else '' for one in sizes)} |"
    yield ""


def _memory(measured: Measured) -> Iterator[str]:
    yield f"### Resident memory at the end, scale {measured.scale:g}"
    yield ""
    yield "| server | MiB | after calls |\n|---|--:|--:|"
    for server, (mebibytes, calls) in measured.memory.items():
        yield f"| {server} | {mebibytes:.0f} | {calls:,} |"
    yield ""


def _each(cells: Sequence[Cell], spent: Callable[[Cell], float]) -> float:
    return sum(map(spent, cells)) / max(1, sum(cell.calls for cell in cells))


def _spread(ratios: Sequence[float]) -> str:
    if not ratios:
        return ""
    if len(ratios) == 1:
        return _short(ratios[0])
    return f"{_short(median(ratios))} ({_short(min(ratios))} to {_short(max(ratios))})"


def _short(number: float) -> str:
    """Three digits that count."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"  # noqa: PLR2004


def _commit() -> str:
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return asked.stdout.strip() or "unknown"


def _machine() -> str:
    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(encoding="utf-8"))
    gibibytes = f"{int(memory[1]) / 1024**2:.0f} GiB" if memory else ""
    return (
        f"{processor[1] if processor else platform.machine()}, {len(os.sched_getaffinity(0))} cores, {gibibytes}, "
        f"Python {platform.python_version()}; load of the machine before {os.getloadavg()[2]:.1f}"
    )
