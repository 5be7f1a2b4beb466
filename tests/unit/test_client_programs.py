"""Which pg_dump is taken, and what others on the machine can see of it."""

from pathlib import Path

import pytest

from zava.adapters.embedded.binaries import packaged_binaries
from zava.adapters.postgres.client_programs import EMBEDDED, ClientProgramError, ClientPrograms, find_programs

DSN = "host=db.example.com dbname=zava user=ada password='hunter 2'"


def programs(folder: Path, version: str, then: str = "") -> Path:
    """A folder with programs of this version, which then do something else."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("pg_dump", "pg_restore"):
        path = folder / name
        path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{name} (PostgreSQL) {version}" && exit\n{then}\n')
        path.chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("server", "there", "taken"),
    [
        (15, ["15.18 (Debian 15.18-0+deb12u1)"], 15),
        (15, ["18.6", "15.18", "16.10"], 15),
        (15, ["18.6", "16.10"], 16),
        (17, ["18.6", "17.2"], 17),
        (17, ["16.10", "18.6"], 18),
        (18, ["19beta1"], 19),
    ],
)
def test_the_version_of_the_server_is_taken_or_the_next(
    tmp_path: Path, server: int, there: list[str], taken: int
) -> None:
    folders = [programs(tmp_path / str(number), version) for number, version in enumerate(there)]
    assert find_programs(folders, server).version == taken


@pytest.mark.parametrize(
    ("server", "there", "wanted"),
    [
        (18, ["17.2"], "PostgreSQL 18 or newer; found were 17 in "),
        (15, ["18.6"], "PostgreSQL 15 or 16; found were 18 in "),
        (16, ["18.6"], "PostgreSQL 16; found were 18 in "),
        (18, [], "PostgreSQL 18 or newer; found were none."),
    ],
)
def test_where_none_fits_it_is_said_which_do(tmp_path: Path, server: int, there: list[str], wanted: str) -> None:
    folders = [programs(tmp_path / str(number), version) for number, version in enumerate(there)]
    with pytest.raises(ClientProgramError, match=wanted) as refused:
        find_programs(folders, server)
    assert f"postgresql-client-{server}" in str(refused.value)
    # It has those of 18, which fit 17 and 18.
    assert ("zava[embedded]" in str(refused.value)) == (server >= 17)


def test_what_the_embedded_postgresql_is_said_to_bring_it_brings() -> None:
    assert find_programs([packaged_binaries()], EMBEDDED).version == EMBEDDED


def test_a_folder_with_half_of_the_programs_is_none(tmp_path: Path) -> None:
    folder = programs(tmp_path, "18.6")
    (folder / "pg_restore").unlink()
    with pytest.raises(ClientProgramError, match="found were none"):
        find_programs([folder], 18)


def test_a_password_is_in_the_environment_of_the_program_and_not_among_its_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZAVA_DATABASE__ADMIN_DSN", DSN)
    folder = programs(tmp_path, "18.6", then='tr "\\0" "\\n" < /proc/$$/cmdline; echo; env')
    said = ClientPrograms(folder, 18).run("pg_dump", "--file=x", dsn=DSN)
    arguments, _, environment = said.partition("\n\n")
    assert "--dbname=user=ada dbname=zava host=db.example.com" in arguments.splitlines()
    assert "--no-password" in arguments
    assert "hunter" not in arguments
    assert [line for line in environment.splitlines() if "hunter" in line] == ["PGPASSWORD=hunter 2"]


@pytest.mark.parametrize("option", ["sslpassword=hunter2"])
def test_what_else_is_secret_of_a_connection_string_is_refused(tmp_path: Path, option: str) -> None:
    folder = programs(tmp_path, "18.6")
    with pytest.raises(ClientProgramError, match=option.split("=", maxsplit=1)[0]) as refused:
        ClientPrograms(folder, 18).run("pg_dump", dsn=f"{DSN} {option}")
    assert "hunter" not in str(refused.value)


def test_of_what_a_program_says_when_it_fails_the_first_error_is_told_and_no_row(tmp_path: Path) -> None:
    said = (
        "pg_restore: while PROCESSING TOC:\\npg_restore: error: COPY failed for table x: ERROR:  invalid input.\\n"
        "CONTEXT: COPY x, line 1: Ada Archer"
    )
    folder = programs(tmp_path, "18.6", then=f'printf "{said}" >&2; exit 1')
    with pytest.raises(ClientProgramError) as failed:
        ClientPrograms(folder, 18).run("pg_restore")
    assert str(failed.value) == "pg_restore failed: COPY failed for table x: ERROR:  invalid input."


def test_a_program_that_fails_without_a_word_fails(tmp_path: Path) -> None:
    folder = programs(tmp_path, "18.6", then="exit 1")
    with pytest.raises(ClientProgramError, match="pg_dump failed: it said nothing"):
        ClientPrograms(folder, 18).run("pg_dump")
