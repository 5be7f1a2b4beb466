"""A shop in which every row is marked."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import reachable_folder

# `make isolation-long`: everything that could be tried, which takes an hour.
LONG = os.environ.get("ISOLATION") == "long"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """For the data directories of the servers."""
    with reachable_folder() as path:
        yield path
