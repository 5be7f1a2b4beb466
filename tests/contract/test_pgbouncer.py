"""Through PgBouncer in transaction mode: the same answers, and nothing of one transaction in another."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import psycopg
import pytest

from tests import tiny_shop
from tests.contract.conftest import APP_PASSWORD, KEY, Pool, TestDatabase, new_pool
from tests.contract.test_sandbox import ENDLESS, SEATTLE, running, until
from tests.pgbouncer import PgBouncer, are_pooled, needs_pgbouncer, running_pgbouncer
from tests.contract.test_sessions import BROKEN, MANAGERS, NAMES, SLEEP, names
from zava.adapters.postgres.sandbox import PostgresSandbox, SandboxLimits
from zava.adapters.postgres.schema_catalog import PostgresSchemaCatalog
from zava.adapters.postgres.sessions import PrincipalSessions
from zava.core.errors import BusyError, QueryTimeoutError

pytestmark = needs_pgbouncer


@pytest.fixture(scope="module")
def pgbouncer(open_tiny_shop) -> Iterator[PgBouncer]:
    with running_pgbouncer(open_tiny_shop("embedded").admin_dsn, {"zava_app": APP_PASSWORD}) as pgbouncer:
        yield pgbouncer
