"""zava queries: what callers' own SQL is doing at present, and an end to it."""

import sys
from textwrap import fill

from zava.adapters.postgres.running_queries import RunningQuery, running_queries
from zava.commands.database import open_database
from zava.commands.logs import escaped
from zava.core.errors import SetupError
from zava.settings import Settings

WIDTH = 120
INDENT = "    "


def list_queries(settings: Settings) -> None:
    """Shows each query that runs: process, state, how long, who asked, and its text."""
    with open_database(settings) as database, database.login() as connection:
        found = running_queries(connection)
    for query in found:
        print(
            f"{in_a_line(query)}\n{fill(printable(query.text), WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)}"
        )
    print("Stop one with `zava queries stop <pid>`." if found else "No query of free SQL is running.")


def stop_query(settings: Settings, pid: int) -> None:
    """Stops the query of this process, and says whose it was."""
    with open_database(settings) as database, database.login() as connection:
        stopped = [query for query in running_queries(connection, stop=pid) if query.stopped]
    if not stopped:
        raise SetupError(f"No query of free SQL runs as process {pid}: nothing was stopped. `zava queries` lists them.")
    print(f"Stopped {in_a_line(stopped[0])}")


def in_a_line(query: RunningQuery) -> str:
    """Process, state, how long, and who asked."""
    asker = f"{printable(query.name)} ({printable(query.principal_id)})"
    return f"{query.pid}, {query.state} for {query.seconds:.1f} s: {asker}"


def printable(text: str, encoding: str | None = None) -> str:
    """A text of somebody else's, with what could steer a terminal or not be shown on it written as an escape."""
    encoding = encoding or sys.stdout.encoding
    return escaped(text).encode(encoding, "backslashreplace").decode(encoding)
