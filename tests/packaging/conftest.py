"""Zava as people install it: built here, put into an empty environment, and run from there."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import environment
from tests.postgres import reachable_folder

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"
UV = (sys.executable, "-m", "uv", "--quiet", "--no-config")
# The tests' own path must not lead the installed program back to the source tree. What it has compiled, it keeps.
AWAY = {"PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": ""}


def run(*command: str | Path, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, with none of this process's settings, and says what it said."""
    return subprocess.run(  # noqa: S603 - our own commands
        list(map(str, command)),
        cwd=cwd,
        env=environment(**AWAY, **variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def must(*command: str | Path, cwd: Path | None = None) -> str:
    """The standard output of a command that succeeds."""
    done = run(*command, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Installation:
    """An environment that holds Zava and what it asked for, and nothing else."""

    path: Path

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    @property
    def program(self) -> Sequence[str]:
        return (str(self.path / "bin" / "zava"),)

    def zava(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return run(*self.program, *arguments, cwd=self.path, **variables)


def install(path: Path, distribution: Path, *extras: str) -> Installation:
    """A new environment in which this wheel or sdist is, with its requirements as they are locked, hashes checked.

    Whatever builds an sdist is a requirement, too, and brought along by the installer.
    """
    wanted = f"zava[{','.join(extras)}] @ {distribution.as_uri()}"
    installation = Installation(path)
    must(*UV, "venv", "--python", sys.executable, path)
    locked = ("--constraints", LOCK, "--build-constraints", LOCK)
    must(*UV, "pip", "install", "--python", installation.python, *locked, wanted, cwd=path)
    where = must(installation.python, "-c", "import zava; print(zava.__file__)", cwd=path)
    assert Path(where).is_relative_to(path), where
    return installation


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Away from the source tree, and in reach of the embedded PostgreSQL's user."""
    with reachable_folder() as path:
        yield path


@pytest.fixture(scope="session")
def distributions(folder: Path) -> Path:
    """A folder with the wheel and the sdist of this source tree."""
    must(sys.executable, "-m", "hatchling", "build", "-d", folder / "dist", cwd=ROOT)
    return folder / "dist"


@pytest.fixture(scope="session")
def wheel(distributions: Path) -> Path:
    (path,) = distributions.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def sdist(distributions: Path) -> Path:
    (path,) = distributions.glob("*.tar.gz")
    return path
