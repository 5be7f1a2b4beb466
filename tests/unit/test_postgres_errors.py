"""What a failure of PostgreSQL means to the caller."""

import psycopg
import pytest
from psycopg_pool import PoolClosed, PoolTimeout

from zava.adapters.postgres.errors import TRANSLATIONS, UNAVAILABLE, is_connection_failure, translate
from zava.core.errors import AuthorizationError, BusyError, QueryTimeoutError, UnavailableError, ZavaError

# What PostgreSQL and libpq may say, and nobody else should.
GIVEAWAYS = ("SELECT", "retail.", "hunter2", "zava_app", "10.0.0.7")
DETAILS = 'SELECT secret FROM retail.customer_records; connection to "10.0.0.7", user "zava_app", password "hunter2"'


class UnnamedError(psycopg.DatabaseError):
    """What psycopg makes of a SQLSTATE that it has no class for."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(DETAILS)
        self.sqlstate = sqlstate


def failure(sqlstate: str) -> psycopg.Error:
    """The error psycopg raises for this SQLSTATE."""
    try:
        return psycopg.errors.lookup(sqlstate)(DETAILS)
    except KeyError:
        return UnnamedError(sqlstate)


def translated(error: psycopg.Error) -> Exception:
    """What the caller is told of it."""
    return translate(error)


@pytest.mark.parametrize(
    ("sqlstate", "meaning", "retryable"),
    [
        pytest.param("ZV001", AuthorizationError, False, id="nobody we know"),
        pytest.param("57014", QueryTimeoutError, False, id="statement timeout"),
        pytest.param("55P03", BusyError, True, id="lock timeout"),
        pytest.param("53300", BusyError, True, id="too many connections"),
        pytest.param("53100", UnavailableError, True, id="disk full"),
        pytest.param("53200", UnavailableError, True, id="out of memory"),
        pytest.param("57P01", UnavailableError, True, id="shut down by an administrator"),
        pytest.param("57P02", UnavailableError, True, id="crashed"),
        pytest.param("57P03", UnavailableError, True, id="starting up"),
        pytest.param("57P04", UnavailableError, True, id="database dropped"),
        pytest.param("08006", UnavailableError, True, id="connection failure"),
        pytest.param("08P01", UnavailableError, True, id="protocol violation"),
    ],
)
def test_a_sqlstate_means_one_thing_to_the_caller(
    sqlstate: str,
    meaning: type[ZavaError],
    retryable: bool,  # noqa: FBT001
) -> None:
    error = translated(failure(sqlstate))
    assert type(error) is meaning
    assert error.retryable is retryable


def test_memory_and_disk_are_told_from_a_lost_connection() -> None:
    assert "administrator" in str(translated(failure("53200")))
    assert str(translated(failure("57P01"))) == UNAVAILABLE


def test_waiting_in_vain_for_a_connection_is_left_to_the_sessions_who_know_why() -> None:
    error = PoolTimeout(DETAILS)
    assert translated(error) is error


@pytest.mark.parametrize(
    "error",
    [psycopg.OperationalError(DETAILS), psycopg.InterfaceError(DETAILS), PoolClosed(DETAILS), failure("08003")],
    ids=lambda error: type(error).__name__,
)
def test_a_lost_connection_means_unavailable(error: psycopg.Error) -> None:
    shown = translated(error)
    assert type(shown) is UnavailableError
    assert str(shown) == UNAVAILABLE


@pytest.mark.parametrize("sqlstate", ["42P01", "42501", "22012", "23505", "25006", "XX000", "P0001"])
def test_a_fault_of_ours_is_left_alone(sqlstate: str) -> None:
    error = failure(sqlstate)
    assert translated(error) is error


def test_an_error_of_the_driver_is_left_alone() -> None:
    error = psycopg.ProgrammingError("the query has 2 placeholders but 1 parameters were passed")
    assert translated(error) is error


@pytest.mark.parametrize("sqlstate", ["ZV001", "57014", "55P03", "53300", "53200", "57P01", "08006"])
def test_no_message_shows_sql_or_secrets(sqlstate: str) -> None:
    shown = str(translated(failure(sqlstate)))
    assert shown.endswith(".")
    assert not [word for word in GIVEAWAYS if word in shown]


def test_each_caller_gets_an_error_of_their_own() -> None:
    first, second = translated(failure("57014")), translated(failure("57014"))
    assert first is not second
    assert first not in TRANSLATIONS.values()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.OperationalError(), True),
        (psycopg.InterfaceError(), True),
        (failure("08006"), True),
        (failure("57P01"), True),
        (failure("57P02"), True),
        (failure("57P03"), True),
        (failure("57014"), False),
        (failure("53300"), False),
        (failure("55P03"), False),
        (failure("42P01"), False),
        (PoolTimeout(), False),
        (psycopg.ProgrammingError(), False),
        (OSError(), False),
        (ValueError(), False),
    ],
    ids=lambda value: getattr(value, "sqlstate", None) or type(value).__name__,
)
def test_only_a_failed_connection_is_worth_another_attempt(error: Exception, expected: bool) -> None:  # noqa: FBT001
    assert is_connection_failure(error) is expected
