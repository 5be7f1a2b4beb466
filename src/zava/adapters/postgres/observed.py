"""Tells those who watch what was asked of the database, and how it ended."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from zava.core.model import Principal
from zava.core.observations import QueryObserver, QueryRun


@dataclass
class Found:
    """What the database has answered so far.

    Attributes:
        rows: of all answers; None when there is none.
    """

    rows: int | None = None


@contextmanager
def observed(
    observers: Sequence[QueryObserver], principal: Principal, name: str, queries: tuple[str, ...], parameters: object
) -> Iterator[Found]:
    """Tells the observers of what is asked within. The arguments are those of QueryRun."""
    found = Found()
    error: str | None = None
    started = time.monotonic()
    try:
        yield found
    except BaseException as failure:
        error = _name(failure)
        raise
    finally:
        run = QueryRun(principal, name, queries, parameters, found.rows, error, time.monotonic() - started)
        for observe in observers:
            observe(run)


def _name(failure: BaseException) -> str:
    state = failure.sqlstate if isinstance(failure, psycopg.Error) else None
    return state or type(failure).__name__
