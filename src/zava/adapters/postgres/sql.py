"""The queries of this package, each in a file named like the port method that asks it."""

from importlib.resources import files
from typing import LiteralString


def load(name: str) -> LiteralString:
    """The text of queries/<name>.sql: part of the program, with nothing of a caller's ever pasted into it."""
    return files("zava.adapters.postgres").joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")
