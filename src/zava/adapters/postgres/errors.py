"""SQLSTATE to the errors of the core, in one table."""

import psycopg
from psycopg_pool import PoolTimeout

from zava.core.errors import (
    AuthorizationError,
    BusyError,
    QueryTimeoutError,
    UnavailableError,
    ZavaError,
)

BUSY = "Too many questions are being answered at the moment. Try again in a few seconds."
UNAVAILABLE = "The database cannot be reached at the moment. Try again in a few seconds."
RESOURCES = "The database has run out of memory or disk. Your administrator has to look at it."

# By SQLSTATE, or by its class, the first two characters.
TRANSLATIONS: dict[str, ZavaError] = {
    "ZV001": AuthorizationError("You are not known here, or no longer. Ask your administrator."),
    "57014": QueryTimeoutError("The question took too long. Ask for fewer days or fewer stores."),
    "55P03": BusyError(BUSY),
    "53300": BusyError(BUSY),
    "53": UnavailableError(RESOURCES),
    "57": UnavailableError(UNAVAILABLE),
    "08": UnavailableError(UNAVAILABLE),
}

CONNECTION_LOST = ("08", "57P01", "57P02", "57P03")


def is_connection_failure(error: BaseException) -> bool:
    """Whether the connection failed rather than the question."""
    if isinstance(error, PoolTimeout) or not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(CONNECTION_LOST)


def translate(error: psycopg.Error) -> Exception:
    """What this failure means to the caller; the error itself when it means a fault of ours."""
    if is_connection_failure(error):
        return UnavailableError(UNAVAILABLE)
    state = error.sqlstate or ""
    known = TRANSLATIONS.get(state) or TRANSLATIONS.get(state[:2])
    return type(known)(known.message) if known else error
