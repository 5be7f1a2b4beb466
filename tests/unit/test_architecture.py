"""The rules of the house that can be read from the code itself."""

import ast
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from psycopg.conninfo import conninfo_to_dict
from pytest_socket import SocketBlockedError

import zava
from zava.adapters.mcp.identity import Caller, KnownTokens
from zava.adapters.postgres.access import DatabaseAccess
from zava.container import Container, new_container
from zava.core.model import Principal
from zava.core.scopes import SCOPES
from zava.settings import Settings

PACKAGE = Path(zava.__path__[0])
TESTS = Path(__file__).parents[1]
CORE = sorted((PACKAGE / "core").rglob("*.py"))

# Runs in an interpreter of its own: imports everything, and tells what that touched.
IMPORT_EVERYTHING = """
import importlib, json, os, pkgutil, sys

sys.path.insert(0, sys.argv[1])
import zava

touched = []

def listen(event, arguments):
    if event == "open":
        writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT
        if isinstance(arguments[2], int) and arguments[2] & writes:
            touched.append(f"writes {arguments[0]}")
    elif event.startswith(("socket.", "subprocess.", "os.mkdir", "os.remove", "os.rename", "os.system", "os.fork")):
        touched.append(event)

names = [module.name for module in pkgutil.walk_packages(zava.__path__, "zava.")]
sys.addaudithook(listen)
for name in names:
    importlib.import_module(name)
print(json.dumps({"names": names, "touched": touched}))
"""


def imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield node.module or ""


@pytest.mark.parametrize("module", CORE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_core_imports_the_standard_library_and_itself(module: Path) -> None:
    foreign = [
        name
        for name in imported(module)
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("zava.core.")
    ]
    assert foreign == []


def test_importing_every_module_with_an_empty_environment_touches_nothing(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-I", "-B", "-W", "error::ResourceWarning", "-c", IMPORT_EVERYTHING, str(PACKAGE.parent)],
        env={},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert {"zava.core.periods", "zava.container", "zava.commands.serve", "zava.__main__"} <= set(found["names"])
    assert found["touched"] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", [PACKAGE, TESTS], ids=["zava", "tests"])
def test_an_init_file_is_empty(folder: Path) -> None:
    inits = list(folder.rglob("__init__.py"))
    assert len(inits) > 2
    assert [path for path in inits if path.read_text(encoding="utf-8")] == []


@pytest.fixture
def access(tmp_path: Path) -> DatabaseAccess:
    """A database that is not there."""
    key = tmp_path / "context-key"
    key.write_bytes(b"a key of the tests, known to everybody")
    key.chmod(0o600)
    return DatabaseAccess("host=nowhere.invalid dbname=zava user=zava_app password=hunter2", key)


@pytest.mark.parametrize("name", sorted(Container.providers))
def test_everything_can_be_built_without_a_database(access: DatabaseAccess, name: str) -> None:
    container = new_container(Settings(), access)
    assert container.providers[name]() is not None
    assert container.pool().closed


@pytest.mark.parametrize(
    "name", ["pool", "sessions", "directory", "charts", "tools", "pipeline", "server", "get_store_performance"]
)
def test_what_is_built_is_built_once(access: DatabaseAccess, name: str) -> None:
    container = new_container(Settings(), access)
    assert container.providers[name]() is container.providers[name]()


def test_settings_reach_the_pool(access: DatabaseAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAVA_DATABASE__POOL_MIN_SIZE", "3")
    monkeypatch.setenv("ZAVA_DATABASE__POOL_MAX_SIZE", "7")
    monkeypatch.setenv("ZAVA_DATABASE__APPLICATION_NAME", "shop")
    pool = new_container(Settings(), access).pool()
    assert (pool.min_size, pool.max_size, pool.timeout, pool.max_idle) == (3, 7, 5, 300)
    assert pool.kwargs == {"autocommit": True, "application_name": "shop", "prepare_threshold": 5}
    assert callable(pool.conninfo)
    assert conninfo_to_dict(str(pool.conninfo())) == conninfo_to_dict(access.dsn) | {"connect_timeout": "2"}


def test_through_a_pooler_nothing_is_prepared(access: DatabaseAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAVA_DATABASE__POOLER", "transaction")
    container = new_container(Settings(), access)
    for pool in (container.pool(), container.sandbox_pool()):
        assert isinstance(pool.kwargs, dict)
        assert pool.kwargs["prepare_threshold"] is None


async def test_those_who_may_ask_reach_the_identity(access: DatabaseAccess) -> None:
    ada = Principal(UUID(int=1), "Ada")
    identity = new_container(Settings(), access, {"token-ada": ada}, "token-ada").identity()
    assert isinstance(identity, KnownTokens)
    assert await identity.caller() == Caller(ada, SCOPES)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_unit_tests_have_no_network(family: socket.AddressFamily) -> None:
    with pytest.warns(UserWarning, match="tried to use socket"), pytest.raises(SocketBlockedError):
        socket.socket(family)
