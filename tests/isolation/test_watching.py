"""The watcher sees what an attack takes: memory of every process, time, and disk."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.contract.conftest import TestDatabase, new_database, running_postgres
from tests.isolation.watching import Strain, Watcher

SOMEBODY = uuid4()
# Long enough to be looked at on a machine that has much else to do.
A_WHILE = 1.5
LARGE: LiteralString = (
    "SELECT length(made.large), pg_sleep(1.5) FROM (SELECT repeat('x', 200000000) AS large OFFSET 0) AS made"
)
SORTED: LiteralString = (
    "SELECT n, pg_sleep(1.5) FROM (SELECT n FROM generate_series(1, 3000000) AS n ORDER BY n DESC LIMIT 1) AS s"
)


@pytest.fixture(scope="module")
def database() -> Iterator[TestDatabase]:
    with running_postgres() as postgres:
        yield new_database(postgres)


@contextmanager
def watched(database: TestDatabase) -> Iterator[Strain]:
    folder = Path(str(conninfo_to_dict(database.admin_dsn)["host"])) / "postgres"
    with Watcher(database.admin_dsn, os.getpid(), folder) as watcher:
        yield watcher.begin(SOMEBODY)


def test_memory_of_any_process_of_postgresql_is_seen(database: TestDatabase) -> None:
    with watched(database) as strain, psycopg.connect(database.admin_dsn) as connection:
        connection.execute(LARGE)
    assert strain.megabytes > 190


def test_memory_of_the_process_that_answers_is_seen(database: TestDatabase) -> None:
    with watched(database) as strain:
        time.sleep(A_WHILE)
        before = strain.server
        large = b"x" * 200_000_000
        time.sleep(A_WHILE)
    assert len(large) > before
    assert strain.server > before + 180


def test_temporary_files_are_seen(database: TestDatabase) -> None:
    with watched(database) as strain, psycopg.connect(database.admin_dsn) as connection:
        connection.execute("SET work_mem = '64kB'")
        connection.execute(SORTED)
    assert strain.disk > 20


def test_time_is_that_of_the_one_who_asks(database: TestDatabase) -> None:
    with (
        watched(database) as strain,
        psycopg.connect(database.app_dsn) as theirs,
        psycopg.connect(database.app_dsn, application_name=f"{uuid4()} Another") as anothers,
    ):
        anothers.execute("SELECT pg_sleep(1.5)")
        assert strain.seconds == 0
        theirs.execute("SELECT set_config('application_name', %s, false), pg_sleep(1.5)", [f"{SOMEBODY} Somebody"])
        theirs.execute("SELECT pg_sleep(1.5)")
    assert strain.seconds >= A_WHILE
