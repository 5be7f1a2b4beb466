"""A wall clock of a process that jumps, as clocks do that are set by hand or by NTP.

The clock that only grows, by which timeouts are kept, does not: that is so on Linux.
"""

from pathlib import Path

# For programs with threads. Debian has it where the machine's own libraries are.
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class Clock:
    """Tells those processes the time that run with its variables.

    Attributes:
        variables: of the environment.
    """

    def __init__(self, file: Path) -> None:
        """A clock that is right.

        Args:
            file: a new one, in a folder that the processes can reach; says by how much the clock is wrong.
        """
        if not LIBRARIES:
            raise RuntimeError("Clocks jump by libfaketime, which is not installed: apt-get install libfaketime")
        self._file = file
        self.jump(0)
        self.variables = {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def jump(self, seconds: int) -> None:
        """Now it is so far ahead of the right time, or behind it."""
        # At once: it is read all the time.
        written = self._file.with_suffix(".new")
        written.write_text(f"{seconds:+}\n", encoding="ascii")
        written.chmod(0o644)
        written.replace(self._file)
