"""Tables for people, and for programs that read them line by line."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zava.commands.queries import printable

# Where nobody looks, a line is as long as it has to be.
ENDLESS = 10_000


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Shows rows of texts that others may have written: nothing in them steers the terminal."""
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else ENDLESS, highlight=False).print(table)
