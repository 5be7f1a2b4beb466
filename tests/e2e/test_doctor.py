"""What an operator is told of the layers that hold free SQL, on servers that have all of them and on others."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.contract.conftest import KEY, SERVERS, TestDatabase, installed_by_no_superuser, running_postgres
from tests.e2e.conftest import Server, zava

TITLE = "What keeps free SQL to its caller's stores, and to its share of the machine:"
LAYERS = [
    "row security in force",
    "guard in front of free SQL",
    "catalogs closed to free SQL",
    "who asks is sealed by PostgreSQL alone",
    "free SQL runs as a role that only reads the shop",
    "functions of free SQL granted one by one",
    "functions bounded that no timeout interrupts",
    "ceiling on the time of a statement",
    "queries end with the server that asked",
    "temporary files limited",
    "tokens and values of rows kept out of PostgreSQL's log",
    "days compared with moments by index",
    "memory of each process bounded",
]
WITHOUT_SUPERUSER = {
    "catalogs closed to free SQL",
    "functions of free SQL granted one by one",
    "functions bounded that no timeout interrupts",
    "temporary files limited",
    "tokens and values of rows kept out of PostgreSQL's log",
    "days compared with moments by index",
}


def layers_in(examined: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """What is said of each layer, in the order in which it is said: "ok", or another word and the reason."""
    assert examined.stderr == ""
    _, _, lines = examined.stdout.partition(f"\n{TITLE}\n")
    said = {}
    for line in lines.splitlines():
        name, _, reason = line[6:].partition(": ")
        said[name] = f"{line[:6]}{reason}".strip()
    return said


def test_the_embedded_postgresql_has_every_layer(shop: Server) -> None:
    examined = zava("doctor", "--data-dir", str(shop.data_dir))
    said = layers_in(examined)
    assert list(said) == LAYERS
    assert said.pop("memory of each process bounded") == "ok    512 MB"
    assert set(said.values()) == {"ok"}
    assert examined.returncode == 0


def test_free_sql_that_is_switched_off_is_told(shop: Server) -> None:
    examined = zava("doctor", "--data-dir", str(shop.data_dir), ZAVA_SANDBOX__ENABLED="false")
    assert layers_in(examined)["free SQL itself"] == "off   ZAVA_SANDBOX__ENABLED is false, and nobody is offered it"


@pytest.fixture(scope="module", params=SERVERS)
def poorly_installed(request: pytest.FixtureRequest) -> Iterator[TestDatabase]:
    """A database of an administrator who is no superuser."""
    with running_postgres(SERVERS[request.param]) as postgres:
        yield installed_by_no_superuser(postgres)


@pytest.fixture
def settings(poorly_installed: TestDatabase, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "key").write_bytes(KEY.secret)
    (tmp_path / "key").chmod(0o600)
    return {
        "ZAVA_DATABASE__DSN": poorly_installed.app_dsn,
        "ZAVA_DATABASE__CONTEXT_KEY_FILE": str(tmp_path / "key"),
        "ZAVA_AUDIT__ENABLED": "false",
    }


def test_without_a_superuser_the_missing_layers_are_told_with_what_stands_in(settings: dict[str, str]) -> None:
    examined = zava("doctor", **settings)
    said = layers_in(examined)
    assert list(said) == LAYERS
    assert said.pop("memory of each process bounded").startswith("look  PostgreSQL does not tell; ")
    weak = {name: told for name, told in said.items() if told != "ok"}
    assert set(weak) == WITHOUT_SUPERUSER
    for told in weak.values():
        assert told.startswith("weak  ")
        assert "un `zava db migrate` as a superuser" in told
    for name in LAYERS[2], LAYERS[5], LAYERS[6]:
        assert "the guard alone" in weak[name]
    assert examined.returncode == 0


def test_a_layer_that_nothing_stands_in_for_fails(poorly_installed: TestDatabase, settings: dict[str, str]) -> None:
    with psycopg.connect(poorly_installed.admin_dsn, autocommit=True) as connection:
        connection.execute("GRANT zava_owner TO CURRENT_USER; SET ROLE zava_owner")
        connection.execute("GRANT DELETE ON retail.orders TO zava_sandbox_one")
        examined = zava("doctor", **settings)
        connection.execute("REVOKE DELETE ON retail.orders FROM zava_sandbox_one")
    told = layers_in(examined)["free SQL runs as a role that only reads the shop"]
    assert told == "FAIL  zava_sandbox_one may write retail.orders; REVOKE what it has beyond"
    assert examined.returncode == 1
