"""A shop in which every row is marked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import reachable_folder


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """For the data directories of the servers."""
    with reachable_folder() as path:
        yield path
