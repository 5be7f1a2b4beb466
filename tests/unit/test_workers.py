"""How the connections of a database are shared out among workers."""

from pathlib import Path

import pytest

from zava.adapters.postgres.access import DatabaseAccess
from zava.commands.database import Database
from zava.commands.workers import shared_out
from zava.core.errors import SetupError
from zava.settings import DatabaseSettings, HttpSettings, SandboxSettings, Settings

# Nobody asks it while a setting says how many connections there are.
NOWHERE = Database(DatabaseAccess("host=nowhere.invalid", Path("nowhere")), admin_dsn=None)


def pools(workers: int, connections: int, *, free_sql: bool = True) -> tuple[int, int, int]:
    """The least and most connections for questions of each worker, and the most for free SQL."""
    settings = Settings(
        http=HttpSettings(workers=workers),
        database=DatabaseSettings(max_connections=connections),
        sandbox=SandboxSettings(enabled=free_sql),
    )
    shared = shared_out(settings, NOWHERE)
    return shared.database.pool_min_size, shared.database.pool_max_size, shared.sandbox.pool_max_size


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_pools_stay_as_they_are_set_where_there_are_enough_connections(workers: int) -> None:
    assert pools(workers, 20 * workers) == (2, 10, 8)
    assert pools(workers, 1_000) == (2, 10, 8)


@pytest.mark.parametrize(("workers", "connections"), [(1, 19), (2, 39), (3, 57), (4, 57), (8, 97), (10, 40), (14, 57)])
def test_all_pools_together_take_what_there_is(workers: int, connections: int) -> None:
    least, questions, queries = pools(workers, connections)
    assert 1 <= least <= questions <= 10
    assert 1 <= queries <= 8
    taken = workers * (questions + queries + 2)
    assert taken <= connections < taken + workers


def test_where_free_sql_is_off_questions_have_all_of_them() -> None:
    assert pools(4, 40, free_sql=False)[1] == 8
    assert pools(4, 48, free_sql=False)[1] == 10


@pytest.mark.parametrize(("workers", "connections"), [(2, 7), (10, 39), (64, 97)])
def test_more_workers_than_there_are_connections_for_are_refused(workers: int, connections: int) -> None:
    with pytest.raises(SetupError, match=rf"WORKERS={workers} takes {4 * workers} connections at least"):
        pools(workers, connections)
