"""What processes use, as Linux counts it."""

import os
from collections import defaultdict
from pathlib import Path

PROC = Path("/proc")
PAGE = os.sysconf("SC_PAGE_SIZE")
MEBIBYTE = 1024 * 1024


def processor_times(root: int, *, descendants: bool = True) -> dict[Path, int]:
    """Nanoseconds that each thread of a process, and of its descendants, has spent on processors so far."""
    tasks = [
        task
        for pid in (_tree(root) if descendants else [root])
        for task in (PROC / str(pid) / "task").glob("*/schedstat")
    ]
    return {task: int(text.split()[0]) for task in tasks if (text := _read(task))}


def spent_milliseconds(before: dict[Path, int], after: dict[Path, int]) -> float:
    """What was spent in between, but for threads that have ended since."""
    return sum(spent - before.get(task, 0) for task, spent in after.items()) / 1e6


def resident_mebibytes(root: int) -> float:
    """Of a process and its descendants; what they share is counted for each."""
    pages = sum(int((_read(PROC / str(pid) / "statm") or "0 0").split()[1]) for pid in _tree(root))
    return pages * PAGE / MEBIBYTE


def _tree(root: int) -> list[int]:
    children = defaultdict(list)
    for stat in PROC.glob("[0-9]*/stat"):
        if text := _read(stat):
            # The name of the program may have spaces and parentheses.
            children[int(text.rpartition(")")[2].split()[1])].append(int(stat.parent.name))
    found, left = [], [root]
    while left:
        found.append(left.pop())
        left += children[found[-1]]
    return found


def _read(path: Path) -> str | None:
    """None when the process has ended meanwhile."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
