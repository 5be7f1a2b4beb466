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

TOO_LONG = "The question took too long. Ask for fewer days or fewer stores."
BUSY = "Too many questions are being answered at the moment. Try again in a few seconds."
UNAVAILABLE = "The database cannot be reached at the moment. Try again in a few seconds."
NO_AUDIT = "The audit trail is for those who hold the grant audit:read. Ask your administrator."
CLOCKS = "The clocks of the server and of its database differ. Your administrator has to set them."
RESOURCES = "The database has run out of memory or disk. Your administrator has to look at it."

# By SQLSTATE, or by its class, the first two characters.
TRANSLATIONS: dict[str, ZavaError] = {
    "ZV001": AuthorizationError("You are not known here, or no longer. Ask your administrator."),
    "ZV003": AuthorizationError(NO_AUDIT),
    "57014": QueryTimeoutError(TOO_LONG),
    "55P03": BusyError(BUSY),
    "53300": BusyError(BUSY),
    "40": BusyError(BUSY),
    "25P03": UnavailableError(UNAVAILABLE),
    "25P04": QueryTimeoutError(TOO_LONG),
    "53": UnavailableError(RESOURCES),
    "57": UnavailableError(UNAVAILABLE),
    "08": UnavailableError(UNAVAILABLE),
}

# What access.seal_context says of the server's word for who asks, when that is more than a minute old.
EXPIRED = "the context token has expired"

# Of a transaction that only reads, a standby alone says so: what it follows did away with what was being read.
CONFLICT_WITH_RECOVERY = "40"
CONNECTION_LOST = ("08", "57P01", "57P02", "57P03", "57P05")


def is_connection_failure(error: BaseException) -> bool:
    """Whether the connection failed rather than the question."""
    if isinstance(error, PoolTimeout) or not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(CONNECTION_LOST)


def is_conflict_with_recovery(error: BaseException | None) -> bool:
    """Whether a standby stopped a question in favour of what it follows. The next time it may be faster."""
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(CONFLICT_WITH_RECOVERY)


def is_unknown_key(error: BaseException | None) -> bool:
    """Whether the database does not know the key of the server, which may have got a new one."""
    return isinstance(error, psycopg.Error) and error.sqlstate == "ZV002"


def translate(error: psycopg.Error) -> Exception:
    """What this failure of a question means to the caller; the error itself when it means a fault of ours."""
    if is_connection_failure(error):
        return UnavailableError(UNAVAILABLE)
    state = error.sqlstate or ""
    if error.diag.message_primary == EXPIRED:
        return UnavailableError(CLOCKS)
    match TRANSLATIONS.get(state) or TRANSLATIONS.get(state[:2]):
        case ZavaError() as known:
            return type(known)(known.message)
    return error
