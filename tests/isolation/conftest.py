"""A shop in which every row is marked."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A place that the system user of the embedded PostgreSQL can reach."""
    path = Path(tempfile.mkdtemp(prefix="zava-isolation-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)
